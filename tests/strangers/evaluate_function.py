"""The network of old_evaluate.py by hand: variables and operations in a tf.function."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(1)
images = random.randint(0, 256, [12, 32, 12, 12, 1]).astype("uint8")
labels = random.randint(0, 5, [12, 32])
test_images = random.randint(0, 256, [70, 12, 12, 1]).astype("uint8")
test_labels = random.randint(0, 5, 70)
start = tf.keras.initializers.GlorotUniform(seed=3)
w1 = tf.Variable(start([3, 3, 1, 8]), name="w1")
gamma, beta = tf.Variable(tf.ones(8), name="gamma"), tf.Variable(tf.zeros(8), name="beta")
mean = tf.Variable(tf.zeros(8), name="mean", trainable=False)
variance = tf.Variable(tf.ones(8), name="variance", trainable=False)
w2, b2 = tf.Variable(start([288, 20]), name="w2"), tf.Variable(tf.zeros(20), name="b2")
w3, b3 = tf.Variable(start([20, 5]), name="w3"), tf.Variable(tf.zeros(5), name="b3")
weights = [w1, gamma, beta, w2, b2, w3, b3]
optimizer = tf.keras.optimizers.Adam(0.01)


def batch_norm(h, is_training):
    if not is_training:
        return tf.nn.batch_normalization(h, mean, variance, beta, gamma, 1e-3)
    m, v = tf.nn.moments(h, [0, 1, 2])
    n = 32.0 * 144.0
    mean.assign(0.9 * mean + 0.1 * m)
    variance.assign(0.9 * variance + 0.1 * v * n / (n - 1))
    return tf.nn.batch_normalization(h, m, v, beta, gamma, 1e-3)


def network(x, is_training):
    h = tf.nn.conv2d(x, w1, 1, "SAME")
    h = tf.nn.relu(batch_norm(h, is_training))
    h = tf.nn.max_pool2d(h, 2, 2, "VALID")
    h = tf.nn.relu(tf.matmul(tf.reshape(h, [-1, 288]), w2) + b2)
    if is_training:
        h = tf.nn.dropout(h, 0.25)
    return tf.matmul(h, w3) + b3


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        logits = network(x, is_training=True)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        loss = tf.reduce_mean(losses)
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))


@tf.function
def accuracy(x, y):
    logits = network(x, is_training=False)
    return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), y), tf.float32))


for i in range(12):
    train_step(images[i].astype("float32") / 255.0, labels[i])
print("test accuracy", accuracy(test_images.astype("float32") / 255.0, test_labels).numpy())
