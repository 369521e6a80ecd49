"""Depthwise separable convolutions on MNIST, with a fraction of the weights (TensorFlow 1 style).

    python tf1_style/mnist_separable.py
    python tf1_style/mnist_separable.py --noseparable

Six convolutions, two poolings, and the average over the whole image. A separable convolution first
convolves each channel by itself, then mixes the channels. --noseparable takes plain convolutions.
The layers are those of F. Chollet's "Deep Learning with Python", section 7.3, with padding. The
twin is tf2_style/mnist_separable.py.
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
    bias_variable,
    conv2d,
    glorot_uniform,
    max_pool_2x2,
    separable_conv2d,
)
from tf1_style.training.sequences import global_average_pool


class Convolution:
    """A separable or a plain 3x3 convolution with bias and ReLU: [n, h, w, c] to [n, h, w, d]."""

    def __init__(self, c, d, seed, index, separable):
        self.separable = separable
        if separable:
            # Glorot's limit for 9 inputs and 9 outputs, as a filter sees one channel. Keras counts
            # the inputs of all c channels. Then the signal fades from layer to layer.
            depthwise = tf.random.stateless_uniform([3, 3, c, 1], [seed, 3 * index], -0.58, 0.58)
            pointwise = glorot_uniform([1, 1, c, d], [seed, 3 * index + 1])
            self.depthwise = tf.Variable(depthwise, name="depthwise")
            self.pointwise = tf.Variable(pointwise, name="pointwise")
        else:
            self.W = tf.Variable(glorot_uniform([3, 3, c, d], [seed, 3 * index]), name="W")
        self.b = bias_variable([d], name="b", value=0.0)

    def __call__(self, h):
        if self.separable:
            return tf.nn.relu(separable_conv2d(h, self.depthwise, self.pointwise) + self.b)
        return tf.nn.relu(conv2d(h, self.W) + self.b)


class MnistSeparable(Classifier):
    """Maps flat images to the logits of ten classes and the activations of each layer."""

    CHANNELS = (1, 32, 64, 64, 128, 64, 128)

    def __init__(self, flags):
        super().__init__(flags)
        self.convolutions = []
        for k, (c, d) in enumerate(zip(self.CHANNELS, self.CHANNELS[1:])):
            with tf.name_scope(f"conv{k + 1}"):
                layer = Convolution(c, d, flags.seed, k, flags.separable)
            self.convolutions.append(layer)

        with tf.name_scope("fc1"):
            self.W_fc1 = tf.Variable(glorot_uniform([128, 32], [flags.seed, 18]), name="W_fc1")
            self.b_fc1 = bias_variable([32], "b_fc1", value=0.0)

        with tf.name_scope("fc2"):
            self.W_fc2 = tf.Variable(glorot_uniform([32, 10], [flags.seed, 19]), name="W_fc2")
            self.b_fc2 = bias_variable([10], "b_fc2", value=0.0)

    def __call__(self, images, keep_prob, step, training):
        # No dropout: `keep_prob`, `step` and `training` go unused.
        with tf.name_scope("input/"):  # the slash reopens an existing scope
            h = tf.reshape(images, [-1, 28, 28, 1])  # [n, 784] to [n, 28, 28, 1]

        layers = {}
        for k, convolution in enumerate(self.convolutions, start=1):
            with tf.name_scope(f"conv{k}/"):
                h = layers[f"conv{k}"] = convolution(h)  # [n, 28, 28, 32] to [n, 7, 7, 128]
            if k in (2, 4):
                with tf.name_scope(f"pool{k // 2}"):
                    h = max_pool_2x2(h)

        with tf.name_scope("average"):
            h = layers["average"] = global_average_pool(h)  # [n, 128]

        with tf.name_scope("fc1/"):
            h = layers["fc1"] = tf.nn.relu(tf.matmul(h, self.W_fc1) + self.b_fc1)  # [n, 32]

        with tf.name_scope("fc2/"):
            y = layers["fc2"] = tf.matmul(h, self.W_fc2) + self.b_fc2  # [n, 10]
        return {"logits": y}, layers


if __name__ == "__main__":
    main(
        MnistSeparable,
        __doc__,
        epochs=5,
        batch_size=64,
        optimizer="rmsprop_keras2",
        learning_rate=0.001,
        separable=True,
        csv_log=True,
    )
