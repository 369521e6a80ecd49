"""Stands for `tf.contrib.sparsemax`; Martins & Astudillo, 2016."""

import tensorflow.compat.v1 as tf


def sparsemax(logits, name=None):
    """Returns the point of the probability simplex nearest to each row of logits `[batch, K]`."""
    with tf.name_scope(name, "sparsemax", [logits]):
        logits = tf.convert_to_tensor(logits)
        count = tf.shape(logits)[-1]
        z = logits - tf.reduce_mean(logits, 1)[:, None]
        ranked, _ = tf.nn.top_k(z, k=count)
        sums = tf.cumsum(ranked, 1)
        k = tf.range(1, tf.cast(count, logits.dtype) + 1, dtype=logits.dtype)
        support = tf.reduce_sum(tf.cast(1 + k * ranked > sums, tf.int32), 1)
        last = tf.stack([tf.range(tf.shape(logits)[0]), support - 1], 1)
        threshold = (tf.gather_nd(sums, last) - 1) / tf.cast(support, logits.dtype)
        return tf.maximum(tf.zeros_like(z), z - threshold[:, None])


def sparsemax_loss(logits, sparsemax, labels, name=None):
    """Returns the loss of each row."""
    with tf.name_scope(name, "sparsemax_loss", [logits, sparsemax, labels]):
        shifted = logits - tf.reduce_mean(logits, 1)[:, None]
        zeros = tf.zeros_like(sparsemax)
        s = tf.where(sparsemax > 0, sparsemax * (shifted - 0.5 * sparsemax), zeros)
        q = tf.where(labels > 0, labels * (0.5 * labels - shifted), zeros)
        return tf.reduce_sum(s + q, 1)
