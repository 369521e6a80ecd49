"""A convolutional network on MNIST, up to about 99.5 % (TensorFlow 1 style).

    python tf1_style/mnist_convnet.py
    python tf1_style/mnist_convnet.py --keep_prob=0.6
    python tf1_style/mnist_convnet.py --batch_norm --keep_prob=0.7 --batch_size=64 --decay=0.666

Three convolutions, two of them with stride 2 instead of pooling, and a dense layer. The model comes
from M. Goerner's "TensorFlow and deep learning, without a PhD". Its twin is
tf2_style/mnist_convnet.py.
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
from tf1_style.training.layers import (
    BatchNorm,
    Bias,
    bias_variable,
    conv2d,
    dropout,
    weight_variable,
)


class MnistConvnet(Classifier):
    """Maps flat images to the logits of ten classes and the activations of each layer.

    `shift_conv1` and the other shifts are batch norms with --batch_norm, and biases without it.
    """

    def __init__(self, flags):
        super().__init__(flags)
        self.seed = flags.seed
        with tf.name_scope("conv1"):
            self.W_conv1, self.shift_conv1 = self.layer([3, 3, 1, 12], 0, "conv1", flags)

        with tf.name_scope("conv2"):
            self.W_conv2, self.shift_conv2 = self.layer([6, 6, 12, 24], 2, "conv2", flags)

        with tf.name_scope("conv3"):
            self.W_conv3, self.shift_conv3 = self.layer([6, 6, 24, 32], 4, "conv3", flags)

        with tf.name_scope("fc1"):
            self.W_fc1, self.shift_fc1 = self.layer([7 * 7 * 32, 200], 6, "fc1", flags)

        with tf.name_scope("fc2"):
            self.W_fc2 = weight_variable([200, 10], [flags.seed, 8], "W_fc2", flags.initializer)
            self.b_fc2 = bias_variable([10], "b_fc2", value=0.0)

    def layer(self, shape, index, name, flags):
        """Returns the weights of a layer, and its batch norm or bias."""
        W = weight_variable(shape, [flags.seed, index], f"W_{name}", flags.initializer)
        units = shape[-1]
        return W, BatchNorm(units) if flags.batch_norm else Bias(units, f"b_{name}")

    def __call__(self, images, keep_prob, step, training):
        with tf.name_scope("input/"):  # the slash reopens an existing scope
            x_image = tf.reshape(images, [-1, 28, 28, 1])  # [n, 784] to [n, 28, 28, 1]

        with tf.name_scope("conv1/"):
            h_conv1 = conv2d(x_image, self.W_conv1)  # [n, 28, 28, 12]
            h_conv1 = tf.nn.relu(self.shift_conv1(h_conv1, training))

        with tf.name_scope("conv2/"):
            h_conv2 = conv2d(h_conv1, self.W_conv2, stride=2)  # [n, 14, 14, 24]
            h_conv2 = tf.nn.relu(self.shift_conv2(h_conv2, training))

        with tf.name_scope("conv3/"):
            h_conv3 = conv2d(h_conv2, self.W_conv3, stride=2)  # [n, 7, 7, 32]
            h_conv3 = tf.nn.relu(self.shift_conv3(h_conv3, training))

        with tf.name_scope("fc1/"):
            h_conv3_flat = tf.reshape(h_conv3, [-1, 7 * 7 * 32])
            h_fc1 = tf.matmul(h_conv3_flat, self.W_fc1)  # [n, 200]
            h_fc1 = tf.nn.relu(self.shift_fc1(h_fc1, training))

        with tf.name_scope("dropout"):
            h_fc1_drop = dropout(h_fc1, keep_prob, seed=[self.seed, step])

        with tf.name_scope("fc2/"):
            y = tf.matmul(h_fc1_drop, self.W_fc2) + self.b_fc2  # [n, 10]
        layers = {"conv1": h_conv1, "conv2": h_conv2, "conv3": h_conv3, "fc1": h_fc1, "fc2": y}
        return {"logits": y}, layers


if __name__ == "__main__":
    main(
        MnistConvnet,
        __doc__,
        epochs=10,
        batch_size=128,
        last_batch="short",
        optimizer="adam",
        learning_rate=0.01,
        decay=0.6,
        initializer="glorot_uniform",
        batch_norm=False,
        keep_prob=1.0,
        csv_log=True,
    )
