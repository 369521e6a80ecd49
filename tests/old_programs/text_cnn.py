"""A text CNN after Kim (2014): filters as wide as the embedding, as one wrote it for 1.x."""

import numpy as np
import tensorflow as tf

rng = np.random.RandomState(5)
words = rng.randint(0, 20, (12, 9))
labels = np.eye(2)[(words < 4).any(1).astype(int)]

input_x = tf.placeholder(tf.int32, [None, 9], name="input_x")
input_y = tf.placeholder(tf.float32, [None, 2], name="input_y")
W = tf.Variable(tf.constant(rng.uniform(-1, 1, (20, 6)), tf.float32))
embedded = tf.expand_dims(tf.nn.embedding_lookup(W, input_x), -1)
pooled = []
for size in (2, 3):
    with tf.name_scope("conv-maxpool-%s" % size):
        filters = tf.Variable(tf.constant(rng.normal(size=(size, 6, 1, 4)) / 4, tf.float32))
        conv = tf.nn.conv2d(embedded, filters, strides=[1, 1, 1, 1], padding="VALID", name="conv")
        h = tf.nn.relu(conv, name="relu")
        pooled.append(
            tf.nn.max_pool(h, [1, 9 - size + 1, 1, 1], [1, 1, 1, 1], padding="VALID", name="pool")
        )
        print(conv.name, conv.shape, pooled[-1].shape)
flat = tf.reshape(tf.concat(pooled, 3), [-1, 8])
V = tf.Variable(tf.constant(rng.normal(size=(8, 2)), tf.float32))
losses = tf.nn.softmax_cross_entropy_with_logits(logits=tf.matmul(flat, V), labels=input_y)
loss = tf.reduce_mean(losses)
optimizer = tf.train.AdamOptimizer(0.01)
gradients = optimizer.compute_gradients(loss)
train_op = optimizer.apply_gradients(gradients)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    feed_dict = {input_x: words, input_y: labels}
    for g, v in gradients:
        g = tf.convert_to_tensor(g)
        print(g.shape, "%.5f" % sess.run(tf.reduce_sum(tf.square(g)), feed_dict))
    for step in range(20):
        _, value = sess.run([train_op, loss], feed_dict)
    print("loss %.5f" % value)
