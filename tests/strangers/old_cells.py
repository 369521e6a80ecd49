"""A program of 2017 with a recurrent cell, whose kind is the argument."""

import sys

import numpy as np
import tensorflow as tf

random = np.random.RandomState(0)
X = random.rand(25, 16, 7, 6).astype("float32")
Y = random.randint(0, 3, (25, 16))

tf.set_random_seed(7)
x = tf.placeholder(tf.float32, [None, 7, 6])
y = tf.placeholder(tf.int32, [None])
cells = tf.nn.rnn_cell
kinds = {"lstm": cells.BasicLSTMCell, "gru": cells.GRUCell, "rnn": cells.BasicRNNCell}
outputs, state = tf.nn.dynamic_rnn(kinds[sys.argv[1]](8), x, dtype=tf.float32)
logits = tf.layers.dense(outputs[:, -1], 3)
loss = tf.losses.sparse_softmax_cross_entropy(y, logits)
train = tf.train.AdamOptimizer(0.01).minimize(loss)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for i in range(25):
        session.run(train, {x: X[i], y: Y[i]})
