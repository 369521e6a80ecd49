"""Pairs of images of digits: do both show the same digit?"""

from __future__ import annotations

import numpy as np
from absl.flags import FlagValues

from shared import datasets
from shared.datasets import Dataset, Examples, Images


class Pairs(Examples):
    """Pairs of images, stored as bytes: `first`, `second` uint8 [n, 784], `same` uint8 [n]."""

    def batch(self, indices: np.ndarray | slice) -> dict[str, np.ndarray]:
        """Returns `first`, `second`, float32 [b, 784] in [0, 1], and `same`, float32 [b]."""
        rows = {name: array.astype(np.float32) for name, array in super().batch(indices).items()}
        for name in ("first", "second"):
            rows[name] *= Images.SCALE
        return rows


def load(flags: FlagValues) -> Dataset:
    """Returns a Dataset of `Pairs`, made from the images that --dataset names.

    Each image is the first of one pair. Half of the pairs show the same digit. No image is in more
    than one of the three parts.
    """
    images = datasets.load(flags.dataset, flags.data_dir)
    parts = [_pairs(part, [flags.seed, k]) for k, part in enumerate(images[1:])]
    return Dataset(images.name, *parts)


def _pairs(images: Images, seed: list[int]) -> Pairs:
    random = np.random.RandomState(seed)  # NumPy has frozen its stream
    labels = images.labels.astype(np.int64)
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=datasets.CLASSES)
    starts = np.cumsum(counts) - counts
    same = random.permutation(len(labels)) % 2 == 0
    # The other digits are as likely as each other, whatever the number of their images.
    others = (labels + random.randint(1, datasets.CLASSES, len(labels))) % datasets.CLASSES
    wanted = np.where(same, labels, others)
    second = order[starts[wanted] + (random.uniform(size=len(labels)) * counts[wanted]).astype(int)]
    return Pairs(first=images.images, second=images.images[second], same=same.astype(np.uint8))
