"""Stands for `tf.contrib.stateless`."""

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tensorflow.compat.v1.random",
    stateless_random_normal="tensorflow.compat.v1.random.stateless_normal",
    stateless_random_uniform="tensorflow.compat.v1.random.stateless_uniform",
)
