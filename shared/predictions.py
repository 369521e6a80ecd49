"""Keeps what a program predicts or evaluates: what it computes from what, call by call."""

from __future__ import annotations

from typing import Callable, Hashable, Sequence

import numpy as np

from shared.trace import digest

MOST_ROWS = 10000  # more examples than these are not kept
# Operations are written for so many examples, because two programs may predict in other batches.
OPERATION_ROWS = 64
EVALUATED_ROWS = 1000  # of an evaluation, because a program may make many


class Predictions:
    """The inputs and results of a program's calls, such as `Session.run` or `Model.predict`.

    Weights that change between two calls were restored after the first, which only built the
    model. So what is known then is forgotten.

    Attributes
    ----------
    weights : {name: array} before the first call that counts.
    """

    def __init__(self):
        self.weights = {}
        self._parts = {}  # key of a call: [inputs, outputs], each a list of calls' lists of arrays
        self._after = None  # digests after the newest call

    @property
    def is_full(self) -> bool:
        rows = [sum(map(_rows, outputs)) for _, outputs in self._parts.values()]
        return max(rows, default=0) >= MOST_ROWS

    def begin(self, weights: dict[str, np.ndarray]) -> bool:
        """Begins a call; returns whether it is the first, or the first with these weights."""
        if self._parts and _digests(weights) == self._after:
            return False
        self.weights = {name: np.array(value) for name, value in weights.items()}
        self._parts = {}
        return True

    def add(self, key: Hashable, outputs: Sequence[np.ndarray], weights: Callable) -> None:
        """Adds a result that belongs to no call; `weights` is a function that returns them."""
        if not self._parts:
            self.begin(weights())
            self._after = _digests(self.weights)
        made = self._parts.setdefault(key, [[], []])
        made[1].append([np.array(array) for array in outputs])

    def end(
        self,
        key: Hashable,
        inputs: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
        weights: dict[str, np.ndarray],
    ) -> None:
        """Ends a call. `key` tells calls apart whose results do not belong together."""
        self._after = _digests(weights)
        made = self._parts.setdefault(key, [[], []])
        for kept, arrays in zip(made, (inputs, outputs)):
            kept.append([np.array(array) for array in arrays])

    def tensors(self) -> dict[str, np.ndarray]:
        """Returns the inputs and outputs of all calls, joined along the examples, by their names:
        inputs/0, ..., outputs/0, ..."""
        found = {}
        for place, prefix in enumerate(("inputs", "outputs")):
            joined = [array for parts in self._parts.values() for array in _joined(parts[place])]
            found.update((f"{prefix}/{number}", array) for number, array in enumerate(joined))
        return found


class Evaluation:
    """What a program that trains evaluates between two steps: its calls, in groups.

    A group holds the calls from one place that give the same results.

    Attributes
    ----------
    weights : {name: array} of the variables that the program has assigned since the step, such as
        averages of the weights; None before the first call.
    """

    KINDS = ("inputs", "outputs", "behind")

    def __init__(self):
        self.weights = None
        self._groups = {}  # key: {kind: a list of arrays of each call}

    def number(self, key: Hashable) -> int:
        """Returns the number of a group."""
        self._groups.setdefault(key, {kind: [] for kind in self.KINDS})
        return list(self._groups).index(key)

    def is_full(self, key: Hashable) -> bool:
        group = self._groups.get(key)
        return group is not None and sum(map(_rows, group["inputs"])) >= EVALUATED_ROWS

    def add(
        self,
        key: Hashable,
        inputs: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
        behind: Sequence[np.ndarray] = (),
    ) -> None:
        """Adds a call. Of its results those count that have a row for each example.

        Parameters
        ----------
        key : tells groups apart.
        behind : what the single numbers among the results are computed of, such as the logits
            behind an accuracy.
        """
        self.number(key)
        inputs = [array for array in map(np.array, inputs) if array.ndim]
        size = len(max(inputs, key=lambda array: array.size)) if inputs else None
        arrays = {"inputs": inputs, "outputs": outputs, "behind": behind}
        for kind, given in arrays.items():
            rows = [array for array in map(np.array, given) if array.ndim]
            rows = [array for array in rows if size in (None, len(array))]
            self._groups[key][kind].append(rows)

    def tensors(self) -> dict[str, np.ndarray]:
        """Returns the arrays of all calls, joined along the examples, by names such as 0/inputs/1:
        the group, the kind and a number; and in 0/calls how many examples each call had."""
        found = {}
        for group, calls in enumerate(self._groups.values()):
            found[f"{group}/calls"] = np.array([_rows(arrays) for arrays in calls["inputs"]])
            for kind in self.KINDS:
                for number, array in enumerate(_joined(calls[kind])):
                    found[f"{group}/{kind}/{number}"] = array[:EVALUATED_ROWS]
        return found


