"""Records what a program computes, step by step, so that it can be held against another's.

Two lines in a program of either style, and `python -m compare parity` does the rest:

    trace = Trace()  # before the loop
    trace.record(step, loss, {"W": W, "b": b})  # in the loop, after the update

A record of step N holds what is true after N updates: the variables, and the loss that the N-th
update was made from. A record of step 0, of the variables alone, tells a difference in the initial
values from one in the first update.
"""

from __future__ import annotations

import atexit
import os
from typing import Iterable, Mapping

import numpy as np
import xxhash

from shared import files
from shared.console import UserError

FORMAT = 1


class Trace:
    """A recording on its way to a file, or nothing at all where no file is named.

    The file is written by `save`, at the end of a `with` block, and when the program ends. It is
    an .npz that loads without pickle; `load` reads it.
    """

    def __init__(
        self,
        path: str | None = None,
        every: int | None = None,
        values_at: Iterable[int] | None = None,
        first_step: int = 0,
        last_step: int | None = None,
    ):
        """Begins a recording.

        Parameters
        ----------
        path : the file; default: the environment's TWINS_TRACE_FILE, and without one no file.
        every : steps from one record to the next; default: TWINS_TRACE_EVERY, or 1.
        values_at : steps whose full values are kept; default: TWINS_TRACE_VALUES_AT, such as
            "0,100", or none.
        first_step : where a run goes on; what a file that is there holds of earlier steps is kept.
        last_step : where it ends, if that is known. The full values of the last step are kept, too.
            Where it is not known, each record's arrays are held until the next, which has
            TensorFlow 2 copy a variable before it updates it.
        """
        self.path = path or os.environ.get("TWINS_TRACE_FILE", "")
        self._every = every or next(iter(_steps("TWINS_TRACE_EVERY", least=1)), 1)
        if values_at is None:
            values_at = _steps("TWINS_TRACE_VALUES_AT", least=0)
        self._values_at = frozenset([*values_at, last_step])
        self._rows = {}  # step: (loss or None, {name: (digest, norm, size)})
        self._forms = {}  # name: dtype and shape, such as "float32 [784, 10]"
        self._values = {}  # (step, name): array
        self._knows_last_step = last_step is not None
        self._last = None  # where it is not known: the newest record's (step, {name: array})
        self._is_saved = True
        if self.path:
            if first_step and os.path.exists(self.path):
                self._keep(load(self.path), first_step)
            atexit.register(self.save)

    def _keep(self, before: Recording, first_step: int) -> None:
        for step in before.steps:
            if step <= first_step:
                self._rows[step] = (before.losses.get(step), before.rows[step])
        self._forms = dict(before.forms)
        self._values = {key: value for key, value in before.values.items() if key[0] < first_step}

    def wants(self, step: int) -> bool:
        """Says whether a record of `step` is asked for."""
        return bool(self.path) and (step % self._every == 0 or self.wants_values(step))

    def wants_values(self, step: int) -> bool:
        """Says whether the full values at `step` are asked for."""
        return bool(self.path) and step in self._values_at

    def end(self, step: int) -> None:
        """Makes `step` the last, sooner than was known, so that its full values are kept."""
        self._values_at |= {step}

    def record(
        self,
        step: int,
        loss: float | None,
        variables: Mapping[str, object],
        gradients: Mapping[str, object] | None = None,
    ) -> None:
        """Takes down one step, if it is one that is asked for.

        Parameters
        ----------
        step : int, how many updates there were.
        loss : scalar, what the last of them was made from; None before the first.
        variables : names to arrays, or to what NumPy can make arrays of (TensorFlow 2's variables;
            in TensorFlow 1 what `session.run` returns). An end ":0" of a name is left out.
        gradients : likewise, by the names of their variables.
        """
        if not self.wants(step):
            return
        tensors = {_name(name): value for name, value in variables.items()}
        for name, value in (gradients or {}).items():
            tensors["gradients/" + _name(name)] = value
        row, arrays = {}, {}
        for name, value in tensors.items():
            array = np.asarray(value, order="C")
            row[name] = (digest(array), norm(array), array.size)
            self._forms[name] = f"{array.dtype} {list(array.shape)}"
            arrays[name] = array
        self._last = None
        if self.wants_values(step):
            self._values.update(((int(step), name), _storable(a)) for name, a in arrays.items())
        elif not self._knows_last_step:
            self._last = int(step), arrays
        if loss is None and step in self._rows:  # where a run goes on, its loss was known before
            loss = self._rows[step][0]
        self._rows[int(step)] = (None if loss is None else float(loss), row)
        self._is_saved = False

    def save(self) -> None:
        """Writes the file, whole or not at all; does nothing if it is written already."""
        if self._is_saved:
            return
        self._is_saved = True
        step, arrays = self._last or (None, {})
        for name, array in arrays.items():
            if digest(array) == self._rows[step][1][name][0]:  # not overwritten since
                self._values[step, name] = _storable(array)
        with files.writing(self.path), files.replacing(self.path) as file:
            np.savez(file, **self._arrays())

    def _arrays(self) -> dict[str, np.ndarray]:
        """Returns what the file holds: one row a step, one column a tensor."""
        numbers = sorted(self._rows)
        sizes = {name: cell[2] for _, row in self._rows.values() for name, cell in row.items()}
        names = sorted(sizes)
        cells = [[self._rows[step][1].get(name) for name in names] for step in numbers]
        shape = (len(numbers), len(names))
        losses = [self._rows[step][0] for step in numbers]
        arrays = {
            "format": np.array(FORMAT),
            "steps": np.array(numbers, np.int64),
            "losses": np.array([0.0 if loss is None else loss for loss in losses], np.float64),
            "has_loss": np.array([loss is not None for loss in losses], bool),
            "names": np.array(names, str),
            "sizes": np.array([sizes[name] for name in names], np.int64),
            "forms": np.array([self._forms[name] for name in names], str),
            "recorded": np.array([[cell is not None for cell in row] for row in cells], bool),
            "digests": np.array([[cell[0] if cell else 0 for cell in row] for row in cells], "u8"),
            "norms": np.array([[cell[1] if cell else 0 for cell in row] for row in cells], "f8"),
        }
        for name in ("recorded", "digests", "norms"):
            arrays[name] = arrays[name].reshape(shape)
        # By number: np.load makes one of the names x and x.npy.
        for number, ((step, name), value) in enumerate(self._values.items()):
            arrays[f"value_{number}"] = value
        arrays["value_steps"] = np.array([step for step, _ in self._values], np.int64)
        arrays["value_names"] = np.array([name for _, name in self._values], str)
        return arrays

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.save()


