"""Draws digits: a generator against a discriminator (TensorFlow 1 style).

    python tf1_style/mnist_gan.py --dataset=digits

The discriminator learns to tell real images from those of the generator; the generator learns to
deceive it (Goodfellow et al., 2014). They have two losses, two optimizers and two lists of
variables, and take turns: see training/two_sides.py. Each has one hidden layer, as in A.
Kristiadi's "Generative Adversarial Nets in TensorFlow". The run folder gets pictures.png. The twin
is tf2_style/mnist_gan.py.
"""

import sys
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()

from shared import datasets
from tf1_style.training import main
from tf1_style.training.layers import bias_variable, glorot_uniform, summed_in_float32
from tf1_style.training.two_sides import TwoSidesTrainer


class MnistGan:
    """Draws images from noise, and tells them from real ones."""

    inputs: ClassVar = {"images": ([None, 784], "float32")}
    targets: ClassVar = {}
    metrics = ("generator_loss", "discriminator_accuracy")
    exported_inputs: ClassVar = {"noise": ([None, 100], "float32")}

    def __init__(self, flags):
        self.seed = flags.seed
        self.sides = {}  # the variables of each
        with tf.name_scope("discriminator"):
            self.sides["discriminator"] = self.create(784, 1, seed=0)
        with tf.name_scope("generator"):
            self.sides["generator"] = self.create(100, 784, seed=2)

    def create(self, inputs, outputs, seed):
        """Returns the weights of a network with one hidden layer: W1, b1, W2, b2."""
        W1 = tf.Variable(glorot_uniform([inputs, 128], [self.seed, seed]), name="W1")
        b1 = bias_variable([128], name="b1", value=0.0)
        W2 = tf.Variable(glorot_uniform([128, outputs], [self.seed, seed + 1]), name="W2")
        return [W1, b1, W2, bias_variable([outputs], name="b2", value=0.0)]

    def network(self, side, h):
        """Computes the outputs of one side, before the sigmoid: [n, inputs] to [n, outputs]."""
        W1, b1, W2, b2 = map(summed_in_float32, self.sides[side])  # used for real and fake
        with tf.name_scope(f"{side}/"):  # the slash reopens the variables' scope
            return tf.matmul(tf.nn.relu(tf.matmul(h, W1) + b1), W2) + b2

    def __call__(self, keep_prob, step, training, images=None, noise=None):
        if noise is None:  # in an exported model it is an input
            with tf.name_scope("noise"):
                shape = [tf.shape(images)[0], 100]
                noise = tf.random.stateless_normal(shape, [self.seed, step])
        pictures = tf.sigmoid(self.network("generator", noise))  # [n, 784]
        if images is None:
            return {"pictures": pictures}, {}
        real = self.network("discriminator", images)[:, 0]  # [n], the logits of "it is real"
        fake = self.network("discriminator", pictures)[:, 0]
        outputs = {"pictures": pictures, "real": real, "fake": fake}
        return outputs, {"generator": pictures, "discriminator": fake}

    def loss(self, outputs, targets):
        """Returns the loss of the discriminator: real images are 1, pictures are 0."""
        return cross_entropy(outputs["real"], 1.0) + cross_entropy(outputs["fake"], 0.0)

    def generator_loss(self, outputs, targets):
        """Returns the loss of the generator: its pictures shall be taken for real."""
        return cross_entropy(outputs["fake"], 1.0)

    def discriminator_accuracy(self, outputs, targets):
        """Returns the fraction of real images and pictures that the discriminator tells apart."""
        correct = tf.concat([outputs["real"] > 0, outputs["fake"] < 0], 0)
        return tf.reduce_mean(tf.cast(correct, tf.float32))

    def predictions(self, outputs):
        """Returns the outputs of an exported model: pictures [n, 784] in [0, 1]."""
        return {"pictures": outputs["pictures"]}


def cross_entropy(logits, label):
    """Returns the mean binary cross-entropy of logits [n] whose labels are all the same."""
    labels = tf.fill(tf.shape(logits), label)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))


if __name__ == "__main__":
    main(
        MnistGan,
        __doc__,
        load=datasets.load_unlabelled,
        Trainer=TwoSidesTrainer,
        dataset=("mnist", "fashion_mnist", "digits"),
        max_steps=20000,
        batch_size=128,
        optimizer="adam",
        learning_rate=0.001,
    )