def _rows(arrays):
    return max((len(array) for array in arrays if array.ndim), default=1)


def _digests(weights):
    """Returns the digests of the floating-point weights; counters may count."""
    arrays = {name: np.asarray(value) for name, value in weights.items()}
    return {name: digest(array) for name, array in arrays.items() if array.dtype.kind in "fV"}


def _joined(calls):
    """Joins the arrays of calls along their first axis; single numbers become an array."""
    found = []
    for number in range(min(map(len, calls), default=0)):
        arrays = [call[number] for call in calls]
        first = arrays[0]
        if all(a.ndim and a.shape[1:] == first.shape[1:] for a in arrays):
            found.append(np.concatenate(arrays)[:MOST_ROWS])
        elif not first.ndim:
            found.append(np.stack([a for a in arrays if not a.ndim]))
        else:
            found.append(first)
    return found


class PredictedOperations:
    """Joins the operations of several calls along the examples.

    Calls of other operations than the first's are left out; of several functions the one with the
    most operations counts.
    """

    def __init__(self):
        self.described, self._values, self._rows = [], [], 0

    @property
    def is_full(self) -> bool:
        return self._rows >= OPERATION_ROWS

    def add(self, described: list[dict], values: list[np.ndarray], rows: int) -> None:
        """Adds a call's operations.

        Parameters
        ----------
        described, values : as `shared.recorder.OperationsFile.write` takes them.
        rows : the call's examples.
        """
        if _is_larger(described, self.described):
            self._values = [np.array(value) for value in values]
            self.described, self._rows = described, rows
        elif _types(described) == _types(self.described) and not self.is_full:
            pairs = zip(self._values, values, described)
            self._values = [self._join(a, np.array(b), rows, each) for a, b, each in pairs]
            self._rows += rows

    def _join(self, before, value, rows, each):
        if each["type"] in ("ReadVariableOp", "VariableV2"):
            return before
        fits = _blocks(before, self._rows) == _blocks(value, rows) > 0
        fits = fits and before.shape[1:] == value.shape[1:]
        return np.concatenate([before, value]) if fits else before

    def values(self) -> list[np.ndarray]:
        """Returns the values, of at most OPERATION_ROWS examples."""
        return [
            value[: OPERATION_ROWS * _blocks(value, self._rows)]
            if self.is_full and _blocks(value, self._rows)
            else value
            for value in self._values
        ]


def _is_larger(described, other):
    """Says whether operations are rather the model's: they read weights, or are many more. A
    function that is traced again for batches of any size has a few more."""
    reads = ["ReadVariableOp" in _types(each) for each in (described, other)]
    return reads > reads[::-1] or (reads[0] == reads[1] and len(described) > 1.5 * len(other))


def _types(described):
    return [each["type"] for each in described]


def _blocks(value, rows):
    """Returns how many rows of an array belong to one example; 0 if it is not known."""
    return len(value) // rows if value.ndim and rows and len(value) % rows == 0 else 0
