"""Tells the direction of stripes. Written as programs of 2017 were."""

from __future__ import absolute_import, division, print_function

import os

import tensorflow as tf

import stripes

flags = tf.app.flags
flags.DEFINE_string("log_dir", "old_logs", "Where summaries and checkpoints go.")
flags.DEFINE_integer("max_steps", 200, "How many steps to train.")
flags.DEFINE_integer("batch_size", 32, "Pictures in a batch.")
flags.DEFINE_float("learning_rate", 0.02, "Learning rate at the start.")
flags.DEFINE_float("keep_prob", 0.8, "Part of the units that dropout keeps.")
FLAGS = flags.FLAGS


def inference(images, keep_prob, is_training):
    """Returns the logits [n, 4] of images [n, 12, 12, 1]."""
    with tf.variable_scope("conv1"):
        h = tf.layers.conv2d(images, 8, 3, padding="same", use_bias=False)
        h = tf.layers.batch_normalization(h, training=is_training, momentum=0.9)
        h = tf.layers.max_pooling2d(tf.nn.relu(h), 2, 2)
    with tf.variable_scope("conv2"):
        h = tf.layers.conv2d(h, 16, 3, padding="same", use_bias=False)
        h = tf.layers.batch_normalization(h, training=is_training, momentum=0.9)
        h = tf.layers.max_pooling2d(tf.nn.relu(h), 2, 2)
    with tf.variable_scope("fc"):
        h = tf.layers.dense(tf.layers.flatten(h), 32, activation=tf.nn.relu)
        h = tf.nn.dropout(h, keep_prob)
        return tf.layers.dense(h, len(stripes.CLASSES), name="logits")


def main(_):
    tf.set_random_seed(0)
    images = tf.placeholder(tf.float32, [None, stripes.SIZE, stripes.SIZE, 1], name="images")
    labels = tf.placeholder(tf.int64, [None], name="labels")
    keep_prob = tf.placeholder(tf.float32, [], name="keep_prob")
    is_training = tf.placeholder(tf.bool, [], name="is_training")

    logits = inference(images, keep_prob, is_training)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    correct = tf.equal(tf.argmax(logits, 1), labels)
    accuracy = tf.reduce_mean(tf.to_float(correct), name="accuracy")

    global_step = tf.train.get_or_create_global_step()
    learning_rate = tf.train.exponential_decay(
        FLAGS.learning_rate, global_step, 50, 0.5, staircase=True)
    optimizer = tf.train.MomentumOptimizer(learning_rate, 0.9)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        train_op = optimizer.minimize(loss, global_step=global_step)

    tf.summary.scalar("loss", loss)
    tf.summary.scalar("learning_rate", learning_rate)
    merged = tf.summary.merge_all()
    saver = tf.train.Saver()
    train, test = stripes.load(2000, seed=1), stripes.load(500, seed=2)

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter(FLAGS.log_dir, sess.graph)
        batches = stripes.batches(train[0], train[1], FLAGS.batch_size, seed=3)
        for step in range(1, FLAGS.max_steps + 1):
            batch = next(batches)
            feed_dict = {images: batch[0], labels: batch[1],
                         keep_prob: FLAGS.keep_prob, is_training: True}
            _, loss_value, summary = sess.run([train_op, loss, merged], feed_dict=feed_dict)
            if step % 50 == 0:
                print("step %d, loss %.4f" % (step, loss_value))
                writer.add_summary(summary, step)
        feed_dict = {images: test[0], labels: test[1], keep_prob: 1.0, is_training: False}
        print("test accuracy %.3f" % sess.run(accuracy, feed_dict=feed_dict))
        print("saved", saver.save(sess, os.path.join(FLAGS.log_dir, "model.ckpt"), step))
        writer.close()


if __name__ == "__main__":
    tf.app.run()
