"""Records a program's steps, so that they can be compared with another program's.

Add two lines to a program of either style; `python -m compare parity` does the rest:

    trace = Trace()  # before the loop
    trace.record(step, loss, {"W": W, "b": b})  # in the loop, after the update

The record of step N holds the variables after N updates, and the loss from which update N was
computed. The record of step 0 holds only the initial variables. A difference there comes from the
initial values, not from the first update.
"""

from __future__ import annotations

import atexit
import os
import re
import sys
from typing import Iterable, Mapping

import numpy as np
import xxhash

from shared import files, machine, npz, outputs
from shared.console import UserError

FORMAT = 1


class Trace:
    """Records steps and writes them to a file; without a path it does nothing.

    `save` writes the file. It also runs at the end of a `with` block and when the program ends. The
    file is an .npz that needs no pickle; `load` reads it.
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
        path : the file to write. Default: the environment's TWINS_TRACE_FILE; if it is not set,
            nothing is recorded. An older trace is replaced. A missing folder is created.
        every : record every N steps. Default: TWINS_TRACE_EVERY, or 1.
        values_at : steps that are recorded with full values. Default: TWINS_TRACE_VALUES_AT, such
            as "0,100", or none.
        first_step : the step at which a run is resumed. The older file's records up to it are kept.
        last_step : the last step, if it is known; it is recorded with full values as well. If it is
            not known, the arrays of each record stay in memory until the next record. Meanwhile
            TensorFlow 2 must copy each variable before it updates it.

        Raises
        ------
        UserError : a file that is not a trace is at `path`, or a TWINS_ variable has a wrong value.
            If the program does not catch it, the program ends with one line on stderr, exit 2.
        """
        option = "" if path else "TWINS_TRACE_FILE"
        self.path = os.fsdecode(path or os.environ.get("TWINS_TRACE_FILE", ""))
        self._every = every or next(iter(_steps("TWINS_TRACE_EVERY", least=1)), 1)
        if values_at is None:
            values_at = _steps("TWINS_TRACE_VALUES_AT", least=0)
        self._values_at = frozenset([*values_at, last_step])
        self._rows = {}  # step: (loss or None, {name: (digest, norm, size)})
        self._forms = {}  # name: dtype and shape, such as "float32 [784, 10]"
        self._values = {}  # (step, name): array
        self._last_step = last_step
        self._has_room = False  # whether the full values are known to fit into memory
        self._newest = None  # if the last step is not known: the newest (step, {name: array})
        self._is_saved = True
        if self.path:
            outputs.check(self.path, "trace", option)
            self.path = os.path.abspath(self.path)  # a program may change its folder
            if first_step and os.path.exists(self.path):
                self._keep_until(first_step, load(self.path))
            atexit.register(self._save_at_exit)

    def _keep_until(self, first_step: int, recording: Recording) -> None:
        """Copies the records of an older file up to a step."""
        for step in recording.steps:
            if step <= first_step:
                self._rows[step] = (recording.losses.get(step), recording.rows[step])
        self._forms = dict(recording.forms)
        self._values = {
            key: value for key, value in recording.values.items() if key[0] < first_step
        }

    def is_due(self, step: int) -> bool:
        """Says whether `record` records `step`."""
        return bool(self.path) and (step % self._every == 0 or self.values_are_due(step))

    def values_are_due(self, step: int) -> bool:
        """Says whether `record` records `step` with full values."""
        return bool(self.path) and step in self._values_at

    def end(self, step: int) -> None:
        """Makes `step` the last one, earlier than planned; `record` then stores its full values."""
        self._values_at |= {step}

    def record(
        self,
        step: int,
        loss: float | None,
        variables: Mapping[str, object],
        gradients: Mapping[str, object] | None = None,
    ) -> None:
        """Records one step, if it is due.

        Parameters
        ----------
        step : int, the number of updates so far.
        loss : scalar, from which the last update was computed; None before the first.
        variables : names to arrays, or to anything that NumPy can convert (TensorFlow 2's
            variables; in TensorFlow 1 the results of `session.run`). A final ":0" of a name is
            dropped.
        gradients : like `variables`: the gradients by the names of their variables.

        Raises
        ------
        UserError : the requested full values need more memory than is available.
        """
        if not self.is_due(step):
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
        self._newest = None
        if self.values_are_due(step):
            self._check_memory(step, arrays)
            self._values.update(((int(step), name), _storable(a)) for name, a in arrays.items())
        elif self._last_step is None:
            self._newest = int(step), arrays
        if loss is None and step in self._rows:  # a resumed run: the older file has the loss
            loss = self._rows[step][0]
        self._rows[int(step)] = (None if loss is None else float(loss), row)
        self._is_saved = False

    def _check_memory(self, step: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Checks, at the first full values, that those of all steps fit into memory."""
        if self._has_room:
            return
        self._has_room = True
        steps = [at for at in self._values_at - {None} if at >= step]
        if self._last_step is not None:
            steps = [at for at in steps if at <= self._last_step]
        machine.check_memory(
            len(steps) * sum(array.nbytes for array in arrays.values()),
            f"--trace_values_at or TWINS_TRACE_VALUES_AT: the full values of {len(steps)} steps",
            "name fewer steps",
        )

    def save(self) -> None:
        """Writes the file, whole or not at all, unless it is up to date.

        Raises
        ------
        UserError : it cannot be written.
        """
        if self._is_saved:
            return
        self._is_saved = True
        step, arrays = self._newest or (None, {})
        for name, array in arrays.items():
            if digest(array) == self._rows[step][1][name][0]:  # unchanged since then
                self._values[step, name] = _storable(array)
        with files.writing(self.path):
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            with files.replacing(self.path) as file:
                np.savez(file, **self._arrays())

    def _save_at_exit(self) -> None:
        try:
            self.save()
        except UserError as error:
            _print_in_one_line(error)
            sys.stdout.flush()
            os._exit(2)  # Python ignores every other exit code at this point

    def _arrays(self) -> dict[str, np.ndarray]:
        """Returns the file's arrays: one row for each step, one column for each tensor."""
        numbers = sorted(self._rows)
        sizes = {name: cell[2] for _, row in self._rows.values() for name, cell in row.items()}
        names = list(sizes)  # in the order of the variables' creation, if the program knows it
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
        # Numbered, because np.load does not distinguish the names x and x.npy.
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
    """The content of a trace's file.

    Attributes
    ----------
    steps : list of int, ascending.
    losses : {step: float}, of the steps that have one.
    rows : {step: {name: (digest, norm, size)}}
    forms : {name: dtype and shape}, such as "float32 [784, 10]".
    values : {(step, name): array}, of the steps that were recorded with full values.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        """Takes the arrays of the file.

        Raises
        ------
        ValueError : their types, shapes or contents are not those that `Trace.save` writes.
        """
        _check_layout(arrays)
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
        places = list(zip(arrays["value_steps"].tolist(), arrays["value_names"].tolist()))
        self.values = {place: arrays[f"value_{number}"] for number, place in enumerate(places)}
        _check_steps(self.steps)
        _check_names(names, sizes, self.forms)
        if len(self.values) != len(places):
            raise ValueError("two values of one tensor at one step")
        for (step, name), value in self.values.items():
            self._check_value(step, name, value)

    def _check_value(self, step: int, name: str, value: np.ndarray) -> None:
        if name not in self.rows.get(step, ()):
            raise ValueError(f"a value of {name} at step {step}, which has no record of it")
        dtype, shape, size = _parse_form(self.forms[name])
        stored = dtype if dtype in _PLAIN else _STORED_AS.get(dtype, "float32")
        if value.dtype.name != stored:
            raise ValueError(f"{name} is {dtype}, its value at step {step} {value.dtype.name}")
        if dtype not in _PLAIN:  # the digest was computed from other bytes
            return
        # The shape of a tensor may change between steps; the form is that of the last step.
        if value.size == size and list(value.shape) != shape:
            raise ValueError(f"{name} is {shape}, its value at step {step} {list(value.shape)}")
        if digest(value) != self.rows[step][name][0]:
            raise ValueError(f"the value of {name} at step {step} does not fit its digest")


# The dtypes whose values a trace stores as they are; see `_storable` for the others.
_PLAIN = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)
_STORED_AS = {"complex64": "float32", "complex128": "float64"}
_FORM = re.compile(r"(\S+) \[((?:\d{1,18}(?:, (?!\])|(?=\])))*)\]")


def _check_layout(arrays: Mapping[str, np.ndarray]) -> None:
    """Checks which arrays there are, and their types and shapes."""
    steps, names, values = (
        np.size(arrays.get(name, ())) for name in ("steps", "names", "value_names")
    )
    layout = {
        "format": ("i", ()),
        "steps": ("i8", (steps,)),
        "losses": ("f8", (steps,)),
        "has_loss": ("b1", (steps,)),
        "names": ("U", (names,)),
        "sizes": ("i8", (names,)),
        "forms": ("U", (names,)),
        "recorded": ("b1", (steps, names)),
        "digests": ("u8", (steps, names)),
        "norms": ("f8", (steps, names)),
        "value_steps": ("i8", (values,)),
        "value_names": ("U", (values,)),
    }
    every = [*layout, *(f"value_{number}" for number in range(values))]
    if set(arrays) != set(every):
        odd = sorted(set(arrays) ^ set(every))
        raise ValueError(f"missing or unexpected: {', '.join(odd[:5])}")
    for name, (kind, shape) in layout.items():
        array = arrays[name]
        if not array.dtype.str[1:].startswith(kind) or array.shape != shape:
            raise ValueError(
                f"{name} is {array.dtype.name} {list(array.shape)}, expected {kind} {list(shape)}"
            )


def _check_steps(steps: list[int]) -> None:
    if any(step < 0 for step in steps[:1]) or any(a >= b for a, b in zip(steps, steps[1:])):
        raise ValueError("the steps are not in ascending order from 0 or more")


def _check_names(names: list[str], sizes: list[int], forms: Mapping[str, str]) -> None:
    if len(forms) != len(names):
        raise ValueError("two tensors of one name")
    "".join([*names, *forms.values()]).encode()  # raises an error if one cannot be printed
    for name, size in zip(names, sizes):
        if _parse_form(forms[name])[2] != size:
            raise ValueError(f"{name} has the size {size}, and the form {forms[name]}")


def _parse_form(form: str) -> tuple[str, list[int], int]:
    """Returns dtype, shape and size of a form such as "float32 [784, 10]"."""
    match = _FORM.fullmatch(form)
    if not match:
        raise ValueError(f"the form {form!r}, expected one such as 'float32 [784, 10]'")
    shape = [int(size) for size in match.group(2).split(", ") if size]
    size = 1
    for length in shape:  # as Python's integers, which do not overflow
        size *= length
    return match.group(1), shape, size


def load(path: str) -> Recording:
    """Reads a trace's file.

    Raises
    ------
    UserError : the file is missing, damaged, or not a trace.
    """
    try:
        arrays = npz.load(path)
        version = arrays["format"].tolist() if "format" in arrays else FORMAT
        if type(version) is int and version != FORMAT:
            raise UserError(
                f"{path}: a trace of format {version}, expected {FORMAT}; record it again"
            )
        return Recording(arrays)
    except OSError as error:
        reason = error.strerror
    except ValueError as error:
        cause = " ".join(str(error).split())[:200]
        reason = f"not a trace, or a damaged one ({cause})"
    raise UserError(f"{path}: {reason}; expected the .npz that shared.trace.Trace writes")


def _storable(array: np.ndarray) -> np.ndarray:
    """Returns a copy that NumPy can store and compare.

    NumPy does not have bfloat16, so it becomes float32, which holds the same values. A complex
    array becomes its real and imaginary parts, along a new last axis.
    """
    if array.dtype.kind == "V":
        return array.astype(np.float32)
    if array.dtype.kind == "c":
        return np.stack([array.real, array.imag], axis=-1)
    return array.copy()


def digest(array: np.ndarray) -> int:
    """Returns the 64-bit XXH3 hash of an array's bytes.

    It detects accidental differences. It does not protect against deliberate ones.
    """
    return xxhash.xxh3_64_intdigest(np.asarray(array, order="C").reshape(-1).view(np.uint8))


def norm(array: np.ndarray) -> float:
    """Returns the Euclidean norm of an array's elements."""
    flat = np.abs(array.reshape(-1)) if array.dtype.kind == "c" else array.reshape(-1)
    if flat.dtype not in (np.float32, np.float64):
        flat = flat.astype(np.float64)
    # Sums slices, and adds those sums as float64. A sum of more float32 squares loses precision, on
    # some processors from 10,000 on.
    slices = (flat[start : start + 4096] for start in range(0, flat.size, 4096))
    with np.errstate(all="ignore"):  # values may be infinite or NaN
        return float(np.sqrt(sum(map(_square, slices))))


def _square(part: np.ndarray) -> float:
    square = float(np.dot(part, part))
    if 1e-30 < square < np.inf:
        return square
    part = part.astype(np.float64)  # these squares are out of float32's range
    return float(np.dot(part, part))


def _steps(variable: str, least: int) -> list[int]:
    """Returns the steps that an environment variable lists, such as "0,100"."""
    text = os.environ.get(variable, "")
    parts = [part.strip() for part in text.split(",") if part.strip()]
    # Fewer than 19 digits, so that int64 holds the number.
    if not all(part.isdecimal() and len(part) < 19 and int(part) >= least for part in parts):
        shown = text if len(text) < 100 else text[:80] + "..."
        raise UserError(
            f"{variable}={shown}: expected steps such as 1,100, none below {least}, of at most 18 "
            "digits"
        )
    return [int(part) for part in parts]


def _name(name: str) -> str:
    return name[:-2] if name.endswith(":0") else name


def _print_in_one_line(error: UserError) -> None:
    print(" ".join(str(error).split()), file=sys.stderr, flush=True)


def _end_with_one_line(kind, error, traceback) -> None:
    """Ends a program on an uncaught UserError with one line on stderr, exit 2."""
    if not issubclass(kind, UserError):
        return _excepthook(kind, error, traceback)
    _print_in_one_line(error)
    raise SystemExit(error.exit_code)


_excepthook, sys.excepthook = sys.excepthook, _end_with_one_line
