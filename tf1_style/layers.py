"""What models are made of (TensorFlow 1 style)."""

import math

import numpy as np
import tensorflow.compat.v1 as tf


def weight_variable(shape, seed, name, initializer="truncated_normal"):
    """Returns a variable of noise, drawn as the name of the initializer says.

    `seed` is two integers. A stateless initialiser draws the same bits in either style, and did in
    TensorFlow 1.15.5 and 2.21; `tf.truncated_normal` draws others in each.
    """
    return tf.Variable(INITIALIZERS[initializer](shape, seed), name=name)


def truncated_normal(shape, seed):
    """The tutorial's: stddev 0.1, truncated at two standard deviations."""
    return tf.random.stateless_truncated_normal(shape, seed, stddev=0.1)


def uniform(shape, seed):
    """Keras's "uniform": from -0.05 to 0.05."""
    return tf.random.stateless_uniform(shape, seed, -0.05, 0.05)


def glorot_uniform(shape, seed):
    """Keras's default, such that signals keep their size (Glorot and Bengio, 2010).

    `shape` is [units in, units out], or that of a convolution, [h, w, channels in, channels out].
    """
    field = np.prod(shape[:-2])  # 1 where there is none
    limit = math.sqrt(6 / (field * (shape[-2] + shape[-1])))
    return tf.random.stateless_uniform(shape, seed, -limit, limit)


INITIALIZERS = {
    "truncated_normal": truncated_normal,
    "uniform": uniform,
    "glorot_uniform": glorot_uniform,
}


def bias_variable(shape, name, value=0.1):
    """Returns a variable that starts at 0.1, so that no ReLU starts dead, or at another value."""
    initial = tf.constant(value, shape=shape)
    return tf.Variable(initial, name=name)


def conv2d(x, W, stride=1):
    """Convolves x [n, h, w, c] with W [fh, fw, c, d]: [n, h/stride, w/stride, d], rounded up."""
    return tf.nn.conv2d(x, W, strides=[1, stride, stride, 1], padding="SAME")


def max_pool_2x2(x):
    """Halves height and width: [n, h, w, c] to [n, h/2, w/2, c]."""
    return tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")


@tf.custom_gradient
def matmul(x, W):
    """Multiplies x [n, c] by W [c, d]: [n, d].

    As `tf.matmul` does, but that the gradient of x, dy times W transposed, is made as the transpose
    of W times dy transposed. Those are the same products and sums, and for a large W oneDNN takes
    half the time: of a step of mnist_deep, 3.5 of 27.5 ms (two cores of an AMD EPYC, Zen 4).
    """

    def gradients(dy):
        return tf.transpose(tf.matmul(W, dy, transpose_b=True)), tf.matmul(x, dy, transpose_a=True)

    return tf.matmul(x, W), gradients


def dropout(x, keep_prob, seed, layer=0):
    """Keeps each unit of x with probability `keep_prob` and scales it up, or sets it to 0.

    Old code has `tf.nn.dropout(x, keep_prob)`, which draws from the graph's own generator, as no
    other program can. This is the same with noise that follows from `seed`, two integers, and from
    which of the model's dropouts it is. Where `keep_prob` is None, there is no dropout in the
    graph.
    """
    if keep_prob is None:
        return x
    rate = 1 - keep_prob
    keep = tf.random.stateless_uniform(tf.shape(x), _of_layer(seed, layer)) >= rate
    return tf.where(keep, x / (1 - rate), tf.zeros_like(x))


def _of_layer(seed, layer):
    """Returns a seed of the layer's own: seeds have 64 bits, and ours take up 31."""
    first, second = seed
    return [first + (layer << 32), second]


ACTIVATIONS = {
    "relu": tf.nn.relu,
    "sigmoid": tf.sigmoid,
    "tanh": tf.tanh,
    "linear": lambda h: h,
}


class Bias:
    """Adds a number of its own to each unit or channel; starts at 0."""

    def __init__(self, units, name):
        self.b = bias_variable([units], name=name, value=0.0)

    def __call__(self, h, training):
        return h + self.b


class BatchNorm:
    """Gives each unit or channel the mean beta and the variance 1 (Ioffe and Szegedy, 2015).

    In training by the batch's own mean and variance, which also move the averages that take their
    place in evaluation. What moves them are operations beside the model: they go into UPDATE_OPS,
    and the train_op has to depend on those, which is what old programs forget. There is no factor
    gamma, as what follows is a ReLU and a layer with factors of its own.

    The batch is centred once, and its variance taken of that. `tf.nn.moments` and
    `tf.nn.batch_normalization` each read `h` again, so that its gradient is a sum of more than two
    terms; in bfloat16 the two styles then part at the first step.
    """

    MOMENTUM = 0.99
    EPSILON = 1e-3

    def __init__(self, units):
        self.beta = tf.Variable(tf.zeros([units]), name="beta")
        self.mean = tf.Variable(tf.zeros([units]), trainable=False, name="moving_mean")
        self.variance = tf.Variable(tf.ones([units]), trainable=False, name="moving_variance")

    def __call__(self, h, training):
        if training:
            axes = list(range(len(h.shape) - 1))  # all but the last
            mean = tf.reduce_mean(h, axes)
            centred = h - mean
            variance = tf.reduce_mean(tf.square(centred), axes)
            for average, value in ((self.mean, mean), (self.variance, variance)):
                update = tf.assign_sub(average, (average - value) * (1 - self.MOMENTUM))
                tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, update)
        else:
            centred, variance = h - self.mean, self.variance
        return centred * tf.rsqrt(variance + self.EPSILON) + self.beta
