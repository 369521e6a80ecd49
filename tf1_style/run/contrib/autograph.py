"""Stands for `tf.contrib.autograph`."""

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tensorflow.compat.v1.autograph",
    "tensorflow.python.autograph",
    "tensorflow.python.autograph.impl.api",
)
