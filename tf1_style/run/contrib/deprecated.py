"""Stands for `tf.contrib.deprecated`: the summaries of 0.x."""

import tensorflow.compat.v1 as tf

from tf1_style.run import old_functions

merge_all_summaries = tf.summary.merge_all
merge_summary = tf.summary.merge


def __getattr__(name):
    try:
        return old_functions.FUNCTIONS[f"tensorflow.{name}"]
    except KeyError:
        raise AttributeError(name) from None
