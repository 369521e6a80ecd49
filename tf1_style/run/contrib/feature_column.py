"""Stands for `tf.contrib.feature_column`: the columns for sequences."""

from tf1_style.run.contrib import names_of

__getattr__ = names_of("tensorflow.feature_column")
