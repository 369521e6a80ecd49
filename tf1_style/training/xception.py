"""Xception without its top, a network that other models use as a layer (TensorFlow 1 style).

F. Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions" (2017). It has the
layers, constants and 20,861,480 parameters of `keras.applications.Xception(include_top=False)`.
"""

import tensorflow.compat.v1 as tf

from tf1_style.training.layers import (
    BatchNorm,
    glorot_uniform,
    separable_conv2d,
    summed_in_float32,
)


class NormalizedConvolution:
    """A convolution without bias, plain or separable, and batch norm."""

    def __init__(self, name, c, d, size, seed, separable=True):
        self.scope = name
        with tf.name_scope(name):
            if separable:
                self.weights = [
                    tf.Variable(glorot_uniform([size, size, c, 1], [seed, 0]), name="depthwise"),
                    tf.Variable(glorot_uniform([1, 1, c, d], [seed, 1]), name="pointwise"),
                ]
            else:
                initial = glorot_uniform([size, size, c, d], [seed, 0])
                self.weights = [tf.Variable(initial, name="W")]
            self.batch_norm = BatchNorm(d, scale=True)

    def __call__(self, h, training, stride=1, padding="SAME"):
        with tf.name_scope(f"{self.scope}/"):  # the slash reopens the variables' scope
            weights = [summed_in_float32(W) for W in self.weights]  # the network is used twice
            if len(weights) == 2:
                h = separable_conv2d(h, *weights)
            else:
                h = tf.nn.conv2d(h, weights[0], [1, stride, stride, 1], padding)
            return self.batch_norm(h, training)


class Xception:
    """Maps images [n, h, w, 3] in [-1, 1] to features [n, h/32, w/32, 2048]."""

    def __init__(self, seed):
        self.seed = seed
        self.convolutions = {}
        self.create("block1_conv1", 3, 32, separable=False)
        self.create("block1_conv2", 32, 64, separable=False)
        for block, c, d in ((2, 64, 128), (3, 128, 256), (4, 256, 728)):
            self.create(f"block{block}_sepconv1", c, d)
            self.create(f"block{block}_sepconv2", d, d)
            self.create(f"block{block}_residual", c, d, size=1, separable=False)
        for block in range(5, 13):
            for k in (1, 2, 3):
                self.create(f"block{block}_sepconv{k}", 728, 728)
        self.create("block13_sepconv1", 728, 728)
        self.create("block13_sepconv2", 728, 1024)
        self.create("block13_residual", 728, 1024, size=1, separable=False)
        self.create("block14_sepconv1", 1024, 1536)
        self.create("block14_sepconv2", 1536, 2048)

    def create(self, name, c, d, size=3, separable=True):
        """Creates a convolution; no two have the same seed."""
        seed = self.seed + (len(self.convolutions) << 32)  # --seed has 31 bits
        self.convolutions[name] = NormalizedConvolution(name, c, d, size, seed, separable)

    def __call__(self, h, training):
        def conv(name, h, **arguments):
            return self.convolutions[name](h, training, **arguments)

        h = tf.nn.relu(conv("block1_conv1", h, stride=2, padding="VALID"))
        h = tf.nn.relu(conv("block1_conv2", h, padding="VALID"))
        for block in (2, 3, 4, 13):
            residual = conv(f"block{block}_residual", h, stride=2)
            if block > 2:
                h = tf.nn.relu(h)
            h = tf.nn.relu(conv(f"block{block}_sepconv1", h))
            h = conv(f"block{block}_sepconv2", h)
            h = tf.nn.max_pool(h, [1, 3, 3, 1], [1, 2, 2, 1], "SAME") + residual
            if block == 4:
                h = self.middle(h, conv)
        h = tf.nn.relu(conv("block14_sepconv1", h))
        return tf.nn.relu(conv("block14_sepconv2", h))

    def middle(self, h, conv):
        """Applies the eight blocks whose residual is their input: [n, h, w, 728] to the same."""
        for block in range(5, 13):
            residual = h
            for k in (1, 2, 3):
                h = conv(f"block{block}_sepconv{k}", tf.nn.relu(h))
            h = h + residual
        return h
