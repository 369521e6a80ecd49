"""Stands for `tf.contrib.util`."""

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tensorflow.compat.v1",
    "tensorflow.python.framework.meta_graph",
    "tensorflow.python.util",
    constant_value="tensorflow.python.framework.tensor_util.constant_value",
)
