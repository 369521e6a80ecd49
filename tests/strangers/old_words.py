"""A program of 2017: a recurrent network over sentences of several lengths."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(1)
lengths = random.randint(2, 8, 400)
words = random.randint(1, 40, [400, 7]) * (np.arange(7) < lengths[:, None])
labels = random.randint(0, 3, 400)
weights = random.choice([0.5, 1.0, 2.0], 400)

tf.set_random_seed(7)
x = tf.placeholder(tf.int32, [None, 7])
n = tf.placeholder(tf.int32, [None])
y = tf.placeholder(tf.int32, [None])
w = tf.placeholder(tf.float32, [None])
table = tf.get_variable("table", [40, 10])
embedded = tf.nn.embedding_lookup(table, x)
mask = tf.expand_dims(tf.sequence_mask(n, 7, tf.float32), 2)
center = tf.reduce_sum(embedded * mask, 1) / tf.reduce_sum(mask, 1)
cell = tf.nn.rnn_cell.BasicLSTMCell(10, forget_bias=1.0)
_, state = tf.nn.dynamic_rnn(cell, embedded, sequence_length=n, dtype=tf.float32)
features = tf.concat([state.h, tf.abs(state.h - center)], 1)
hidden = tf.layers.dense(features, 12, tf.nn.sigmoid)
logits = tf.layers.dense(hidden, 3)
loss = tf.losses.sparse_softmax_cross_entropy(y, logits, weights=w)
train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)

with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for i in range(0, 400, 16):
        batch = slice(i, i + 16)
        feeds = {x: words[batch], n: lengths[batch], y: labels[batch], w: weights[batch]}
        session.run(train, feeds)
