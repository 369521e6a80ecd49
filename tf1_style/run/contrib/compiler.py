"""Stands for `tf.contrib.compiler`: scopes that XLA compiles."""

from tensorflow.python.compiler.xla import jit, xla  # noqa: F401
