"""Stands for `tf.contrib.tensorboard`: TensorBoard's own `plugins.projector`."""

from tensorboard import plugins  # noqa: F401
