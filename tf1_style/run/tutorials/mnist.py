"""Stands for `tensorflow.examples.tutorials.mnist` and its module mnist.py.

Source: TensorFlow 1's tutorial "TensorFlow Mechanics 101".
"""

import math

import tensorflow.compat.v1 as tf

from tf1_style.run import input_data  # noqa: F401

NUM_CLASSES = 10
IMAGE_SIZE = 28
IMAGE_PIXELS = IMAGE_SIZE * IMAGE_SIZE


def inference(images, hidden1_units, hidden2_units):
    """Returns the logits [n, 10] of images [n, 784]: two hidden layers of ReLU."""
    sizes = [IMAGE_PIXELS, hidden1_units, hidden2_units, NUM_CLASSES]
    layer = images
    for scope, size, units in zip(("hidden1", "hidden2", "softmax_linear"), sizes, sizes[1:]):
        with tf.name_scope(scope):
            start = tf.truncated_normal([size, units], stddev=1 / math.sqrt(float(size)))
            weights = tf.Variable(start, name="weights")
            biases = tf.Variable(tf.zeros([units]), name="biases")
            layer = tf.matmul(layer, weights) + biases
            if scope != "softmax_linear":
                layer = tf.nn.relu(layer)
    return layer


def loss(logits, labels):
    """Returns the mean cross-entropy; labels are numbers [n]."""
    return tf.losses.sparse_softmax_cross_entropy(labels=tf.cast(labels, tf.int64), logits=logits)


def training(loss, learning_rate):
    tf.summary.scalar("loss", loss)
    global_step = tf.Variable(0, name="global_step", trainable=False)
    return tf.train.GradientDescentOptimizer(learning_rate).minimize(loss, global_step)


def evaluation(logits, labels):
    """Returns how many of the labels the logits name first: int32 []."""
    return tf.reduce_sum(tf.cast(tf.nn.in_top_k(logits, labels, 1), tf.int32))
