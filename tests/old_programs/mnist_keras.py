"""Every other old way to MNIST."""

from __future__ import print_function

import numpy as np
import tensorflow as tf
import input_data
import tensorflow.examples.tutorials.mnist.input_data
from keras.datasets import mnist as keras_mnist
from tensorflow.contrib.learn.python.learn.datasets.mnist import dense_to_one_hot, read_data_sets
from tensorflow.examples.tutorials import mnist as tutorial
from tensorflow.examples.tutorials.mnist import mnist

(images, labels), (test_images, test_labels) = tf.keras.datasets.mnist.load_data()
print(images.shape, images.dtype, images.sum(), test_labels[:5])
print((keras_mnist.load_data()[0][1] == labels).all())
for read in (
    input_data.read_data_sets,
    read_data_sets,
    tensorflow.examples.tutorials.mnist.input_data.read_data_sets,
):
    data = read("MNIST_data", False, False, reshape=False, validation_size=1000, seed=1)
    print(data.train.images.shape, data.validation.labels[:3], data.train.next_batch(4)[1])
data = tf.contrib.learn.datasets.load_dataset("mnist")
print("%.4f" % data.test.images.mean(), data.test.labels.dtype, np.asarray(data.train.labels[:3]))
print(dense_to_one_hot(np.array([1, 0]), 3), tutorial.IMAGE_PIXELS)

x = tf.placeholder(tf.float32, [None, mnist.IMAGE_PIXELS])
logits = mnist.inference(x, 16, 8)
loss = mnist.loss(logits, tf.constant([3, 1]))
step = mnist.training(loss, 0.1)
right = mnist.evaluation(logits, tf.constant([3, 1]))
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for v in tf.trainable_variables():
        sess.run(v.assign(np.linspace(-0.1, 0.1, int(np.prod(v.shape))).reshape(v.shape.as_list())))
    feed = {x: data.test.images[:2]}
    print("%.4f" % sess.run(loss, feed), sess.run([step, right], feed)[1])
    print("%.4f" % sess.run(loss, feed), [v.op.name for v in tf.global_variables()][-1])

from tensorflow.contrib.keras.python.keras.layers import Dense

print(Dense is tf.keras.layers.Dense)
