"""The network by hand: variables and operations, Adam written out, in a tf.function."""

import sys

import numpy as np
import tensorflow as tf

MISTAKE = sys.argv[1] if len(sys.argv) > 1 else ""
random = np.random.RandomState(1)
X = random.rand(30, 32, 12, 12, 1).astype("float32")
Y = random.randint(0, 5, (30, 32))
start = tf.keras.initializers.GlorotUniform(seed=3)
w1, b1 = tf.Variable(start([3, 3, 1, 8]), name="w1"), tf.Variable(tf.zeros(8), name="b1")
w2 = tf.Variable(start([3, 3, 8, 12]), name="w2")
gamma, beta = tf.Variable(tf.ones(12), name="gamma"), tf.Variable(tf.zeros(12), name="beta")
mean = tf.Variable(tf.zeros(12), name="mean", trainable=False)
variance = tf.Variable(tf.ones(12), name="variance", trainable=False)
w3, b3 = tf.Variable(start([108, 20]), name="w3"), tf.Variable(tf.zeros(20), name="b3")
w4, b4 = tf.Variable(start([20, 5]), name="w4"), tf.Variable(tf.zeros(5), name="b4")
weights = [w1, b1, w2, gamma, beta, w3, b3, w4, b4]
moments = [(tf.Variable(tf.zeros_like(w)), tf.Variable(tf.zeros_like(w))) for w in weights]
count = tf.Variable(0.0, trainable=False)


def normalized(h):
    m, v = tf.nn.moments(h, [0, 1, 2])
    n = 32.0 * 36.0
    unbiased = v if MISTAKE == "biased_variance" else v * n / (n - 1)
    mean.assign(0.9 * mean + 0.1 * m)
    variance.assign(0.9 * variance + 0.1 * unbiased)
    return tf.nn.batch_normalization(h, m, v, beta, gamma, 1e-3)


def forward(x):
    h = tf.nn.relu(tf.nn.conv2d(x, w1, 1, "SAME") + b1)
    h = tf.nn.max_pool2d(h, 2, 2, "SAME" if MISTAKE != "pool_stride" else "VALID")
    h = tf.nn.conv2d(h, w2, 1, "SAME")
    h = tf.nn.relu(normalized(h))
    if MISTAKE == "elu":
        h = tf.nn.elu(h - 0.1)
    h = tf.nn.max_pool2d(h, 2, 2, "VALID")
    if MISTAKE == "transpose":
        h = tf.transpose(h, [0, 2, 1, 3])
    h = tf.reshape(h, [-1, 108])
    h = tf.nn.relu(tf.matmul(h, w3) + b3)
    h = tf.nn.dropout(h, 0.5 if MISTAKE == "dropout" else 0.25)
    return tf.matmul(h, w4) + b4


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        logits = forward(x)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        loss = tf.reduce_mean(losses)
        if MISTAKE != "l2_missing":
            loss += 0.002 * (tf.nn.l2_loss(w1) + tf.nn.l2_loss(w3))
    gradients = tape.gradient(loss, weights)
    if MISTAKE != "no_clip":
        gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
    rate = 0.01 * 0.9 ** tf.floor(count / 5.0)
    count.assign_add(1.0)
    scale = tf.sqrt(1 - 0.999**count) / (1 - 0.9**count)
    for w, g, (m, v) in zip(weights, gradients, moments):
        m.assign(0.9 * m + 0.1 * g)
        v.assign(0.999 * v + 0.001 * g * g)
        w.assign_sub(rate * scale * m / (tf.sqrt(v) + 1e-8))


for i in range(30):
    train_step(X[i], Y[i])
