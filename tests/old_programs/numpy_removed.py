"""What NumPy, SciPy and Python have removed since 2019, in a small TensorFlow 1 program."""

from __future__ import print_function

import collections
import fractions
import inspect
import math
import os
import tempfile
import time

import numpy as np
import scipy.misc
import scipy.sparse as sp
import tensorflow as tf
from scipy.sparse.linalg.eigen.arpack import eigsh

folder = tempfile.mkdtemp()
start = time.clock()

# Types, names and arguments.
labels = np.array([2, 0, 1, 2], dtype=np.int)
one_hot = np.zeros((4, 3), dtype=np.float)
one_hot[np.arange(4), labels] = 1
mask = np.array([True, False, True, True], dtype=np.bool)
print(one_hot[mask].sum(0), np.product([2, 3]), np.asscalar(np.array([7])), np.alltrue(mask))
print(np.reshape(np.arange(6), newshape=(2, 3)).ptp(), np.in1d([1, 2], [2]), np.round_(2.567, 1))
print(np.array([1, 2], np.float32, copy=False).dtype, np.sum(i for i in range(4)), np.PINF)
values, inverse = np.unique(np.array([[3, 1], [1, 3]]), return_inverse=True)
print(values[inverse], np.histogram([1.0, 2.0, 2.0], bins=2, normed=True)[0])

# An array of one element is a number; a number prints as one.
vector = np.zeros(3)
vector[1] = np.array([2.5])
vector[2] += np.array([[1.5]])
print(vector, float(np.array([1.5])), "%.2f and %d" % (np.array([2.5]), np.array([[3]])))
print([np.float32(0.5), np.int64(3)], (np.float64(2.5),), math.sqrt(np.array([4.0])))

# Rows of different lengths, and files of them.
ragged = np.array([[1, 2, 3], [4], [5, 6]])
np.save(os.path.join(folder, "ragged.npy"), ragged)
print(
    ragged.shape, ragged.dtype, len(np.load(os.path.join(folder, "ragged.npy"), allow_pickle=True))
)
raw = np.arange(4, dtype=np.uint8).tostring()
print(np.fromstring(raw, dtype=np.uint8), np.array([300, -1]).astype(np.uint8))

# SciPy's pictures and eigenvalues.
picture = np.uint8(np.arange(48).reshape(4, 4, 3) * 5)
path = os.path.join(folder, "picture.png")
scipy.misc.imsave(path, picture)
found = scipy.misc.imread(path)
print((found == picture).all(), scipy.misc.imresize(picture, (2, 2), interp="nearest")[..., 0])
laplacian = sp.csr_matrix(np.diag([1.0, 2.0, 3.0, 4.0]))
print(np.round(eigsh(laplacian, 1, which="LM")[0], 4), laplacian.A.shape, scipy.misc.comb(5, 2))

# Python's own.
print(isinstance({}, collections.Mapping), fractions.gcd(12, 18), start >= 0)
print(inspect.getargspec(lambda a, b=2: a).args)

# And what TensorFlow makes of it.
x = tf.placeholder(tf.float32, [None, 3])
weights = tf.Variable(np.linspace(-1, 1, 6).reshape(3, 2).astype(np.float32))
product = tf.matmul(x, weights)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    print(sess.run([product, tf.reduce_sum(product)], {x: one_hot})[1])
    print("loss %f" % sess.run(tf.reduce_sum(product, axis=1), {x: one_hot[:1]}))
    print(sess.run([tf.reduce_max(product), tf.shape(product)[0]], {x: one_hot}))

# A number does not widen an array of its kind.
images = np.full((2, 3), 6, np.float32)
scaled = [images * np.sqrt(2.0 / 3), np.float64(2) - images, images / np.int64(4), images**2.0]
scaled += [images * np.float64(1e300) > 1, images.astype(np.uint8) * -1]
print([value.dtype.name for value in scaled], scaled[0][0], scaled[-1][0])
counts = np.array([3, 4], np.int32)
print([(counts + n).dtype.name for n in (np.int64(7), np.float32(1), np.int64(2**40), 1.5)])
W = tf.Variable(np.random.RandomState(0).randn(3, 2).astype(np.float32) / np.sqrt(3))
print(W.dtype, tf.matmul(tf.constant(images), W).shape)
# Numbers among arrays of one number.
targets = [1.5, np.array([2.0], np.float32), np.array([3.0], np.float32)]
mixed = tf.placeholder(tf.float32, [None, 1])
with tf.Session() as sess:
    print(sess.run(mixed + 1.0, {mixed: np.reshape(targets, (3, 1))}).tolist(), np.array(targets).shape)
