"""Pictures: drawn for TensorBoard as arrays of bytes, and read as MNIST has its digits."""

from __future__ import annotations

import io
import warnings

import numpy as np

from shared.console import UserError
from shared.datasets import Examples
from shared.files import cause

SIDE = 28  # of an image of the datasets, in pixels
DIGIT_SIDE = 20  # the longer one of a digit of MNIST, in pixels
MIDDLE = 14  # the pixel, of 0 to 27, that MNIST has a digit's centre of mass in
LEAST_CONTRAST = 16  # of 255 levels; paper and the camera's noise have less


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
    float32 [n, h, w] in [-1, 1], where 0 is a weight of 0; each filter on its own scale. Of more
    than 64 units the first 64.
    """
    if weights.ndim == 2:
        weights = weights.reshape(SIDE, SIDE, 1, -1)
    units = np.moveaxis(weights[:, :, 0, :64], -1, 0)
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


def read_digits(paths: list[str]) -> np.ndarray:
    """Returns pictures of digits as a model takes them.

    Parameters
    ----------
    paths : the pictures, at least one; see `read_digit`.

    Returns
    -------
    float32 [n, 784] in [0, 1]
    """
    return np.stack([read_digit(path) for path in paths]).astype(np.float32) * Examples.SCALE


def read_digit(path: str) -> np.ndarray:
    """Returns the picture of one digit, brought to what MNIST's are.

    Those are cut to the ink, scaled to fit a square of 20x20, and laid into one of 28x28 by their
    centre of mass (http://yann.lecun.com/exdb/mnist/); the ink is light, all else 0.

    Parameters
    ----------
    path : a file of a format that Pillow reads, of any size, dark on light or light on dark. The
        colour of its frame is the background; transparent parts are white or, where nothing would
        be seen on white, black.

    Returns
    -------
    uint8 [784]

    Raises
    ------
    UserError : it cannot be read, or there is nothing on it.
    """
    from PIL import Image

    ink = _ink(_grey(path))
    contrast = ink.max()
    if contrast < LEAST_CONTRAST:
        raise UserError(
            f"{path}: a picture of one colour, expected one of a digit; draw it darker or lighter "
            "than what is around it"
        )
    # Half: shadows on the paper are fainter, and of a stroke's soft edge it keeps the middle.
    rows, columns = (np.flatnonzero((2 * ink > contrast).any(axis=axis)) for axis in (1, 0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = DIGIT_SIDE / max(digit.shape)
    height, width = (max(1, round(scale * side)) for side in digit.shape)
    digit = Image.fromarray(digit.astype(np.float32))
    digit = np.asarray(digit.resize((width, height), Image.HAMMING))
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    top, left = _start(digit.sum(axis=1)), _start(digit.sum(axis=0))
    canvas[top : top + height, left : left + width] = np.rint(digit * (255 / digit.max()))
    return canvas.ravel()


def _grey(path: str) -> np.ndarray:
    """Returns a picture as uint8 [h, w]."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged notes of a camera, and the like
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as file:
                image = ImageOps.exif_transpose(file)  # as the camera was held
            if image.mode.startswith("I"):  # 16 bits, which "L" would cut off at 255
                levels = np.asarray(image).astype(np.float32)
                levels -= levels.min()
                return np.uint8(levels * (255 / max(levels.max(), 1)))
            if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
                image = _opaque(image.convert("RGBA"))
            return np.asarray(image.convert("L"))
        except Exception as error:  # noqa: BLE001 (a damaged file makes Pillow raise most kinds)
            raise UserError(
                f"{path}: {cause(error).rstrip('.')}; expected a picture of one digit, such as a "
                "PNG file; name another, or save it anew"
            )


def _opaque(image):
    """Returns a Pillow image of mode RGBA on white or, where nothing would be seen, on black."""
    from PIL import Image

    for colour in ("white", "black"):
        flat = Image.alpha_composite(Image.new("RGBA", image.size, colour), image).convert("L")
        if len(set(flat.getextrema())) > 1:
            break
    return flat


def _ink(grey: np.ndarray) -> np.ndarray:
    """Returns how far each pixel stands out from the frame, on the side where more does."""
    frame = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = grey.astype(np.int16) - np.int16(np.median(frame))
    return np.maximum(-ink if -ink.min() > ink.max() else ink, 0)


def _start(mass: np.ndarray) -> int:
    """Returns where to begin, along one axis, so that the centre of mass comes to the middle."""
    centre = (mass * np.arange(len(mass))).sum() / mass.sum()
    return int(np.clip(np.rint(MIDDLE - centre), 0, SIDE - len(mass)))
