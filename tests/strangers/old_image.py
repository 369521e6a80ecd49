"""A program of 2017: a small convolutional network with what such networks had."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(1)
images = random.randint(0, 256, [330, 12, 12, 2]).astype("uint8")
labels = random.randint(0, 5, 330)

tf.set_random_seed(7)
x = tf.placeholder(tf.float32, [None, 12, 12, 2])
y = tf.placeholder(tf.int32, [None])
keep_prob = tf.placeholder(tf.float32)
l2 = tf.contrib.layers.l2_regularizer(0.002)
h = tf.layers.conv2d(x, 8, 5, padding="same", activation=tf.nn.relu, kernel_regularizer=l2)
h = tf.layers.max_pooling2d(h, 2, 2)
h = tf.layers.conv2d(h, 12, 3, padding="same", use_bias=False)
h = tf.layers.batch_normalization(h, training=True, momentum=0.9, epsilon=1e-3)
h = tf.nn.relu(h)
h = tf.layers.average_pooling2d(h, 2, 2)
h = tf.layers.conv2d(h, 16, 3, strides=2, padding="same", activation=tf.nn.elu)
h = tf.layers.flatten(h)
h = tf.nn.dropout(h, keep_prob)
h = tf.layers.dense(h, 20, tf.nn.tanh, kernel_regularizer=l2)
logits = tf.layers.dense(h, 5)
one_hot = tf.one_hot(y, 5)
loss = tf.losses.softmax_cross_entropy(one_hot, logits, label_smoothing=0.1)
loss += tf.losses.get_regularization_loss()

step = tf.train.get_or_create_global_step()
rate = tf.train.exponential_decay(0.01, step, 5, 0.9, staircase=True)
optimizer = tf.train.AdamOptimizer(rate)
gradients, variables = zip(*optimizer.compute_gradients(loss))
gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
    train = optimizer.apply_gradients(zip(gradients, variables), global_step=step)
averages = tf.train.ExponentialMovingAverage(0.95)
with tf.control_dependencies([train]):
    train = averages.apply(tf.trainable_variables())

with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for epoch in range(3):
        for i in range(0, 330, 32):
            batch = images[i : i + 32] / 255.0
            session.run(train, {x: batch, y: labels[i : i + 32], keep_prob: 0.75})
