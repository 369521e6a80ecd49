"""Stands for `tf.contrib.cluster_resolver`."""

from tf1_style.run.contrib import names_of

__getattr__ = names_of("tensorflow.compat.v1.distribute.cluster_resolver")
