"""The layers of the models (TensorFlow 2 style)."""

import itertools
import math

import numpy as np
import tensorflow as tf


def weight_variable(shape, seed, name, initializer="truncated_normal"):
    """Returns a variable with random initial values; `seed` is two integers.

    A stateless initialiser draws the same bits in both styles, in TensorFlow 1.15.5 and in 2.21.
    `tf.random.truncated_normal` draws different ones in each.
    """
    return tf.Variable(INITIALIZERS[initializer](shape, seed), name=name)


def truncated_normal(shape, seed):
    """Draws as the tutorial does: stddev 0.1, truncated at two standard deviations."""
    return tf.random.stateless_truncated_normal(shape, seed, stddev=0.1)


def uniform(shape, seed):
    """Draws as Keras's "uniform" does: from -0.05 to 0.05."""
    return tf.random.stateless_uniform(shape, seed, -0.05, 0.05)


def glorot_uniform(shape, seed):
    """Draws as Keras does by default, so that signals keep their size (Glorot and Bengio, 2010).

    `shape` is [units in, units out], or [h, w, channels in, channels out] for a convolution.
    """
    field = np.prod(shape[:-2])  # 1 for a dense layer
    limit = math.sqrt(6 / (field * (shape[-2] + shape[-1])))
    return tf.random.stateless_uniform(shape, seed, -limit, limit)


INITIALIZERS = {
    "truncated_normal": truncated_normal,
    "uniform": uniform,
    "glorot_uniform": glorot_uniform,
}


def bias_variable(shape, name, value=0.1):
    """Returns a variable that starts at `value`; at 0.1 no ReLU starts dead."""
    initial = tf.constant(value, shape=shape)
    return tf.Variable(initial, name=name)


def conv2d(x, W, stride=1):
    """Convolves x [n, h, w, c] with W [fh, fw, c, d]: [n, h/stride, w/stride, d], rounded up."""
    return tf.nn.conv2d(x, W, strides=[1, stride, stride, 1], padding="SAME")


def separable_conv2d(x, depthwise, pointwise, stride=1):
    """Convolves each channel by itself, then mixes the channels: Keras's `SeparableConv2D`.

    With `depthwise` [fh, fw, c, 1] and `pointwise` [1, 1, c, d], it maps x [n, h, w, c] to
    [n, h/stride, w/stride, d], rounded up. It takes c * (fh * fw + d) weights in place of the
    fh * fw * c * d of a convolution.
    """
    strides = [1, stride, stride, 1]
    return tf.nn.separable_conv2d(x, depthwise, pointwise, strides=strides, padding="SAME")


def max_pool_2x2(x):
    """Halves height and width: [n, h, w, c] to [n, h/2, w/2, c]."""
    return tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")


@tf.custom_gradient
def matmul_with_fast_gradient(x, W):
    """Multiplies x [n, c] by W [c, d] to [n, d], like `tf.matmul`, but with a faster gradient.

    The gradient of x is dy times W transposed. This computes it as the transpose of (W times dy
    transposed): the same products and sums, so the same bits. For a large W, oneDNN then takes half
    the time. A step of mnist_deep takes 24 instead of 27.5 ms (two cores of an AMD EPYC, Zen 4).
    """

    def gradients(dy):
        return tf.transpose(tf.matmul(W, dy, transpose_b=True)), tf.matmul(x, dy, transpose_a=True)

    return tf.matmul(x, W), gradients


@tf.custom_gradient
def summed_in_float32(W):
    """Returns W; the gradients of its uses are added in float32, also with --precision=bfloat16.

    Weights that are used twice, or in each step of a loop, have a sum as their gradient. In
    bfloat16, TensorFlow may round its terms and partial sums, and does so at other places in a
    session than in a function. It never rounds what `tf.reduce_sum` returns. So each term passes
    through `tf.reduce_sum`, as a sum of one number, which leaves its value as it is.
    """
    return tf.identity(W), lambda dW: tf.reduce_sum(tf.expand_dims(dW, 0), 0)


