"""The datasets: `load` returns mnist, fashion_mnist or the embedded digits."""

from __future__ import annotations

import os
from collections import namedtuple
from typing import Iterator

import numpy as np
from absl.flags import FlagValues

from shared.datasets import digits, idx, sources
from shared.datasets.sources import DataError, NotFound  # noqa: F401

NAMES = ("mnist", "fashion_mnist", "digits")
CLASSES = 10
PIXELS = 28 * 28

Dataset = namedtuple("Dataset", "name train validation test")


class Examples:
    """Examples that are stored as arrays, one row each.

    A batch holds the rows as they are stored. A subclass may convert them in `batch`. Then the
    model must do the same in `decode`.

    Attributes
    ----------
    arrays : {name: array [n, ...]}, by the names that they have in a batch.
    """

    def __init__(self, **arrays: np.ndarray):
        self.arrays = arrays

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def batch(self, indices: np.ndarray | slice) -> dict[str, np.ndarray]:
        """Returns the examples of these indices, integers [b] or a slice: {name: [b, ...]}."""
        return {name: array[indices] for name, array in self.arrays.items()}

    def first(self, count: int) -> Examples:
        """Returns the first `count` examples, or all if there are fewer."""
        return self.part(slice(count))

    def part(self, part: slice) -> Examples:
        """Returns the examples of a slice."""
        return type(self)(**{name: array[part] for name, array in self.arrays.items()})

    def slices(self, size: int = 500, end: int | None = None) -> Iterator[slice]:
        """Yields slices of `size` examples that cover all examples, or those before `end`."""
        end = len(self) if end is None else min(len(self), end)
        for start in range(0, end, size):
            yield slice(start, min(start + size, end))


class Images(Examples):
    """Images and labels, stored as bytes. Floats would take four times the memory.

    Attributes
    ----------
    images : uint8 [n, 784]
    labels : uint8 [n]
    """

    # Old code multiplies by 1/255, so the twins do the same. Division by 255 gives other bits for
    # 126 of the 256 values.
    SCALE = np.float32(1 / 255)

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        super().__init__(images=images.reshape(-1, PIXELS), labels=labels)

    @property
    def images(self) -> np.ndarray:
        return self.arrays["images"]

    @property
    def labels(self) -> np.ndarray:
        return self.arrays["labels"]

    def batch(self, indices: np.ndarray | slice, one_hot: bool = True) -> dict[str, np.ndarray]:
        """Returns a batch of examples.

        Parameters
        ----------
        indices : integers [b], or a slice.
        one_hot : whether labels are rows with a single 1.

        Returns
        -------
        dict of `images`, float32 [b, 784] in [0, 1], and `labels`, float32 [b, 10], or int64 [b] if
        they are not one-hot.
        """
        images = self.images[indices].astype(np.float32)
        images *= self.SCALE
        labels = self.labels[indices].astype(np.int64)
        if one_hot:
            labels = np.eye(CLASSES, dtype=np.float32)[labels]
        return {"images": images, "labels": labels}


def load(
    name: str, data_dir: str = "", validation_size: int | None = None, validation_start: int = 0
) -> Dataset:
    """Returns a verified dataset.

    Parameters
    ----------
    name : one of NAMES.
    data_dir : the first folder to look in; see `sources.load`.
    validation_size : number of training examples to hold out. Default: 5,000 as in TensorFlow's
        tutorial; 100 for the digits.
    validation_start : index of the first example to hold out.

    Returns
    -------
    Dataset of three Images.

    Raises
    ------
    DataError : the dataset is not available, or cannot be split this way.
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
    held_out = Images(images[validation_start:end], labels[validation_start:end])
    if validation_start:  # otherwise no copy is needed
        images = np.concatenate([images[:validation_start], images[end:]])
        labels = np.concatenate([labels[:validation_start], labels[end:]])
    else:
        images, labels = images[end:], labels[end:]
    return Dataset(
        name,
        Images(images, labels),
        held_out,
        Images(files["test_images"], files["test_labels"]),
    )


def load_unlabelled(flags: FlagValues) -> Dataset:
    """Returns the images that the flags name as a Dataset of `Examples`: `images` float32 [n, 784].

    They are in [0, 1], as in a batch of `Images`.
    """
    labelled = load(flags.dataset, flags.data_dir)
    parts = (Examples(images=part.batch(slice(None))["images"]) for part in labelled[1:])
    return Dataset(labelled.name, *parts)


def write_idx(folder: str, examples: Images) -> None:
    """Writes examples into a folder, as the IDX files `images` and `labels`."""
    arrays = {"images": examples.images.reshape(-1, 28, 28), "labels": examples.labels}
    for name, array in arrays.items():
        with open(os.path.join(folder, name), "wb") as file:
            idx.write(file, array)
