"""A program of 2018: a small convolutional network that knows nothing of this project."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(1)
X = random.rand(30, 32, 12, 12, 1).astype("float32")
Y = random.randint(0, 5, (30, 32))

tf.set_random_seed(7)
x = tf.placeholder(tf.float32, [None, 12, 12, 1])
y = tf.placeholder(tf.int64, [None])
keep_prob = tf.placeholder(tf.float32)
l2 = tf.contrib.layers.l2_regularizer(0.002)
h = tf.layers.conv2d(x, 8, 3, padding="same", activation=tf.nn.relu, kernel_regularizer=l2)
h = tf.layers.max_pooling2d(h, 2, 2)
h = tf.layers.conv2d(h, 12, 3, padding="same", use_bias=False)
h = tf.layers.batch_normalization(h, training=True, momentum=0.9, epsilon=1e-3)
h = tf.nn.relu(h)
h = tf.layers.max_pooling2d(h, 2, 2)
h = tf.layers.flatten(h)
h = tf.layers.dense(h, 20, tf.nn.relu, kernel_regularizer=l2)
h = tf.nn.dropout(h, keep_prob)
logits = tf.layers.dense(h, 5)
losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
loss = tf.reduce_mean(losses) + tf.losses.get_regularization_loss()

step = tf.train.get_or_create_global_step()
rate = tf.train.exponential_decay(0.01, step, 5, 0.9, staircase=True)
optimizer = tf.train.AdamOptimizer(rate)
gradients, variables = zip(*optimizer.compute_gradients(loss))
gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
    train = optimizer.apply_gradients(zip(gradients, variables), global_step=step)

with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for i in range(30):
        session.run(train, {x: X[i], y: Y[i], keep_prob: 0.75})
