"""Stands for `tf.contrib.metrics`: the metrics of tf_slim."""

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tf_slim.metrics",
    "tf_slim.metrics.metric_ops",
    confusion_matrix="tensorflow.compat.v1.confusion_matrix",
    set_difference="tensorflow.compat.v1.sets.difference",
    set_intersection="tensorflow.compat.v1.sets.intersection",
    set_size="tensorflow.compat.v1.sets.size",
    set_union="tensorflow.compat.v1.sets.union",
)
