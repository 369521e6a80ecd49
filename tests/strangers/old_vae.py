"""A program of 2017: a variational autoencoder that removes noise."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(2)
images = random.rand(200, 30).astype("float32")

x = tf.placeholder(tf.float32, [None, 30])
noisy = x + 0.1 * tf.random_normal(tf.shape(x))
keep = tf.floor(0.9 + tf.random_uniform(tf.shape(x)))
h = tf.layers.dense(noisy * keep, 16, tf.nn.relu)
h = tf.nn.dropout(h, 0.9)
mean, log_variance = tf.layers.dense(h, 4), tf.layers.dense(h, 4)
epsilon = tf.random_normal([20, 4], 0, 1, dtype=tf.float32)
z = mean + tf.exp(0.5 * log_variance) * epsilon
h = tf.layers.dense(z, 16, tf.nn.relu)
logits = tf.layers.dense(h, 30)
errors = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
kl = -0.5 * tf.reduce_sum(1 + log_variance - tf.square(mean) - tf.exp(log_variance), 1)
loss = tf.reduce_mean(tf.reduce_sum(errors, 1) + kl)
train = tf.train.AdamOptimizer(0.001).minimize(loss)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(0, 200, 20):
        sess.run(train, feed_dict={x: images[i : i + 20]})
