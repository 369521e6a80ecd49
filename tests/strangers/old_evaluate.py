"""A program of 2018 that trains a small convolutional network, and then evaluates it."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(1)
images = random.randint(0, 256, [12, 32, 12, 12, 1]).astype("uint8")
labels = random.randint(0, 5, [12, 32])
test_images = random.randint(0, 256, [70, 12, 12, 1]).astype("uint8")
test_labels = random.randint(0, 5, 70)

tf.set_random_seed(7)
x = tf.placeholder(tf.float32, [None, 12, 12, 1])
y = tf.placeholder(tf.int64, [None])
keep_prob = tf.placeholder(tf.float32)
is_training = tf.placeholder(tf.bool)
h = tf.layers.conv2d(x, 8, 3, padding="same", use_bias=False)
h = tf.layers.batch_normalization(h, training=is_training, momentum=0.9)
h = tf.nn.relu(h)
h = tf.layers.max_pooling2d(h, 2, 2)
h = tf.layers.flatten(h)
h = tf.layers.dense(h, 20, tf.nn.relu)
h = tf.nn.dropout(h, keep_prob)
logits = tf.layers.dense(h, 5)
loss = tf.losses.sparse_softmax_cross_entropy(y, logits)
accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), y), tf.float32))
with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
    train = tf.train.AdamOptimizer(0.01, epsilon=1e-7).minimize(loss)

with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for i in range(12):
        batch = {x: images[i] / 255.0, y: labels[i], keep_prob: 0.75, is_training: True}
        session.run(train, batch)
    test = {x: test_images / 255.0, y: test_labels, keep_prob: 1.0, is_training: False}
    print("test accuracy", session.run(accuracy, test))
