"""Piece 1: still a graph and a session, but an object makes the variables, once."""

import os

import stripes
import tensorflow.compat.v1 as tf
from absl import app, flags

tf.disable_v2_behavior()
flags.DEFINE_string("logdir", "step1_logs", "Where summaries and checkpoints go.")
flags.DEFINE_integer("max_steps", 200, "How many steps to train.")
flags.DEFINE_integer("batch_size", 32, "Pictures in a batch.")
flags.DEFINE_float("learning_rate", 0.02, "Learning rate at the start.")
flags.DEFINE_float("keep_prob", 0.8, "Part of the units that dropout keeps.")
FLAGS = flags.FLAGS


def weights(name, shape):
    return tf.Variable(tf.glorot_uniform_initializer()(shape), name=name)


class ConvNorm:
    """A convolution 3x3, batch norm, ReLU and max pooling."""

    def __init__(self, scope, inputs, filters):
        with tf.variable_scope(scope):
            self.kernel = weights("conv2d/kernel", [3, 3, inputs, filters])
            self.gamma = tf.Variable(tf.ones([filters]), name="batch_normalization/gamma")
            self.beta = tf.Variable(tf.zeros([filters]), name="batch_normalization/beta")
            self.mean = tf.Variable(
                tf.zeros([filters]), name="batch_normalization/moving_mean", trainable=False
            )
            self.variance = tf.Variable(
                tf.ones([filters]), name="batch_normalization/moving_variance", trainable=False
            )

    def __call__(self, h, training):
        h = tf.nn.conv2d(h, self.kernel, strides=1, padding="SAME")
        if training:
            h, mean, variance = tf.nn.fused_batch_norm(h, self.gamma, self.beta, epsilon=1e-3)
            for average, value in ((self.mean, mean), (self.variance, variance)):
                update = tf.assign_sub(average, (average - value) * (1 - 0.9))
                tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, update)
        else:
            h, _, _ = tf.nn.fused_batch_norm(
                h, self.gamma, self.beta, self.mean, self.variance, 1e-3, is_training=False
            )
        return tf.nn.max_pool(tf.nn.relu(h), 2, 2, "VALID")


class Model:
    def __init__(self):
        self.conv1, self.conv2 = ConvNorm("conv1", 1, 8), ConvNorm("conv2", 8, 16)
        with tf.variable_scope("fc"):
            self.dense = weights("dense/kernel", [144, 32])
            self.dense_bias = tf.Variable(tf.zeros([32]), name="dense/bias")
            self.logits = weights("logits/kernel", [32, len(stripes.CLASSES)])
            self.logits_bias = tf.Variable(tf.zeros([len(stripes.CLASSES)]), name="logits/bias")

    def __call__(self, images, keep_prob, training):
        h = self.conv2(self.conv1(images, training), training)
        h = tf.reshape(h, [-1, 144])
        h = tf.nn.relu(tf.matmul(h, self.dense) + self.dense_bias)
        h = tf.nn.dropout(h, rate=1 - keep_prob)
        return tf.matmul(h, self.logits) + self.logits_bias


def main(_):
    tf.set_random_seed(0)
    images = tf.placeholder(tf.float32, [None, stripes.SIZE, stripes.SIZE, 1], name="images")
    labels = tf.placeholder(tf.int64, [None], name="labels")
    keep_prob = tf.placeholder(tf.float32, [], name="keep_prob")

    model = Model()
    logits = model(images, keep_prob, training=True)
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )
    correct = tf.equal(tf.argmax(model(images, keep_prob, training=False), axis=1), labels)
    accuracy = tf.reduce_mean(tf.cast(correct, tf.float32), name="accuracy")

    global_step = tf.train.get_or_create_global_step()
    learning_rate = tf.train.exponential_decay(
        FLAGS.learning_rate, global_step, 50, 0.5, staircase=True
    )
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
        writer = tf.summary.FileWriter(FLAGS.logdir, sess.graph)
        batches = stripes.batches(train[0], train[1], FLAGS.batch_size, seed=3)
        for step in range(1, FLAGS.max_steps + 1):
            batch = next(batches)
            feed_dict = {images: batch[0], labels: batch[1], keep_prob: FLAGS.keep_prob}
            _, loss_value, summary = sess.run([train_op, loss, merged], feed_dict=feed_dict)
            if step % 50 == 0:
                print(f"step {step}, loss {loss_value:.4f}")
                writer.add_summary(summary, step)
        feed_dict = {images: test[0], labels: test[1], keep_prob: 1.0}
        print(f"test accuracy {sess.run(accuracy, feed_dict=feed_dict):.3f}")
        print("saved", saver.save(sess, os.path.join(FLAGS.logdir, "model.ckpt"), step))
        writer.close()


if __name__ == "__main__":
    app.run(main)
