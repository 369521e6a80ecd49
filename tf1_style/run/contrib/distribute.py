"""Stands for `tf.contrib.distribute`."""

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tensorflow.compat.v1.distribute",
    "tensorflow.compat.v1.distribute.experimental",
    ReplicaContext="tensorflow.python.distribute.distribute_lib.ReplicaContextBase",
)
