"""Draws pictures as arrays, for TensorBoard, a run's report and --predict_picture."""

from __future__ import annotations

import io

import numpy as np

from shared.outputs import PNG_TEXT

SIDE = 28  # pixels; the side of an image of the datasets


def captioned(
    images: np.ndarray,
    captions: list[str],
    columns: int = 5,
    scale: int = 2,
    background: int = 0,
) -> np.ndarray:
    """Draws images in rows, enlarged, each below its caption.

    Parameters
    ----------
    images : uint8 [n, 784]
    captions : n short ASCII texts of one or more lines.
    columns : images in a row.
    scale : factor by which the images are enlarged.
    background : grey level from 0 to 255.

    Returns
    -------
    uint8 [h, w]
    """
    from PIL import Image, ImageDraw

    side, text_height = scale * SIDE, 12 * max(caption.count("\n") + 1 for caption in captions)
    width, height = side + 8, side + text_height + 8
    rows = -(-len(images) // columns)
    canvas = Image.new("L", (columns * width, rows * height), background)
    draw = ImageDraw.Draw(canvas)
    for number, (image, caption) in enumerate(zip(images, captions)):
        row, column = divmod(number, columns)
        left, top = column * width + 4, row * height
        draw.text((left, top + 2), caption, fill=255, spacing=0)
        enlarged = Image.fromarray(image.reshape(SIDE, SIDE)).resize((side, side), Image.NEAREST)
        canvas.paste(enlarged, (left, top + text_height + 4))
    return np.asarray(canvas)


def of_batch(images: np.ndarray, labels: np.ndarray, count: int = 25) -> np.ndarray:
    """Draws the first images of a batch, [n, 784] in [0, 1], below their labels, [n, 10]."""
    pixels = np.rint(images[:count] * 255).astype(np.uint8)
    return captioned(pixels, [str(label) for label in labels[:count].argmax(axis=1)])


def filters(weights: np.ndarray) -> np.ndarray:
    """Returns the weights of a first layer's units as pictures, at most 64 of them.

    Parameters
    ----------
    weights : [h, w, 1, n] of a convolution, or [784, n] of a dense layer.

    Returns
    -------
    float32 [at most 64, h, w] in [-1, 1]; each unit is scaled by its largest weight, 0 stays 0.
    """
    if weights.ndim == 2:
        weights = weights.reshape(SIDE, SIDE, 1, -1)
    units = np.moveaxis(weights[:, :, 0, :64], -1, 0)
    largest = np.abs(units).max(axis=(1, 2), keepdims=True)
    return units / np.where(largest > 0, largest, 1)


def tiled(units: np.ndarray, columns: int = 8, side: int = 60) -> np.ndarray:
    """Draws pictures [n, h, w] in [-1, 1] side by side, as uint8 [H, W]; 0 is mid-grey."""
    from PIL import Image

    rows = -(-len(units) // columns)
    canvas = np.zeros((rows * (side + 4), columns * (side + 4)), np.uint8)
    for number, unit in enumerate(units):
        row, column = divmod(number, columns)
        top, left = row * (side + 4) + 2, column * (side + 4) + 2
        grey = Image.fromarray(np.uint8(np.rint(127.5 + 127.5 * unit)))
        canvas[top : top + side, left : left + side] = grey.resize((side, side), Image.NEAREST)
    return canvas


def sprite(images: np.ndarray) -> np.ndarray:
    """Arranges images uint8 [n, 784] in a square, row by row, for TensorBoard's projector."""
    columns = int(np.ceil(np.sqrt(len(images))))
    square = np.zeros((columns * columns, SIDE, SIDE), np.uint8)
    square[: len(images)] = images.reshape(-1, SIDE, SIDE)
    square = square.reshape(columns, columns, SIDE, SIDE).swapaxes(1, 2)
    return square.reshape(columns * SIDE, columns * SIDE)


def png(picture: np.ndarray) -> bytes:
    """Returns a picture uint8 [h, w] as the bytes of a PNG file."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    marks = PngInfo()
    for name, text in PNG_TEXT.items():
        marks.add_text(name, text)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png", pnginfo=marks)
    return file.getvalue()
