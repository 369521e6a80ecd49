"""Stands for `tf.contrib.tfprof`: TensorFlow's profiler of graphs."""

from tensorflow.python.profiler import tfprof_logger  # noqa: F401

from tf1_style.run.contrib import names_of
from tf1_style.run.contrib import tfprof_analyzer as model_analyzer  # noqa: F401

__getattr__ = names_of("tensorflow.python.profiler.profile_context")
