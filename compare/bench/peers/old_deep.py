"""The CNN as a TensorFlow 1 program of its time, in the words of the tutorial's mnist_deep.py.

It runs unchanged on genuine TensorFlow 1.15.5, and on today's through `tf1_style.run`. It takes its
images from `shared`, because the tutorial's module cannot download them any more.
"""

import os
import sys

import tensorflow as tf

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
from shared import input_data

tf.app.flags.DEFINE_string("data_dir", "MNIST_data", "Folder of the images.")
tf.app.flags.DEFINE_integer("eval_every", 50, "Steps between two printed lines.")
FLAGS = tf.app.flags.FLAGS


def weight_variable(shape):
    return tf.Variable(tf.truncated_normal(shape, stddev=0.1))


def bias_variable(shape):
    return tf.Variable(tf.constant(0.1, shape=shape))


def conv2d(x, W):
    return tf.nn.conv2d(x, W, strides=[1, 1, 1, 1], padding="SAME")


def max_pool_2x2(x):
    return tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")


def deepnn(x, keep_prob):
    """Returns logits [n, 10] of images [n, 784]."""
    x_image = tf.reshape(x, [-1, 28, 28, 1])
    W_conv1, b_conv1 = weight_variable([5, 5, 1, 32]), bias_variable([32])
    h_pool1 = max_pool_2x2(tf.nn.relu(conv2d(x_image, W_conv1) + b_conv1))
    W_conv2, b_conv2 = weight_variable([5, 5, 32, 64]), bias_variable([64])
    h_pool2 = max_pool_2x2(tf.nn.relu(conv2d(h_pool1, W_conv2) + b_conv2))
    W_fc1, b_fc1 = weight_variable([7 * 7 * 64, 1024]), bias_variable([1024])
    h_fc1 = tf.nn.relu(tf.matmul(tf.reshape(h_pool2, [-1, 7 * 7 * 64]), W_fc1) + b_fc1)
    W_fc2, b_fc2 = weight_variable([1024, 10]), bias_variable([10])
    return tf.matmul(tf.nn.dropout(h_fc1, keep_prob), W_fc2) + b_fc2


def main(_):
    mnist = input_data.read_data_sets(FLAGS.data_dir, one_hot=True)
    x = tf.placeholder(tf.float32, [None, 784])
    y_ = tf.placeholder(tf.float32, [None, 10])
    keep_prob = tf.placeholder(tf.float32)
    y_conv = deepnn(x, keep_prob)
    cross_entropy = tf.reduce_mean(
        tf.nn.softmax_cross_entropy_with_logits(labels=y_, logits=y_conv)
    )
    train_step = tf.train.AdamOptimizer(1e-4).minimize(cross_entropy)
    correct_prediction = tf.equal(tf.argmax(y_conv, 1), tf.argmax(y_, 1))
    accuracy = tf.reduce_mean(tf.cast(correct_prediction, tf.float32))

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for i in range(1000000):
            batch = mnist.train.next_batch(50)
            if i % FLAGS.eval_every == 0:
                feed_dict = {x: batch[0], y_: batch[1], keep_prob: 1.0}
                train_accuracy = accuracy.eval(feed_dict=feed_dict)
                print(f"step {i}, training accuracy {train_accuracy:g}", flush=True)
            train_step.run(feed_dict={x: batch[0], y_: batch[1], keep_prob: 0.5})


if __name__ == "__main__":
    tf.app.run()
