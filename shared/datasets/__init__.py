"""The datasets: `load` returns mnist, fashion_mnist or the embedded digits."""

from __future__ import annotations

from collections import namedtuple
from typing import Iterator

import numpy as np

from shared.datasets import digits, sources
from shared.datasets.sources import DataError, NotFound  # noqa: F401

NAMES = ("mnist", "fashion_mnist", "digits")
CLASSES = 10
PIXELS = 28 * 28

Dataset = namedtuple("Dataset", "name train validation test")


class Examples:
    """Images and labels, held as the bytes of their files: a quarter of what floats would take.

    Attributes
    ----------
    images : uint8 [n, 784]
    labels : uint8 [n]
    """

    # Old code multiplies by 1/255, and so do the twins; dividing gives other bits for 126 of the
    # 256 values.
    SCALE = np.float32(1 / 255)

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images = images.reshape(-1, PIXELS)
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def batch(
        self, indices: np.ndarray | slice, one_hot: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns some examples as a model takes them.

        Parameters
        ----------
        indices : integers [b], or a slice.
        one_hot : whether labels are rows with a single 1.

        Returns
        -------
        images : float32 [b, 784] in [0, 1]
        labels : int64 [b], or float32 [b, 10] where `one_hot`
        """
        images = self.images[indices].astype(np.float32)
        images *= self.SCALE
        labels = self.labels[indices].astype(np.int64)
        return images, np.eye(CLASSES, dtype=np.float32)[labels] if one_hot else labels

    def first(self, count: int) -> Examples:
        """Returns so many of the examples, or all where there are fewer."""
        return Examples(self.images[:count], self.labels[:count])

    def slices(self, size: int = 500, end: int | None = None) -> Iterator[slice]:
        """Yields slices that cover all examples, or those before `end`, `size` at a time."""
        end = len(self) if end is None else min(len(self), end)
        for start in range(0, end, size):
            yield slice(start, min(start + size, end))


def load(
    name: str, data_dir: str = "", validation_size: int | None = None, validation_start: int = 0
) -> Dataset:
    """Returns a dataset, verified.

    Parameters
    ----------
    name : one of NAMES.
    data_dir : where to look first; see `sources.load`.
    validation_size : how many of the training examples are held out; None holds out as many as is
        usual: 5,000 as in TensorFlow's tutorial, 100 of the digits.
    validation_start : the number of the first of them.

    Returns
    -------
    Dataset of three Examples.

    Raises
    ------
    DataError : it cannot be had, or not split so.
    """
    files = digits.load() if name == "digits" else sources.load(name, data_dir)
    total = len(files["train_labels"])
    if validation_size is None:
        validation_size = digits.VALIDATION if name == "digits" else 5000
    if not 0 <= validation_size < total:
        raise DataError(
            f"--validation_size={validation_size}: expected 0 to {total - 1}; {name} has {total} "
            "training examples"
        )
    end = validation_start + validation_size
    if end > total:
        raise DataError(
            f"--validation_start={validation_start}: expected at most {total - validation_size}; "
            f"{name} has {total} training examples, of which {validation_size} are held out"
        )
    images, labels = files["train_images"], files["train_labels"]
    held_out = Examples(images[validation_start:end], labels[validation_start:end])
    if validation_start:  # only then it has to be copied
        images = np.concatenate([images[:validation_start], images[end:]])
        labels = np.concatenate([labels[:validation_start], labels[end:]])
    else:
        images, labels = images[end:], labels[end:]
    return Dataset(
        name,
        Examples(images, labels),
        held_out,
        Examples(files["test_images"], files["test_labels"]),
    )
