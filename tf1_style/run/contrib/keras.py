"""Stands for `tf.contrib.keras`: tf_keras."""

import sys

import tensorflow.compat.v1 as tf

api = keras = python = sys.modules[__name__]


def __getattr__(name):
    return getattr(tf.keras, name)
