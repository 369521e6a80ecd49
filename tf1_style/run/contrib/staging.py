"""Stands for `tf.contrib.staging`."""

from tf1_style.run.contrib import names_of

__getattr__ = names_of("tensorflow.python.ops.data_flow_ops")
