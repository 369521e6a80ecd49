"""The translators of 2015: every model of tf.nn.seq2seq on one small batch."""
from __future__ import print_function

import numpy as np
import tensorflow as tf
from tensorflow.python.util import nest

s2s = tf.contrib.legacy_seq2seq
ids = [np.array([1, 4, 2], np.int32), np.array([0, 3, 3], np.int32), np.array([2, 2, 1], np.int32)]
floats = [np.cos(np.arange(12).reshape(3, 4) + i).astype(np.float32) for i in range(3)]


def new_cell():
    return tf.contrib.rnn.BasicLSTMCell(4)


def show(name, build):
    tf.reset_default_graph()
    with tf.Session() as sess:
        result = build()
        for i, v in enumerate(sorted(tf.global_variables(), key=lambda v: v.name)):
            shape = v.get_shape().as_list()
            value = 0.8 * np.cos(np.arange(int(np.prod(shape))) * 0.7 + i).reshape(shape)
            sess.run(v.assign(value.astype(np.float32)))
        print(name, [(v.name, v.get_shape().as_list()) for v in tf.global_variables()])
        print(" ".join("%.5f" % np.sum(value * np.cos(np.arange(value.size)).reshape(value.shape))
                       for value in sess.run(nest.flatten(result))))


def encoder():
    return [tf.constant(i) for i in ids]


show("basic", lambda: s2s.basic_rnn_seq2seq(list(map(tf.constant, floats)),
                                            list(map(tf.constant, floats[:2])), new_cell()))
show("tied", lambda: s2s.tied_rnn_seq2seq(list(map(tf.constant, floats)),
                                          list(map(tf.constant, floats[:2])), new_cell()))
for feed in (False, True, "tensor"):
    fed = (lambda: tf.constant(True)) if feed == "tensor" else (lambda: feed)
    show("embedding %s" % feed, lambda: s2s.embedding_rnn_seq2seq(
        encoder(), encoder()[:2], new_cell(), 5, 6, 3, feed_previous=fed()))
    show("embedding tied %s" % feed, lambda: s2s.embedding_tied_rnn_seq2seq(
        encoder(), encoder()[:2], new_cell(), 6, 4, feed_previous=fed()))
    show("attention %s" % feed, lambda: s2s.embedding_attention_seq2seq(
        encoder(), encoder(), new_cell(), 5, 6, 3, num_heads=2, feed_previous=fed(),
        initial_state_attention=feed is True))
show("one2many", lambda: s2s.one2many_rnn_seq2seq(
    encoder(), {"a": encoder()[:2]}, new_cell(), {"a": new_cell()}, 5, {"a": 6}, 3))


def buckets():
    def model(x, y):
        return s2s.embedding_attention_seq2seq(x, y, new_cell(), 5, 6, 3)

    weights = [tf.constant([1., 0.5, 0.]) for _ in ids]
    return s2s.model_with_buckets(encoder(), encoder(), encoder(), weights, [(1, 2), (3, 3)], model)


show("buckets", buckets)
