"""Stands for `tf.contrib.losses`: the losses of tf_slim."""

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tf_slim.losses", "tf_slim.losses.loss_ops", "tf_slim.losses.metric_learning"
)
