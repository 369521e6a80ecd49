"""Reads and checks the files in a run folder, for all commands."""

import glob
import json
import math
import os
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shared import evaluation
from shared.console import UserError
from shared.history import NAME as HISTORY
from shared.history import read as read_history
from shared.runs import result

# The keys of a complete run's result.json beyond those that every run has.
_KEYS = ("device", "versions", "command", "started", "peak_memory_mib", "test_accuracy")


@dataclass(frozen=True)
class CompleteRun:
    """A complete run.

    Attributes
    ----------
    directory : the run folder, as the caller named it.
    result : the content of result.json.
    evaluation : the arrays of evaluation.npz, see `shared.evaluation.save`.
    scalars : TensorBoard's curves, by tag, then by step; empty after --nolog.
    """

    directory: str
    result: dict
    evaluation: dict[str, np.ndarray]
    scalars: dict[str, dict[int, float]]

    @property
    def style(self) -> str:
        return self.result["style"]

    @property
    def trace(self) -> str | None:
        """The path of the trace that this run wrote to its folder; None if there is none."""
        path = os.path.join(self.directory, "trace.npz")
        is_own = self.result.get("trace_file") == "trace.npz"
        return path if is_own and os.path.exists(path) else None


def read(directory: str) -> CompleteRun:
    """Reads the folder of a complete run.

    Raises
    ------
    UserError : the run is not complete, or a file of it is missing or damaged.
    """
    found = complete_result(directory)
    arrays = evaluation.load(os.path.join(directory, "evaluation.npz"))
    return CompleteRun(directory, found, arrays, _scalars(directory, found.get("log_dir")))


def complete_result(directory: str) -> dict:
    """Returns the result.json of a complete run.

    Raises
    ------
    UserError : the run is not complete, or the file is missing or damaged.
    """
    found = result.read(directory, "name the folder of a run")
    if found["status"] != result.COMPLETE:
        raise UserError(
            f"{directory}: the run is {found['status']} at step {found['step']}, expected a "
            "complete one; complete it, or name another"
        )
    missing = [key for key in _KEYS if key not in found]
    if missing:
        raise UserError(f"{result.path_in(directory)}: {', '.join(missing)} missing; run it again")
    return found


def result_so_far(directory: str) -> dict:
    """Returns the result.json of a run, complete or not; empty if it is missing or damaged."""
    try:
        return result.read(directory)
    except UserError:
        return {}


def history(directory: str) -> np.ndarray:
    """Returns the rows of a run's history.csv, one an epoch, with a field for each column.

    Raises
    ------
    UserError : the file is missing or damaged.
    """
    rows = read_history(os.path.join(directory, HISTORY))
    table = np.zeros(len(rows), [(name, type(value)) for name, value in rows[0].items()])
    for number, row in enumerate(rows):
        table[number] = tuple(row.values())
    return table


def read_json(path: str) -> dict:
    """Returns the object in a JSON file of this project; empty if it is missing or damaged."""
    try:
        with open(path) as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _scalars(directory: str, log_dir: str | None) -> dict[str, dict[int, float]]:
    """Returns the numbers in a run's event files.

    The run's own folder comes before `log_dir`, which may be the old name of a moved folder.
    """
    for folder in (directory, log_dir):
        found = glob.glob(os.path.join(glob.escape(folder or ""), "events.out.tfevents.*"))
        paths = sorted(path for path in found if os.path.isfile(path))
        if folder and paths:
            scalars = {}
            for path in paths:
                _read_events(path, scalars)
            return scalars
    return {}


def _read_events(path: str, scalars: dict[str, dict[int, float]]) -> None:
    """Adds the numbers of one event file.

    A damaged record, and all that follows it, is left out with one line on stderr: the last record
    of a run that was killed may be incomplete.
    """
    # These do not import TensorFlow, which takes seconds.
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    try:
        for record in _records(path):
            event = Event.FromString(record)
            for value in event.summary.value:
                number = _number(value)
                if number is not None and event.step >= 0:
                    scalars.setdefault(value.tag, {})[event.step] = number
    except (OSError, ValueError, DecodeError) as error:
        cause = getattr(error, "strerror", None) or error
        print(f"{path}: {cause}; the curves leave out what follows", file=sys.stderr)


def _records(path: str) -> Iterator[bytes]:
    """Yields the records of an event file; raises a ValueError at the first damaged one.

    A record is its length, that number's checksum, its bytes and their checksum.
    """
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    size = os.path.getsize(path)
    with open(path, "rb") as file:
        for start in iter(file.tell, size):
            head = file.read(12)
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else size
            if start + 16 + length > size:  # checked first: the read would allocate `length` bytes
                raise ValueError(f"incomplete or damaged at byte {start:,}")
            record, checksum = file.read(length), file.read(4)
            if head[8:] + checksum != struct.pack(
                "<II", masked_crc32c(head[:8]), masked_crc32c(record)
            ):
                raise ValueError(f"damaged at byte {start:,}")
            yield record


def _number(value) -> float | None:
    """Returns the number in a summary of either style; None if it is not a finite number."""
    from tensorboard.util.tensor_util import make_ndarray

    if value.WhichOneof("value") == "simple_value":
        number = value.simple_value
    elif value.metadata.plugin_data.plugin_name != "scalars" or value.tensor.tensor_shape.dim:
        return None
    else:
        try:
            number = float(make_ndarray(value.tensor))
        except (TypeError, ValueError, LookupError, OverflowError):
            return None
    return number if math.isfinite(number) else None
