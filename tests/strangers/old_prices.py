"""A program of 2017: a small network that guesses prices, with a rate that falls in steps."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(3)
houses = random.randn(240, 13).astype("float32")
prices = (houses @ random.randn(13, 1) / 4 + 0.1 * random.randn(240, 1)).astype("float32")

x = tf.placeholder(tf.float32, [None, 13])
y = tf.placeholder(tf.float32, [None, 1])
W1 = tf.Variable(tf.truncated_normal([13, 16], stddev=0.3, seed=5), name="W1")
b1 = tf.Variable(tf.zeros([16]), name="b1")
W2 = tf.Variable(tf.truncated_normal([16, 8], stddev=0.3, seed=6), name="W2")
b2 = tf.Variable(tf.zeros([8]), name="b2")
W3 = tf.Variable(tf.truncated_normal([8, 1], stddev=0.3, seed=7), name="W3")
b3 = tf.Variable(tf.zeros([1]), name="b3")
h = tf.nn.tanh(tf.matmul(x, W1) + b1)
h = tf.nn.tanh(tf.matmul(h, W2) + b2)
guess = tf.matmul(h, W3) + b3
loss = tf.reduce_mean(tf.square(guess - y))
loss += 0.01 * (tf.nn.l2_loss(W1) + tf.nn.l2_loss(W2))

step = tf.Variable(0, trainable=False, name="global_step")
rate = tf.train.piecewise_constant(step, [2, 5], [0.05, 0.02, 0.01])
optimizer = tf.train.GradientDescentOptimizer(rate)
train = optimizer.minimize(loss, global_step=step)

with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for i in range(0, 240, 20):
        session.run(train, {x: houses[i : i + 20], y: prices[i : i + 20]})
