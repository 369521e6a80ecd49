"""Stands for `tf.contrib.factorization`: its k-means."""

from tf1_style.run import estimator
from tf1_style.run.contrib import names_of

_operations = names_of("tensorflow.python.ops.clustering_ops")


def __getattr__(name):
    if name == "KMeansClustering":
        return estimator.KMeansClustering
    return _operations(name)
