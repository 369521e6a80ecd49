"""Stands for `tf.contrib.tfprof`: TensorFlow's profiler of graphs."""

from tensorflow.python.profiler import model_analyzer, tfprof_logger  # noqa: F401

from tf1_style.run.contrib import names_of

__getattr__ = names_of("tensorflow.python.profiler.profile_context")
