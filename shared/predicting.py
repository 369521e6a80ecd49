"""Classifies the pictures of --predict, and draws what the network saw."""

from __future__ import annotations

import os
import sys
from typing import Callable, NamedTuple

import numpy as np

from shared import files, outputs, pictures
from shared.console import UserError
from shared.datasets import Images
from shared.evaluation import probabilities
from shared.picture_reading import DigitPicture, read_digit

PICTURES_PER_CALL = 100
MAX_PICTURES_DRAWN = 400


class Prediction(NamedTuple):
    """The network's answer for one picture."""

    path: str
    picture: DigitPicture
    answer: str  # such as "7 (99.1 %)"


def predict(
    paths: list[str], classify: Callable[[np.ndarray], np.ndarray], picture_path: str = ""
) -> None:
    """Prints the digit in each picture, in the order of `paths`.

    The answers go to stdout. If a picture cannot be read, an error goes to stderr instead. If a
    picture seems to hold several digits, a warning goes to stderr as well.

    Parameters
    ----------
    paths : the picture files.
    classify : maps images float32 [n, 784] in [0, 1] to logits [n, 10].
    picture_path : PNG file to write, see `draw`; empty for none.

    Raises
    ------
    UserError : a picture cannot be read (raised after all others are classified), or `picture_path`
        cannot be written.
    """
    if picture_path:
        _check_output(picture_path, paths)
    predictions, errors = [], []
    for start in range(0, len(paths), PICTURES_PER_CALL):
        outcomes = _classify(paths[start : start + PICTURES_PER_CALL], classify)
        for outcome in outcomes:
            if isinstance(outcome, UserError):
                errors.append(outcome)
                if len(paths) > 1:
                    _print_error(outcome)
            else:
                predictions.append(outcome)
                _print(outcome)
    if picture_path and predictions:
        _write(picture_path, draw(predictions[:MAX_PICTURES_DRAWN]))
    if errors and len(paths) == 1:
        raise errors[0]
    if errors:
        raise UserError(f"{len(errors)} of {len(paths)} pictures could not be read, see above")


def draw(predictions: list[Prediction]) -> np.ndarray:
    """Draws the images that the network saw, enlarged, with their file names and answers.

    Returns
    -------
    uint8 [h, w]
    """
    captions = []
    for path, picture, answer in predictions:
        name = _one_line(os.path.basename(path))
        if len(name) > 22:
            name = f"{name[:9]}...{name[-10:]}"
        name = name.encode("ascii", "replace").decode()  # Pillow's font has no other letters
        doubt = "\nmore than one digit?" if picture.digits_seen > 1 else ""
        captions.append(f"{name}\n{answer}{doubt}")
    images = np.stack([prediction.picture.pixels for prediction in predictions])
    columns = int(np.ceil(np.sqrt(len(images))))
    return pictures.captioned(images, captions, columns, scale=5, background=64)


def _classify(paths: list[str], classify: Callable) -> list[Prediction | UserError]:
    """Returns the prediction for each picture, or the error of one that cannot be read."""
    outcomes = [_read(path) for path in paths]
    readable = [number for number, read in enumerate(outcomes) if isinstance(read, DigitPicture)]
    if readable:
        pixels = np.stack([outcomes[number].pixels for number in readable])
        logits = classify(pixels.astype(np.float32) * Images.SCALE)
        for number, row in zip(readable, probabilities(logits)):
            answer = f"{row.argmax()} ({100 * row.max():.1f} %)"
            outcomes[number] = Prediction(paths[number], outcomes[number], answer)
    return outcomes


def _read(path: str) -> DigitPicture | UserError:
    try:
        return read_digit(path)
    except UserError as error:
        return error


def _print(prediction: Prediction) -> None:
    print(f"{_one_line(prediction.path)}: {prediction.answer}", flush=True)
    if prediction.picture.digits_seen > 1:
        _print_error(
            f"{prediction.path}: warning: the picture seems to hold "
            f"{prediction.picture.digits_seen} digits, expected one; cut it into pictures of one "
            "digit"
        )


def _print_error(message: object) -> None:
    print(_one_line(str(message)), file=sys.stderr, flush=True)


def _one_line(text: str) -> str:
    """Escapes line breaks, and bytes of a path that are not UTF-8."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _check_output(path: str, inputs: list[str]) -> None:
    for picture in inputs:
        if os.path.exists(path) and os.path.exists(picture) and os.path.samefile(path, picture):
            raise UserError(
                f"--predict_picture={path}: this is a picture of --predict; name another file"
            )
    outputs.check(path, "picture", "--predict_picture")


def _write(path: str, picture: np.ndarray) -> None:
    with files.writing(path):
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with files.replacing(path) as file:
            file.write(pictures.png(picture))
