"""The network of old_prices.py by hand, its optimizer too, in a tf.function."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(3)
houses = random.randn(240, 13).astype("float32")
prices = (houses @ random.randn(13, 1) / 4 + 0.1 * random.randn(240, 1)).astype("float32")


def dense(inputs, units):
    W = tf.Variable(tf.random.truncated_normal([inputs, units], stddev=0.3, seed=units))
    return W, tf.Variable(tf.zeros([units]))


W1, b1 = dense(13, 16)
W2, b2 = dense(16, 8)
W3, b3 = dense(8, 1)
weights = [W1, b1, W2, b2, W3, b3]
velocities = [tf.Variable(tf.zeros_like(w)) for w in weights]
squares = [tf.Variable(tf.ones_like(w)) for w in weights]
step = tf.Variable(0, trainable=False)


def update(w, g, velocity, square, rate):
    w.assign_sub(rate * g)


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        h = tf.tanh(x @ W1 + b1)
        h = tf.tanh(h @ W2 + b2)
        guess = h @ W3 + b3
        loss = tf.reduce_mean((guess - y) ** 2)
        loss += 0.01 * (tf.nn.l2_loss(W1) + tf.nn.l2_loss(W2))
    gradients = tape.gradient(loss, weights)
    rate = tf.where(step <= 2, 0.05, tf.where(step <= 5, 0.02, 0.01))
    for w, g, velocity, square in zip(weights, gradients, velocities, squares):
        update(w, g, velocity, square, rate)
    step.assign_add(1)


for i in range(0, 240, 20):
    train_step(houses[i : i + 20], prices[i : i + 20])
