"""Stereo pictures: the digit of the left one is in the right one too, further left or right."""

from __future__ import annotations

from typing import Iterator

import numpy as np
from absl.flags import FlagValues

from shared import datasets
from shared.datasets import Dataset, Examples, Images

# The disparity is -8 to 8 pixels of a digit. Its mean is 0, so the digits are at the same place on
# average in left and right pictures. Batch norm has averages for both together, so a difference
# would be an error in evaluation.
LARGEST = 8
COUNTS = (20000, 50, 100)  # of training, validation and test


class StereoPictures(Examples):
    """Pictures that are drawn when they are needed, because 250 x 250 x 3 floats are 750 kB each.

    Attributes
    ----------
    arrays : `image` int64 [n], indices of `images`; `row`, `column` int64 [n], the place of the
        digit in the left picture; `disparity` int64 [n], in pixels of a digit.
    images : uint8 [m, 784]
    side : pixels of a side of a picture.
    """

    def __init__(self, images: np.ndarray, side: int, **arrays: np.ndarray):
        super().__init__(**arrays)
        self.images = images
        self.side = side

    def batch(self, indices: np.ndarray | slice) -> dict[str, np.ndarray]:
        """Draws `left`, `right` float32 [b, side, side, 3] in [-1, 1], `disparity` float32 [b]."""
        rows = super().batch(indices)
        columns, disparity = rows["column"], rows["disparity"]
        return {
            "left": self._draw(rows["image"], rows["row"], columns),
            "right": self._draw(rows["image"], rows["row"], columns - disparity * zoom(self.side)),
            "disparity": disparity.astype(np.float32),
        }

    def _draw(self, images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        scale = zoom(self.side)
        size = 28 * scale
        pictures = np.full((len(images), self.side, self.side), -1, np.float32)
        for picture, image, row, column in zip(pictures, images, rows, columns):
            pixels = self.images[image].reshape(28, 28) * (2 * Images.SCALE) - 1
            drawn = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
            picture[row : row + size, column : column + size] = drawn
        return np.repeat(pictures[..., None], 3, axis=3)

    def part(self, part: slice) -> StereoPictures:
        """Returns the examples of a slice."""
        return StereoPictures(self.images, self.side, **Examples.batch(self, part))

    def slices(self, size: int = 16, end: int | None = None) -> Iterator[slice]:
        """Yields smaller slices than other examples do, because the activations are large."""
        return super().slices(size, end)


def zoom(side: int) -> int:
    """Returns how many pixels of a picture a pixel of a digit takes, in each direction."""
    return side // 71


def load(flags: FlagValues) -> Dataset:
    """Returns a Dataset of `StereoPictures` of the digits that the flags name."""
    name, *images = datasets.load(flags.dataset, flags.data_dir)
    parts = [
        _pictures(part.images, flags.image, count, [flags.seed, k])
        for k, (part, count) in enumerate(zip(images, COUNTS))
    ]
    return Dataset(name, *parts)


def _pictures(images: np.ndarray, side: int, count: int, seed: list[int]) -> StereoPictures:
    random = np.random.RandomState(seed)  # NumPy has frozen its stream
    free = side - 28 * zoom(side) + 1
    margin = LARGEST * zoom(side)
    return StereoPictures(
        images,
        side,
        image=random.randint(0, len(images), count),
        row=random.randint(0, free, count),
        column=random.randint(margin, free - margin, count),
        disparity=random.randint(-LARGEST, LARGEST + 1, count),
    )
