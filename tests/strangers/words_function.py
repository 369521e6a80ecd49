"""The network of old_words.py by hand, its recurrent cell too, in a tf.function."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(1)
lengths = random.randint(2, 8, 400)
words = random.randint(1, 40, [400, 7]) * (np.arange(7) < lengths[:, None])
labels = random.randint(0, 3, 400)
weights = random.choice([0.5, 1.0, 2.0], 400)

start = tf.keras.initializers.GlorotUniform(seed=3)
table = tf.Variable(start([40, 10]), name="table")
kernel, bias = tf.Variable(start([20, 40]), name="kernel"), tf.Variable(tf.zeros(40), name="bias")
W1, b1 = tf.Variable(start([20, 12]), name="W1"), tf.Variable(tf.zeros(12), name="b1")
W2, b2 = tf.Variable(start([12, 3]), name="W2"), tf.Variable(tf.zeros(3), name="b2")
variables = [table, kernel, bias, W1, b1, W2, b2]


def lstm(inputs, n):
    h = c = tf.zeros([tf.shape(inputs)[0], 10])
    for t in range(7):
        gates = tf.matmul(tf.concat([inputs[:, t], h], 1), kernel) + bias
        i, j, f, o = tf.split(gates, 4, axis=1)
        new_c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
        new_h = tf.tanh(new_c) * tf.sigmoid(o)
        is_inside = (t < n)[:, None]
        c = tf.where(is_inside, new_c, c)
        h = tf.where(is_inside, new_h, h)
    return h


def network(x, n):
    embedded = tf.gather(table, x)
    mask = tf.sequence_mask(n, 7, tf.float32)[:, :, None]
    center = tf.reduce_sum(embedded * mask, 1) / tf.reduce_sum(mask, 1)
    state = lstm(embedded, n)
    distance = tf.abs(state - center)
    features = tf.concat([state, distance], 1)
    hidden = tf.sigmoid(features @ W1 + b1)
    return hidden @ W2 + b2


@tf.function
def train_step(x, n, y, w):
    with tf.GradientTape() as tape:
        logits = network(x, n)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        loss = tf.reduce_sum(losses * w) / 16.0
    gradients = tape.gradient(loss, variables)
    for variable, gradient in zip(variables, gradients):
        variable.assign_sub(0.5 * tf.convert_to_tensor(gradient))


for i in range(0, 400, 16):
    batch = slice(i, i + 16)
    w = weights[batch].astype("float32")
    train_step(words[batch], lengths[batch], labels[batch], w)
