"""Reads and writes history.csv, the measurements after each epoch."""

from __future__ import annotations

import math
import os
import re
from typing import Sequence

from shared import files
from shared.console import UserError

NAME = "history.csv"
MOST_BYTES = 1 << 26  # a row has about 100
_FIRST_COLUMNS = ["epoch", "step", "learning_rate"]
_FIGURE = re.compile(r"(training|validation|test)_\w+", re.ASCII)
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)  # so that int64 holds it
_FLOAT = re.compile(r"-?(\d{1,30}(\.\d{1,30})?(e[-+]?\d{1,3})?|inf|nan)", re.ASCII)


def write(path: str, rows: Sequence[dict]) -> None:
    """Writes a history, whole or not at all.

    Parameters
    ----------
    path : the file.
    rows : at least one, as `read` returns them.
    """
    lines = [list(rows[0]), *(row.values() for row in rows)]
    text = "".join(",".join(map(str, line)) + "\n" for line in lines)
    with files.writing(path), files.replacing(path) as file:
        file.write(text.encode())


def read(path: str) -> list[dict]:
    """Returns the rows of a history, one for each epoch.

    A row has the keys `epoch`, `step` and `learning_rate`, then the loss and metrics of the
    training examples (`training_loss` and so on), then those of the held-out examples
    (`validation_loss` or `test_loss` and so on). `epoch` and `step` are integers, the other values
    are floats. The loss and metrics may be infinite or NaN.

    Raises
    ------
    UserError : the file is missing, or it is not a history.
    """
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > MOST_BYTES:
                raise ValueError(f"more than {MOST_BYTES:,} bytes")
            return _rows(file.read())
    except OSError as error:
        fault = error.strerror or str(error)
    except ValueError as error:
        fault = str(error)
    raise UserError(
        f"{path}: not the history of a run ({fault}); expected a row for each epoch; --restart "
        "begins a new run"
    )


def _rows(content: bytes) -> list[dict]:
    """Returns the rows of a file; raises a ValueError if it is not a history."""
    try:
        text = content.decode("ascii")
    except UnicodeError:
        raise ValueError("not ASCII")
    header, *lines = text.split("\n")
    columns = header.split(",")
    _check_columns(columns)
    if len(lines) < 2 or lines.pop():
        raise ValueError("no rows, or the last one is cut off")
    rows = [_row(columns, line) for line in lines]
    for before, row in zip(rows, rows[1:]):
        if row["epoch"] != before["epoch"] + 1 or row["step"] <= before["step"]:
            raise ValueError(f"epoch {row['epoch']} does not follow epoch {before['epoch']}")
    return rows


def _check_columns(columns: list[str]) -> None:
    figures = columns[len(_FIRST_COLUMNS) :]
    half = len(figures) // 2
    training, held_out = (
        [name.partition("_") for name in part] for part in (figures[:half], figures[half:])
    )
    splits = [{split for split, _, _ in part} for part in (training, held_out)]
    if not (
        columns[: len(_FIRST_COLUMNS)] == _FIRST_COLUMNS
        and all(map(_FIGURE.fullmatch, figures))
        and len(set(columns)) == len(columns)
        and splits in ([{"training"}, {"validation"}], [{"training"}, {"test"}])
        and [name for _, _, name in training] == [name for _, _, name in held_out]
        and training[0][2] == "loss"
    ):
        raise ValueError("its columns are not those of a history")


def _row(columns: list[str], line: str) -> dict:
    cells = line.split(",")
    if len(cells) != len(columns):
        raise ValueError(f"a row of {len(cells)} values, expected {len(columns)}")
    row = {}
    for name, cell in zip(columns, cells):
        is_count = name in ("epoch", "step")
        if not (_INTEGER if is_count else _FLOAT).fullmatch(cell):
            shown = cell if len(cell) < 50 else cell[:50] + "..."
            raise ValueError(f"{name} is {shown!r}, expected a number")
        row[name] = int(cell) if is_count else float(cell)
    if not (row["epoch"] and row["step"] and 0 <= row["learning_rate"] < math.inf):
        raise ValueError("an epoch or step of 0, or a learning rate below 0 or not finite")
    return row


def path_in(directory: str) -> str:
    """Returns the path of the history in a run folder."""
    return os.path.join(directory, NAME)
