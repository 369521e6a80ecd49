"""Stands for `tf.contrib.slim`: tf_slim, with what contrib's slim took from its neighbours."""

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tf_slim", "tf1_style.run.contrib.layers", "tf1_style.run.contrib.framework", "tf_slim.nets"
)
