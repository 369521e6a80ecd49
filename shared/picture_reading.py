"""Reads a picture of a digit, and lays the digit out as in MNIST."""

from __future__ import annotations

import itertools
import warnings
from typing import NamedTuple

import numpy as np

from shared.console import UserError
from shared.files import cause
from shared.pictures import SIDE

DIGIT_SIDE = 20  # pixels; the longer side of a digit in MNIST
CENTRE = 14  # MNIST puts a digit's centre of mass at this pixel, of 0 to 27
MIN_CONTRAST = 16  # of 255 levels; blank paper and camera noise have less

# Two parts of the ink count as two digits if each has at least this height and this much ink,
# relative to the largest part, and if they overlap by at most this fraction of the narrower one's
# width. Measured on MNIST's 10,000 test images: no single digit counts as two. Of 500 pairs of
# digits, drawn side by side, 496 are found.
MIN_HEIGHT, MIN_INK, MAX_OVERLAP = 0.7, 0.2, 0.2


class DigitPicture(NamedTuple):
    """The digit of a picture, laid out as in MNIST."""

    pixels: np.ndarray  # uint8 [784], light on dark
    digits_seen: int  # more than 1 if the picture seems to hold several, side by side


def read_digit(path: str) -> DigitPicture:
    """Reads a picture of one digit.

    MNIST crops a digit to its ink, scales it to fit a square of 20 x 20 pixels, and centres it by
    its mass in a square of 28 x 28 pixels (http://yann.lecun.com/exdb/mnist/). The ink is light,
    the background 0.

    Parameters
    ----------
    path : file in a format that Pillow reads, of any size, dark on light or light on dark. The
        colour of the picture's edge is the background. Transparent parts are white, or black if
        nothing can be seen on white.

    Raises
    ------
    UserError : the file cannot be read, or the picture is blank.
    """
    ink = _ink(_grey(path))
    contrast = ink.max()
    if contrast < MIN_CONTRAST:
        raise UserError(
            f"{path}: a blank picture, expected a picture of one digit; draw the digit darker or "
            "lighter than its background"
        )
    # A threshold of half the contrast excludes shadows on the paper.
    rows, columns = (np.flatnonzero((2 * ink > contrast).any(axis=axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    return DigitPicture(_lay_out(ink), _count_digits(ink))


def _grey(path: str) -> np.ndarray:
    """Reads a picture as uint8 [h, w]."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as damaged metadata of a camera
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as file:
                image = ImageOps.exif_transpose(file)  # turn it upright
            if image.mode.startswith("I"):  # 16 bits: convert("L") would clip them at 255
                levels = np.asarray(image).astype(np.float32)
                levels -= levels.min()
                return np.uint8(levels * (255 / max(levels.max(), 1)))
            if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
                image = _opaque(image.convert("RGBA"))
            return np.asarray(image.convert("L"))
        except Exception as error:  # noqa: BLE001 (Pillow raises many kinds for a damaged file)
            raise UserError(
                f"{path}: {cause(error).rstrip('.')}; expected a picture of one digit, such as a "
                "PNG file; name another file, or save the picture again"
            )


def _opaque(image):
    """Puts a Pillow image of mode RGBA on white, or on black if nothing can be seen on white."""
    from PIL import Image

    for colour in ("white", "black"):
        flat = Image.alpha_composite(Image.new("RGBA", image.size, colour), image).convert("L")
        if len(set(flat.getextrema())) > 1:
            break
    return flat


def _ink(grey: np.ndarray) -> np.ndarray:
    """Returns how much each pixel differs from the background, int16 [h, w], at least 0.

    The background is the median of the picture's edge. The ink is darker or lighter than the
    background, like the pixel that differs most. Pixels that differ the other way become 0.
    """
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = grey.astype(np.int16) - np.int16(np.median(edge))
    return np.maximum(-ink if -ink.min() > ink.max() else ink, 0)


def _lay_out(ink: np.ndarray) -> np.ndarray:
    """Scales and centres cropped ink, float32 [h, w], as MNIST does; returns uint8 [784]."""
    digit = _scaled(ink, DIGIT_SIDE / max(ink.shape))
    height, width = digit.shape
    top, left = _start(digit.sum(axis=1)), _start(digit.sum(axis=0))
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    canvas[top : top + height, left : left + width] = np.rint(digit * (255 / digit.max()))
    return canvas.ravel()


def _scaled(ink: np.ndarray, scale: float) -> np.ndarray:
    from PIL import Image

    height, width = (max(1, round(scale * side)) for side in ink.shape)
    return np.asarray(Image.fromarray(ink).resize((width, height), Image.HAMMING))


def _start(mass: np.ndarray) -> int:
    """Returns the first index along one axis that puts the centre of mass at `CENTRE`."""
    centre = (mass * np.arange(len(mass))).sum() / mass.sum()
    return int(np.clip(np.rint(CENTRE - centre), 0, SIDE - len(mass)))


def _count_digits(ink: np.ndarray) -> int:
    """Returns how many digits stand side by side in ink float32 [h, w].

    Small parts do not count: a speck, a dot, the detached bar of a 5, a piece of a broken stroke.
    """
    height, width = ink.shape
    small = _scaled(ink, min(64 / height, 512 / width))  # fine enough, and fast at any size
    parts = _connected_parts(3 * small > small.max())
    tallest = max(bottom - top for top, bottom, *_ in parts)
    most = max(size for *_, size in parts)
    count, end, last_width = 0, 0, 0
    for top, bottom, left, right, size in sorted(parts, key=lambda part: part[2]):
        if bottom - top < MIN_HEIGHT * tallest or size < MIN_INK * most:
            continue
        if not count or end - left <= MAX_OVERLAP * min(last_width, right - left):
            count += 1
        end, last_width = max(end, right), right - left
    return count


def _connected_parts(mask: np.ndarray) -> list[tuple[int, int, int, int, int]]:
    """Returns the connected parts of a mask [h, w]: top, bottom, left, right, number of pixels.

    Pixels that touch at a corner are connected.
    """
    parts, remaining = [], set(zip(*(index.tolist() for index in np.nonzero(mask))))
    while remaining:
        part = [remaining.pop()]
        for row, column in part:  # the loop extends this list
            for neighbour in itertools.product(
                (row - 1, row, row + 1), (column - 1, column, column + 1)
            ):
                if neighbour in remaining:
                    remaining.remove(neighbour)
                    part.append(neighbour)
        rows, columns = zip(*part)
        parts.append((min(rows), max(rows) + 1, min(columns), max(columns) + 1, len(part)))
    return parts
