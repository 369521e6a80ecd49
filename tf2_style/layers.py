"""The helpers of the tutorial's models (TensorFlow 2 style)."""

import tensorflow as tf


def weight_variable(shape, seed, name):
    """Returns a variable of normal noise, stddev 0.1, truncated at two standard deviations.

    `seed` is two integers. A stateless initialiser draws the same bits in either style, and did in
    TensorFlow 1.15.5 and 2.21; `tf.random.truncated_normal` draws others in each.
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

    TensorFlow 2 takes the rate at which units are dropped, 1 - keep_prob: the argument that is
    most often migrated wrong. The noise follows from `seed`, two integers. Where `keep_prob` is
    None, there is no dropout in the graph.
    """
    if keep_prob is None:
        return x
    return tf.nn.experimental.stateless_dropout(x, rate=1 - keep_prob, seed=seed)