class Recording:
    """What a trace's file holds.

    Attributes
    ----------
    steps : list of int, ascending.
    losses : {step: float}, of the steps that have one.
    rows : {step: {name: (digest, norm, size)}}
    forms : {name: dtype and shape}, such as "float32 [784, 10]".
    values : {(step, name): array}, of the steps whose values were asked for.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self.steps = arrays["steps"].tolist()
        names, sizes = arrays["names"].tolist(), arrays["sizes"].tolist()
        self.forms = dict(zip(names, arrays["forms"].tolist()))
        losses = zip(self.steps, arrays["has_loss"].tolist(), arrays["losses"].tolist())
        self.losses = {step: loss for step, has_loss, loss in losses if has_loss}
        self.rows = {}
        columns = zip(
            self.steps,
            arrays["recorded"].tolist(),
            arrays["digests"].tolist(),
            arrays["norms"].tolist(),
        )
        for step, *row in columns:
            self.rows[step] = {
                name: (digest, norm, size)
                for name, size, is_recorded, digest, norm in zip(names, sizes, *row)
                if is_recorded
            }
        places = zip(arrays["value_steps"].tolist(), arrays["value_names"].tolist())
        self.values = {place: arrays[f"value_{number}"] for number, place in enumerate(places)}


def load(path: str) -> Recording:
    """Reads a trace's file.

    Raises
    ------
    UserError : it is not there, or not a trace.
    """
    try:
        with np.load(path) as arrays:
            if int(arrays["format"]) != FORMAT:
                raise UserError(
                    f"{path}: a trace of format {int(arrays['format'])}, expected {FORMAT}; record "
                    "it again"
                )
            return Recording({key: arrays[key] for key in arrays.files})
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 (a damaged archive raises a dozen kinds)
        reason = getattr(error, "strerror", None) or "not a trace, or a damaged one"
        raise UserError(f"{path}: {reason}; expected the .npz that shared.trace.Trace writes")


def _storable(array: np.ndarray) -> np.ndarray:
    """Returns a copy that NumPy can store and that has an order.

    Of bfloat16, which NumPy does not know, it is float32, which holds each of its values; of
    complex numbers it is their two parts, in a last axis more.
    """
    if array.dtype.kind == "V":
        return array.astype(np.float32)
    if array.dtype.kind == "c":
        return np.stack([array.real, array.imag], axis=-1)
    return array.copy()


def digest(array: np.ndarray) -> int:
    """Returns 64 bits that follow from every byte of an array and its place: XXH3, which is fast.

    It tells arrays apart that differ by accident, not by malice.
    """
    return xxhash.xxh3_64_intdigest(np.asarray(array, order="C").reshape(-1).view(np.uint8))


def norm(array: np.ndarray) -> float:
    """Returns the Euclidean norm of an array's elements."""
    flat = np.abs(array.reshape(-1)) if array.dtype.kind == "c" else array.reshape(-1)
    if flat.dtype not in (np.float32, np.float64):
        flat = flat.astype(np.float64)
    # In slices, whose sums are added as float64: one sum of millions of float32 squares rounds.
    slices = (flat[start : start + 16384] for start in range(0, flat.size, 16384))
    with np.errstate(all="ignore"):  # what is not finite may be just what is looked for
        return float(np.sqrt(sum(map(_square, slices))))


def _square(part: np.ndarray) -> float:
    square = float(np.dot(part, part))
    if 1e-30 < square < np.inf:
        return square
    part = part.astype(np.float64)  # squares that float32 has no room for
    return float(np.dot(part, part))


def _steps(variable: str, least: int) -> list[int]:
    """Returns the numbers that a variable of the environment lists, such as "0,100"."""
    text = os.environ.get(variable, "")
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) >= least for part in parts):
        raise UserError(f"{variable}={text}: expected steps such as 1,100, none below {least}")
    return [int(part) for part in parts]


def _name(name: str) -> str:
    return name[:-2] if name.endswith(":0") else name
