"""Another program's batches, which a recorded program is fed instead of its own."""

from __future__ import annotations

from typing import Sequence

import numpy as np


class FedBatches:
    """The batches of another program, by step.

    Parameters
    ----------
    arrays : {"STEP/NAME": array}, in the order in which the other program was fed them.
    """

    def __init__(self, arrays: dict[str, np.ndarray]):
        self._steps = {}
        for key, array in arrays.items():
            step, _, _ = key.partition("/")
            if step.isdecimal():
                self._steps.setdefault(int(step), []).append(array)

    def replaced(
        self, step: int, arrays: Sequence[np.ndarray], any_rows: bool = False
    ) -> list[np.ndarray]:
        """Returns the arrays of a step, in place of a program's own.

        An array takes the first of as many numbers that is of its kind, or whose numbers fit into
        its type exactly. It keeps its shape and type. One that nothing fits stays as it is.

        With `any_rows` a batch may also be of another number of examples, or have its classes
        one-hot where the other has their numbers, if all of its arrays can be replaced so.
        """
        arrays = list(map(np.asarray, arrays))
        if any_rows and not self._fit(step, arrays):
            given = self._in_rows_of(step, arrays)
            if given:
                return given
        left = list(self._steps.get(step, ()))
        found = []
        for array in arrays:
            fitting = [other for other in left if _fits(other, array)]
            fitting.sort(key=lambda other: other.dtype.kind != array.dtype.kind)
            if fitting:
                left = [other for other in left if other is not fitting[0]]
                array = fitting[0].reshape(array.shape).astype(array.dtype)
            found.append(array)
        return found

    def has_rows(self, step: int, count: int | None) -> bool:
        """Says whether an array of a step has so many examples."""
        return any(len(array) == count for array in self._steps.get(step, ()) if array.ndim)

    def _fit(self, step: int, arrays: list[np.ndarray]) -> bool:
        others = self._steps.get(step, ())
        return all(any(_fits(other, array) for other in others) for array in arrays if array.ndim)

    def _in_rows_of(self, step: int, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Returns a batch with the examples of another; [] if one of its arrays has none."""
        left, found = [other for other in self._steps.get(step, ()) if other.ndim], []
        for array in arrays:
            taken = array
            if array.ndim:
                pairs = [(other, _by_rows(other, array)) for other in left]
                fitting = [(other, made) for other, made in pairs if made is not None]
                if not fitting:
                    return []
                other, taken = fitting[0]
                left = [each for each in left if each is not other]
            found.append(taken)
        return found if len({len(array) for array in found if array.ndim}) == 1 else []


def _by_rows(other: np.ndarray, array: np.ndarray) -> np.ndarray | None:
    """Returns another array's examples in the form of an array's, or None if they do not fit."""
    if not len(other) or not len(array):
        return None
    form = array.shape[1:]
    ours, theirs = array.size // len(array), other.size // len(other)
    if ours == theirs:
        is_like = _is_like(other, array)
        return other.reshape(len(other), *form).astype(array.dtype) if is_like else None
    if ours == 1 and _is_one_hot(other):
        return other.argmax(1).reshape(-1, *form).astype(array.dtype)
    numbers = other.reshape(-1).astype(int) if theirs == 1 and _is_one_hot(array) else None
    if numbers is None or not 0 <= numbers.min() <= numbers.max() < ours:
        return None
    return np.eye(ours, dtype=array.dtype)[numbers]


def _is_one_hot(array: np.ndarray) -> bool:
    is_binary = array.ndim == 2 and np.isin(array, (0, 1)).all()
    return bool(is_binary and (array.sum(1) == 1).all())


def _fits(other: np.ndarray, array: np.ndarray) -> bool:
    return bool(array.ndim) and other.size == array.size and _is_like(other, array)


def _is_like(other: np.ndarray, array: np.ndarray) -> bool:
    """Says whether an array's type takes another's numbers."""
    if array.dtype.kind not in "biuf":
        return False
    is_float = array.dtype.kind == "f"
    if is_float == (other.dtype.kind == "f"):
        return True
    return is_float or bool(np.array_equal(other, np.round(other)))
