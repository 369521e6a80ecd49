"""Stands for `tf.contrib.learn.datasets`: MNIST, and the readers of CSV files."""

import collections
import csv
import sys

import numpy as np

from tf1_style.run import input_data as mnist
from tf1_style.run import modules

base = sys.modules[__name__]
Dataset = collections.namedtuple("Dataset", ["data", "target"])
Datasets = mnist.Datasets
maybe_download = mnist.maybe_download


def load_dataset(name, size="small", test_with_fake_data=False):
    """Loads "mnist"; the other data sets were files inside TensorFlow."""
    if name != "mnist":
        raise modules.Gone(f"tensorflow.contrib.learn.datasets.load_dataset({name!r})")
    return mnist.load_mnist()


def __getattr__(name):
    if name in ("load_iris", "load_boston", "make_dataset"):
        raise modules.Gone(f"tensorflow.contrib.learn.datasets.{name}")
    raise AttributeError(name)


def load_csv_with_header(filename, target_dtype, features_dtype, target_column=-1):
    """Reads a file whose first line starts with the counts of examples and of features."""
    with open(filename) as file:
        lines = csv.reader(file)
        header = next(lines)
        return _dataset(lines, target_dtype, features_dtype, target_column, int(header[0]))


def load_csv_without_header(filename, target_dtype, features_dtype, target_column=-1):
    with open(filename) as file:
        return _dataset(csv.reader(file), target_dtype, features_dtype, target_column, None)


def _dataset(lines, target_dtype, features_dtype, target_column, count):
    data, target = [], []
    for line in lines:
        target.append(line.pop(target_column))
        data.append(np.asarray(line, dtype=features_dtype))
    return Dataset(np.array(data[:count]), np.array(target[:count], dtype=target_dtype))