def dropout(x, keep_prob, seed, layer=0):
    """Keeps each unit of x with probability `keep_prob` and scales it up, or sets it to 0.

    TensorFlow 2 takes the rate at which units are dropped, 1 - keep_prob. Migrations get this
    argument wrong most often. The noise depends only on `seed`, two integers, and on `layer`, the
    index of the dropout in the model. If `keep_prob` is None, the graph has no dropout.
    """
    if keep_prob is None:
        return x
    return tf.nn.experimental.stateless_dropout(
        x, rate=1 - keep_prob, seed=_layer_seed(seed, layer)
    )


def _layer_seed(seed, layer):
    """Returns a seed for one layer. A seed has 64 bits, of which --seed uses 31."""
    first, second = seed
    return [first + (layer << 32), second]


ACTIVATIONS = {
    "relu": tf.nn.relu,
    "sigmoid": tf.sigmoid,
    "tanh": tf.tanh,
    "linear": lambda h: h,
}


class Bias(tf.Module):
    """Adds one number to each unit or channel; all start at 0."""

    def __init__(self, units, name):
        super().__init__()
        self.b = bias_variable([units], name=name, value=0.0)

    def __call__(self, h, training):
        return h + self.b


class BatchNorm(tf.Module):
    """Gives each unit or channel the mean beta and the variance 1 (Ioffe and Szegedy, 2015).

    Training uses the batch's mean and variance, and updates the moving averages with them.
    Evaluation uses the averages. There are no UPDATE_OPS: each call in training updates the
    averages, so code that only inspects a model must restore them. There is no factor gamma
    unless `scale` is true, because a ReLU and a layer with weights follow.

    The batch is centred once, and the variance is computed from the centred batch. `tf.nn.moments`
    and `tf.nn.batch_normalization` each read `h` again, so the gradient of `h` is a sum of more
    than two terms. In bfloat16 the two styles then differ from the first step.
    """

    MOMENTUM = 0.99
    EPSILON = 1e-3

    @staticmethod
    def over_replicas(mean):
        """Returns the mean of all replicas with --sync_batch_norm; replicas.py replaces this."""
        return mean

    def __init__(self, units, scale=False):
        super().__init__()
        self.gamma = tf.Variable(tf.ones([units]), name="gamma") if scale else None
        self.beta = tf.Variable(tf.zeros([units]), name="beta")
        self.mean = tf.Variable(tf.zeros([units]), trainable=False, name="moving_mean")
        self.variance = tf.Variable(tf.ones([units]), trainable=False, name="moving_variance")

    def __call__(self, h, training):
        if training:
            axes = list(range(len(h.shape) - 1))  # all but the last
            mean = self.over_replicas(tf.reduce_mean(h, axes))
            centred = h - mean
            variance = self.over_replicas(tf.reduce_mean(tf.square(centred), axes))
            for average, value in ((self.mean, mean), (self.variance, variance)):
                self.update(average, value)
        else:
            centred, variance = h - self.mean, self.variance
        h = centred * tf.math.rsqrt(variance + self.EPSILON)
        if self.gamma is not None:
            h = h * self.gamma
        return h + self.beta

    def update(self, average, value):
        """Moves an average towards the value of a batch."""
        average.assign_sub((average - value) * (1 - self.MOMENTUM))


class DenseNet(tf.Module):
    """Maps images [n, 784] to the logits of ten classes [n, 10], through layers with ReLU.

    `hidden` has the units of each hidden layer, such as "200,60"; "" means none. It also returns
    the activations of the layers, by name: fc1 and so on.
    """

    def __init__(self, hidden, seed):
        super().__init__()
        units = [784, *map(int, filter(None, hidden.split(","))), 10]
        self.layers = []
        for k, (inputs, outputs) in enumerate(itertools.pairwise(units), start=1):
            with tf.name_scope(f"fc{k}"):
                W = tf.Variable(glorot_uniform([inputs, outputs], [seed, k]), name=f"W_fc{k}")
                self.layers.append((W, bias_variable([outputs], f"b_fc{k}", value=0.0)))

    def __call__(self, h):
        activations = {}
        for k, (W, b) in enumerate(self.layers, start=1):
            with tf.name_scope(f"fc{k}/"):  # the slash reopens the variables' scope
                h = tf.matmul(h, W) + b
                if k < len(self.layers):
                    h = tf.nn.relu(h)
            activations[f"fc{k}"] = h
        return h, activations
