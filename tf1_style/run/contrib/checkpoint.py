"""Stands for `tf.contrib.checkpoint`."""

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tensorflow.compat.v1.train",
    "tensorflow.python.trackable.data_structures",
    "tensorflow.python.training.saving",
    Checkpointable="tensorflow.python.trackable.autotrackable.AutoTrackable",
    CheckpointableBase="tensorflow.python.trackable.base.Trackable",
)
