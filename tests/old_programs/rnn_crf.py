"""Conditional random fields: scores, norms and both decoders."""
from __future__ import print_function

import numpy as np
import tensorflow as tf
from tensorflow.contrib import crf

scores = np.sin(np.arange(3 * 5 * 4) * 1.3).reshape(3, 5, 4).astype(np.float32)
tags = (np.arange(15) * 7 % 4).reshape(3, 5).astype(np.int32)
lengths = np.array([5, 3, 1], np.int32)
start = np.cos(np.arange(16)).reshape(4, 4).astype(np.float32)
inputs = tf.placeholder(tf.float32, [None, None, 4])
tag_indices = tf.placeholder(tf.int32, [None, None])
length = tf.placeholder(tf.int32, [None])
with tf.variable_scope("crf", initializer=tf.constant_initializer(start)):
    likelihood, transitions = tf.contrib.crf.crf_log_likelihood(inputs, tag_indices, length)
gradient = tf.gradients(-tf.reduce_mean(likelihood), [inputs, transitions])
decoded, best = crf.crf_decode(inputs, transitions, length)
fetches = [
    likelihood, crf.crf_log_norm(inputs, length, transitions),
    crf.crf_sequence_score(inputs, tag_indices, length, transitions),
    crf.crf_unary_score(tag_indices, length, inputs), crf.crf_binary_score(tag_indices, length, transitions),
    crf.crf_multitag_sequence_score(tf.constant(scores), tf.constant(scores > -0.2), length,
                                    transitions),
    decoded, best] + gradient
print([v.name for v in tf.trainable_variables()])
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for value in sess.run(fetches, {inputs: scores, tag_indices: tags, length: lengths}):
        print(value.dtype, " ".join("%.5f" % v for v in np.ravel(value)[:20]))
path, score = tf.contrib.crf.viterbi_decode(scores[0], start)
print(path, "%.5f" % score)
