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

    def replaced(self, step: int, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the arrays of a step, in place of a program's own.

        An array takes the first of as many numbers that is of its kind, or whose numbers fit into
        its type exactly. It keeps its shape and type. One that nothing fits stays as it is.
        """
        left = list(self._steps.get(step, ()))
        found = []
        for array in map(np.asarray, arrays):
            fitting = [other for other in left if _fits(other, array)]
            fitting.sort(key=lambda other: other.dtype.kind != array.dtype.kind)
            if fitting:
                left = [other for other in left if other is not fitting[0]]
                array = fitting[0].reshape(array.shape).astype(array.dtype)
            found.append(array)
        return found


def _fits(other: np.ndarray, array: np.ndarray) -> bool:
    if not array.ndim or other.size != array.size or array.dtype.kind not in "biuf":
        return False
    is_float = array.dtype.kind == "f"
    if is_float == (other.dtype.kind == "f"):
        return True
    return is_float or bool(np.array_equal(other, np.round(other)))
