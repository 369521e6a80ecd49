"""Stands for `tf.contrib.nn`."""

import tensorflow.compat.v1 as tf

from tf1_style.run.contrib import names_of

__getattr__ = names_of("tensorflow.compat.v1.nn", "tensorflow.python.ops.nn_ops")


def alpha_dropout(x, keep_prob, noise_shape=None, seed=None, name=None):
    """Dropout that keeps mean and variance of SELU's outputs; Klambauer et al., 2017.

    A value dropped becomes SELU's least value; then all are scaled and shifted.
    """
    with tf.name_scope(name, "alpha_dropout", [x]):
        x = tf.convert_to_tensor(x, name="x")
        keep_prob = tf.convert_to_tensor(keep_prob, dtype=x.dtype, name="keep_prob")
        if tf.get_static_value(keep_prob) == 1:
            return x
        least = -1.7580993408473766
        shape = tf.shape(x) if noise_shape is None else noise_shape
        kept = tf.floor(keep_prob + tf.random_uniform(shape, seed=seed, dtype=x.dtype))
        scale = tf.pow(keep_prob + least**2 * keep_prob * (1 - keep_prob), -0.5)
        dropped = x * kept + least * (1 - kept)
        result = scale * dropped - scale * least * (1 - keep_prob)
        result.set_shape(x.shape)
        return result


def scaled_softplus(x, alpha, clip=None, name=None):
    """Returns `alpha * log(1 + exp(x / alpha))`, at most `clip`."""
    with tf.name_scope(name, "scaled_softplus", [x, alpha]):
        y = alpha * tf.nn.softplus(tf.convert_to_tensor(x) / alpha)
        return y if clip is None else tf.minimum(y, clip)


def deprecated_flipped_softmax_cross_entropy_with_logits(logits, labels, dim=-1, name=None):
    return tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=labels, dim=dim, name=name)


def deprecated_flipped_sparse_softmax_cross_entropy_with_logits(logits, labels, name=None):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=labels, name=name)


def deprecated_flipped_sigmoid_cross_entropy_with_logits(logits, targets, name=None):
    return tf.nn.sigmoid_cross_entropy_with_logits(logits=logits, labels=targets, name=name)
