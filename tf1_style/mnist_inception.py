"""Branches that join, and residual connections, on MNIST (TensorFlow 1 style).

    python tf1_style/mnist_inception.py
    python tf1_style/mnist_inception.py --blocks=12 --noresidual

A module of four branches (Szegedy et al., 2015) halves height and width. Blocks of three
convolutions follow, then one that halves them again; a residual connection (He et al., 2015) goes
around each. Without residuals, a deep stack trains badly. The modules are those of F. Chollet's
"Deep Learning with Python", section 7.1. The twin is tf2_style/mnist_inception.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()

from tf1_style.training import main
from tf1_style.training.classifier import Classifier
from tf1_style.training.layers import bias_variable, conv2d, glorot_uniform, max_pool_2x2
from tf1_style.training.sequences import global_average_pool


class MnistInception(Classifier):
    """Maps flat images to the logits of ten classes and the activations of each layer."""

    def __init__(self, flags):
        super().__init__(flags)
        self.seed = flags.seed
        self.residual = flags.residual
        self.weights = {}  # by the names of their layers
        f = flags.filters
        for name, size, c, d in [
            *[("inception/a", 1, 1, f), ("inception/b1", 1, 1, f), ("inception/b2", 3, f, f)],
            *[("inception/c", 3, 1, f)],
            *[("inception/d1", 1, 1, f), ("inception/d2", 3, f, f), ("inception/d3", 3, f, f)],
            *[(f"block{k + 1}/{n}", 3, 4 * f, 4 * f) for k in range(flags.blocks) for n in "abc"],
            *[("strided/a", 3, 4 * f, 4 * f), ("strided/b", 3, 4 * f, 4 * f)],
            *[("strided/residual", 1, 4 * f, 4 * f)][: flags.residual],
        ]:
            self.create(name, [size, size, c, d])
        self.create("fc", [4 * f, 10])
        self.blocks = [f"block{k + 1}" for k in range(flags.blocks)]

    def create(self, name, shape):
        """Creates the weights and the bias of a convolution."""
        with tf.name_scope(name):
            initial = glorot_uniform(shape, [self.seed, len(self.weights)])
            W = tf.Variable(initial, name="W")
            self.weights[name] = W, bias_variable(shape[-1:], name="b", value=0.0)

    def conv(self, name, h, stride=1, activation=tf.nn.relu):
        """Convolves h [n, h, w, c] with the weights of a layer."""
        W, b = self.weights[name]
        with tf.name_scope(f"{name}/"):  # the slash reopens the variables' scope
            return activation(conv2d(h, W, stride) + b)

    def inception(self, x):
        """Maps x [n, 28, 28, 1] to the joined outputs of four branches, [n, 14, 14, 4 f]."""
        # Not stride=2: on processors without AVX-512, oneDNN's gradient of W would be wrong.
        branch_a = self.conv("inception/a", x[:, ::2, ::2])
        branch_b = self.conv("inception/b2", self.conv("inception/b1", x), stride=2)
        with tf.name_scope("inception/pool"):
            pooled = tf.nn.avg_pool(x, [1, 3, 3, 1], [1, 2, 2, 1], "SAME")
        branch_c = self.conv("inception/c", pooled)
        branch_d = self.conv("inception/d2", self.conv("inception/d1", x))
        branch_d = self.conv("inception/d3", branch_d, stride=2)
        with tf.name_scope("inception/join"):
            return tf.concat([branch_a, branch_b, branch_c, branch_d], 3)

    def __call__(self, images, keep_prob, step, training):
        # No dropout: `keep_prob`, `step` and `training` go unused.
        with tf.name_scope("input/"):
            x = tf.reshape(images, [-1, 28, 28, 1])  # [n, 784] to [n, 28, 28, 1]
        # x has no gradient. Otherwise that would be a sum of four terms, one for each branch.
        layers = {"inception": self.inception(x)}
        h = layers["inception"]
        for name in self.blocks:
            y = h
            for part in "abc":
                y = self.conv(f"{name}/{part}", y)  # [n, 14, 14, 4 f]
            with tf.name_scope(f"{name}/"):
                h = layers[name] = y + h if self.residual else y

        y = self.conv("strided/b", self.conv("strided/a", h))
        with tf.name_scope("strided/"):
            y = max_pool_2x2(y)  # [n, 7, 7, 4 f]
        if self.residual:
            y = y + self.conv("strided/residual", h[:, ::2, ::2], activation=tf.identity)
        layers["strided"] = y

        with tf.name_scope("average"):
            h = layers["average"] = global_average_pool(y)  # [n, 4 f]
        W, b = self.weights["fc"]
        with tf.name_scope("fc/"):
            y = layers["fc"] = tf.matmul(h, W) + b  # [n, 10]
        return {"logits": y}, layers


if __name__ == "__main__":
    main(
        MnistInception,
        __doc__,
        epochs=10,
        batch_size=32,
        optimizer="adam",
        learning_rate=0.002,
        decay=0.7,
        filters=16,
        blocks=1,
        residual=True,
        csv_log=True,
    )
