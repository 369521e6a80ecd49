"""The helpers of the tutorial's models (TensorFlow 1 style)."""

import tensorflow.compat.v1 as tf


def weight_variable(shape, seed, name):
    """Returns a variable of normal noise, stddev 0.1, truncated at two standard deviations.

    `seed` is two integers. A stateless initialiser draws the same bits in either style, and did in
    TensorFlow 1.15.5 and 2.21; `tf.truncated_normal` draws others in each.
    """
    initial = tf.random.stateless_truncated_normal(shape, seed, stddev=0.1)
    return tf.Variable(initial, name=name)


def bias_variable(shape, name):
    """Returns a variable that starts at 0.1, so that no ReLU starts dead."""
    initial = tf.constant(0.1, shape=shape)
    return tf.Variable(initial, name=name)


def conv2d(x, W):
    """Convolves x [n, h, w, c] with W [fh, fw, c, d], stride 1: [n, h, w, d]."""
    return tf.nn.conv2d(x, W, strides=[1, 1, 1, 1], padding="SAME")


def max_pool_2x2(x):
    """Halves height and width: [n, h, w, c] to [n, h/2, w/2, c]."""
    return tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")


def dropout(x, keep_prob, seed):
    """Keeps each unit of x with probability `keep_prob` and scales it up, or sets it to 0.

    Old code has `tf.nn.dropout(x, keep_prob)`, which draws from the graph's own generator, as no
    other program can. This is the same with noise that follows from `seed`, two integers. Where
    `keep_prob` is None, there is no dropout in the graph.
    """
    if keep_prob is None:
        return x
    rate = 1 - keep_prob
    keep = tf.random.stateless_uniform(tf.shape(x), seed) >= rate
    return tf.where(keep, x / (1 - rate), tf.zeros_like(x))
