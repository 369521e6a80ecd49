"""The network of old_image.py by hand: variables and operations in a tf.function."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(1)
images = random.randint(0, 256, [330, 12, 12, 2]).astype("uint8")
labels = random.randint(0, 5, 330)


def weight(shape, name):
    return tf.Variable(tf.random.truncated_normal(shape, stddev=0.1, seed=2), name=name)


W_conv1, b_conv1 = weight([5, 5, 2, 8], "W_conv1"), tf.Variable(tf.zeros(8), name="b_conv1")
W_conv2 = weight([3, 3, 8, 12], "W_conv2")
gamma, beta = tf.Variable(tf.ones(12), name="gamma"), tf.Variable(tf.zeros(12), name="beta")
moving_mean = tf.Variable(tf.zeros(12), trainable=False, name="moving_mean")
moving_variance = tf.Variable(tf.ones(12), trainable=False, name="moving_variance")
W_conv3, b_conv3 = weight([3, 3, 12, 16], "W_conv3"), tf.Variable(tf.zeros(16), name="b_conv3")
W_fc1, b_fc1 = weight([64, 20], "W_fc1"), tf.Variable(tf.zeros(20), name="b_fc1")
W_fc2, b_fc2 = weight([20, 5], "W_fc2"), tf.Variable(tf.zeros(5), name="b_fc2")
weights = [W_conv1, b_conv1, W_conv2, gamma, beta, W_conv3, b_conv3, W_fc1, b_fc1, W_fc2, b_fc2]
m = [tf.Variable(tf.zeros_like(w)) for w in weights]
v = [tf.Variable(tf.zeros_like(w)) for w in weights]
averages = [tf.Variable(w, trainable=False) for w in weights]
step = tf.Variable(0.0, trainable=False)


def batch_norm(h):
    mean, variance = tf.nn.moments(h, [0, 1, 2])
    moving_mean.assign(0.9 * moving_mean + 0.1 * mean)
    n = tf.cast(tf.size(h) / 12, tf.float32)
    moving_variance.assign(0.9 * moving_variance + 0.1 * variance * n / (n - 1.0))
    return (h - mean) * tf.math.rsqrt(variance + 1e-3) * gamma + beta


def network(x):
    h = tf.nn.conv2d(x, W_conv1, 1, "SAME")
    h = tf.nn.relu(h + b_conv1)
    h = tf.nn.max_pool2d(h, 2, 2, "SAME")
    h = tf.nn.conv2d(h, W_conv2, 1, "SAME")
    h = batch_norm(h)
    h = tf.nn.relu(h)
    h = tf.nn.avg_pool2d(h, 2, 2, "SAME")
    h = tf.nn.conv2d(h, W_conv3, 2, "SAME")
    h = tf.nn.elu(h + b_conv3)
    h = tf.reshape(h, [-1, 64])
    h = tf.nn.dropout(h, rate=0.25)
    h = tf.nn.tanh(tf.matmul(h, W_fc1) + b_fc1)
    return tf.matmul(h, W_fc2) + b_fc2


def loss_of(logits, y):
    target = tf.one_hot(y, 5) * 0.9 + 0.1 / 5
    losses = -tf.reduce_sum(target * tf.nn.log_softmax(logits), axis=1)
    loss = tf.reduce_mean(losses)
    penalty = tf.nn.l2_loss(W_conv1) + tf.nn.l2_loss(W_fc1)
    return loss + 0.002 * penalty


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        logits = network(x)
        loss = loss_of(logits, y)
    gradients = tape.gradient(loss, weights)
    gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
    rate = 0.01 * 0.9 ** tf.floor(step / 5.0)
    step.assign_add(1.0)
    rate *= tf.sqrt(1.0 - 0.999**step) / (1.0 - 0.9**step)
    for w, g, first, second, average in zip(weights, gradients, m, v, averages):
        first.assign(0.9 * first + 0.1 * g)
        second.assign(0.999 * second + 0.001 * g * g)
        w.assign_sub(rate * first / (tf.sqrt(second) + 1e-8))
        average.assign(0.95 * average + 0.05 * w)


for epoch in range(3):
    for i in range(0, 330, 32):
        batch = images[i : i + 32].astype("float32") / 255.0
        train_step(batch, labels[i : i + 32])
