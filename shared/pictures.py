"""Pictures for TensorBoard: arrays of bytes, drawn with Pillow."""

from __future__ import annotations

import io

import numpy as np

SIDE = 28  # of an image of the datasets, in pixels


def captioned(images: np.ndarray, captions: list[str], columns: int = 5) -> np.ndarray:
    """Returns images in rows, each twice its size and with its caption above.

    Parameters
    ----------
    images : uint8 [n, 784]
    captions : n short texts.
    columns : images in a row.

    Returns
    -------
    uint8 [h, w]
    """
    from PIL import Image, ImageDraw

    width, height = 2 * SIDE + 8, 2 * SIDE + 20
    rows = -(-len(images) // columns)
    canvas = Image.new("L", (columns * width, rows * height))
    draw = ImageDraw.Draw(canvas)
    for number, (image, caption) in enumerate(zip(images, captions)):
        row, column = divmod(number, columns)
        left, top = column * width + 4, row * height
        draw.text((left, top + 2), caption, fill=255)
        digit = Image.fromarray(image.reshape(SIDE, SIDE)).resize((2 * SIDE, 2 * SIDE))
        canvas.paste(digit, (left, top + 16))
    return np.asarray(canvas)


def of_batch(images: np.ndarray, labels: np.ndarray, count: int = 25) -> np.ndarray:
    """Returns the first images of a batch, [n, 784] in [0, 1], under their labels [n, 10]."""
    pixels = np.rint(images[:count] * 255).astype(np.uint8)
    return captioned(pixels, [str(label) for label in labels[:count].argmax(axis=1)])


def filters(weights: np.ndarray) -> np.ndarray:
    """Returns what the units of a first layer look for, as pictures of its weights.

    Parameters
    ----------
    weights : [h, w, 1, n] of a convolution, or [784, n] of a dense layer.

    Returns
    -------
    float32 [n, h, w] in [-1, 1], where 0 is a weight of 0; each filter on its own scale.
    """
    if weights.ndim == 2:
        weights = weights.reshape(SIDE, SIDE, 1, -1)
    units = np.moveaxis(weights[:, :, 0, :], -1, 0)
    largest = np.abs(units).max(axis=(1, 2), keepdims=True)
    return units / np.where(largest > 0, largest, 1)


def tiled(units: np.ndarray, columns: int = 8, side: int = 60) -> np.ndarray:
    """Returns the pictures [n, h, w] in [-1, 1] side by side, as uint8 [H, W]; 0 is mid-grey."""
    from PIL import Image

    rows = -(-len(units) // columns)
    canvas = np.zeros((rows * (side + 4), columns * (side + 4)), np.uint8)
    for number, unit in enumerate(units):
        row, column = divmod(number, columns)
        top, left = row * (side + 4) + 2, column * (side + 4) + 2
        grey = Image.fromarray(np.uint8(np.rint(127.5 + 127.5 * unit)))
        large = grey.resize((side, side), Image.NEAREST)
        canvas[top : top + side, left : left + side] = large
    return canvas


def sprite(images: np.ndarray) -> np.ndarray:
    """Returns images uint8 [n, 784] in a square, row by row, as the projector wants them."""
    columns = int(np.ceil(np.sqrt(len(images))))
    square = np.zeros((columns * columns, SIDE, SIDE), np.uint8)
    square[: len(images)] = images.reshape(-1, SIDE, SIDE)
    square = square.reshape(columns, columns, SIDE, SIDE).swapaxes(1, 2)
    return square.reshape(columns * SIDE, columns * SIDE)


def png(picture: np.ndarray) -> bytes:
    """Returns a picture uint8 [h, w] as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png")
    return file.getvalue()
