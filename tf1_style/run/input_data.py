"""Stands for every old way to MNIST, on `shared.input_data`: the same batches from the same seed.

The data is that of TWINS_DATA_DIR, the cache, or the mirrors, whatever folder the program names,
unless that folder holds MNIST's four files. Nothing is written there.
"""

import os
import types

import numpy as np

from shared import input_data
from shared.datasets import sources
from shared.input_data import (  # noqa: F401
    SOURCE_URL,
    DataSet,
    Datasets,
    dense_to_one_hot,
    extract_images,
    extract_labels,
    maybe_download,
)


def read_data_sets(
    train_dir, fake_data=False, one_hot=False, dtype=np.float32, reshape=True, **rest
):
    """Returns MNIST; the parameters are those of `shared.input_data.read_data_sets`."""
    keywords = dict(one_hot=one_hot, dtype=dtype, reshape=reshape, **rest)
    if fake_data or all(_path(train_dir, file) for file, _ in sources.FILES.values()):
        return input_data.read_data_sets(train_dir, fake_data, **keywords)
    rest.pop("source_url", None)
    arrays = sources.load("mnist")
    for file, _ in sources.FILES.values():
        print("Extracting", os.path.join(train_dir, file + ".gz"))
    labels = {
        key: dense_to_one_hot(arrays[key], 10) if one_hot else arrays[key]
        for key in ("train_labels", "test_labels")
    }
    return input_data.split(
        arrays["train_images"].reshape(-1, 28, 28, 1),
        labels["train_labels"],
        arrays["test_images"].reshape(-1, 28, 28, 1),
        labels["test_labels"],
        dtype=dtype,
        reshape=reshape,
        **rest,
    )


read = read_data_sets


def load_mnist(train_dir="MNIST-data"):
    return read_data_sets(train_dir)


def keras_dataset(name):
    """Returns a stand-in for `keras.datasets.mnist` or `.fashion_mnist`."""

    def load_data(path=None):
        """Returns (images [60000, 28, 28], labels [60000]), (images [10000, ...], labels)."""
        arrays = sources.load(name)
        return tuple(
            (arrays[f"{part}_images"], arrays[f"{part}_labels"]) for part in ("train", "test")
        )

    module = types.ModuleType(f"keras.datasets.{name}")
    module.load_data = load_data
    return module


def _path(folder, file):
    """Returns the path of a file or of its gzip in a folder, or None."""
    paths = [os.path.join(folder, file + ending) for ending in (".gz", "")]
    return next(filter(os.path.exists, paths), None)
