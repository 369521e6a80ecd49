"""Which examples a step takes: a pure function of the seed and the step.

With no iterator there is no state to save: a run that goes on at step k takes the examples it would
have taken anyway, and so does its twin.
"""

from __future__ import annotations

import contextlib
import functools
import time
from typing import Callable, Iterator

import numpy as np
from absl.flags import FlagValues


def indices(
    step: int,
    batch_size: int,
    size: int,
    seed: int,
    order: str = "shuffled",
    last_batch: str = "filled",
) -> np.ndarray:
    """Returns the examples of one step.

    The training set is passed through once an epoch, in an order of that epoch's own, so that each
    example is seen exactly once an epoch, whatever the batch size.

    Parameters
    ----------
    step : int, from 0.
    batch_size : int, at least 1.
    size : int, at least 1; the number of examples.
    seed : int in [0, 2**32).
    order : "shuffled", or "file" for the order of the file in every epoch.
    last_batch : where a batch reaches past the end of an epoch, it is "filled" with the head of the
        next one, as in TensorFlow's tutorials, or "short", as in Keras.

    Returns
    -------
    int64 array [batch_size], of the last in an epoch at most that, of numbers in [0, size).
    """
    if last_batch == "short":
        epoch, number = divmod(step, -(-size // batch_size))
        start = number * batch_size
        return _epoch(epoch if order == "shuffled" else None, size, seed)[start:][:batch_size]
    position = step * batch_size
    end = position + batch_size
    parts = []
    while position < end:
        epoch, start = divmod(position, size)
        part = _epoch(epoch if order == "shuffled" else None, size, seed)
        part = part[start : start + end - position]
        parts.append(part)
        position += len(part)
    return np.concatenate(parts)


def of_step(step: int, values: FlagValues, size: int) -> np.ndarray:
    """Returns the examples of one step, of `size` in all, as the flags ask for them."""
    order, last_batch = values.batch_order, values.last_batch
    return indices(step, values.batch_size, size, values.seed, order, last_batch)


def steps_of(epochs: int, batch_size: int, size: int, last_batch: str) -> int:
    """Returns after how many steps so many epochs are over; arguments as of `indices`."""
    if last_batch == "short":
        return epochs * -(-size // batch_size)
    return -(-epochs * size // batch_size)


def epochs_of(steps: int, batch_size: int, size: int, last_batch: str) -> int:
    """Returns how many epochs are over after so many steps; arguments as of `indices`."""
    if last_batch == "short":
        return steps // -(-size // batch_size)
    return steps * batch_size // size


class Calls:
    """Which steps one call of --steps_per_call does.

    As many as are asked for, unless something else is due between two of them or the call would
    last too long: a signal waits for its end.
    """

    SECONDS = 1.0  # a call is made to last at most; it may take twice that on a busy machine

    def __init__(self, values: FlagValues, size: int, *wants: Callable[[int], bool]):
        """Takes what decides where a call ends.

        Parameters
        ----------
        values : the parsed flags.
        size : how many examples there are.
        wants : functions of a step that say whether something is due before it.
        """
        self._values = values
        self._size = size
        self._wants = wants
        self._every = [every for every in (values.eval_every, values.save_every) if every]
        self._most = 1  # until it is known how long a step takes

    @contextlib.contextmanager
    def of(self, step: int) -> Iterator[np.ndarray]:
        """Yields the examples of a call's steps, from `step` on; measures how long they take.

        Yields
        ------
        int64 array [steps, examples], of numbers in [0, size).
        """
        rows = [of_step(step, self._values, self._size)]
        while len(rows) < self._most and not self._is_due(step + len(rows)):
            rows.append(of_step(step + len(rows), self._values, self._size))
        if len(rows[-1]) < len(rows[0]):  # a short batch is a call of its own
            rows.pop()
        started = time.perf_counter()
        yield np.stack(rows)
        seconds_per_step = (time.perf_counter() - started) / len(rows)
        self._most = int(min(self._values.steps_per_call, max(1, self.SECONDS / seconds_per_step)))

    def _is_due(self, step: int) -> bool:
        values = self._values
        return (
            step == values.max_steps
            or any(step % every == 0 for every in self._every)
            or any(wants(step) for wants in self._wants)
            # The learning rate may change with the epoch.
            or epochs_of(step, values.batch_size, self._size, values.last_batch)
            > epochs_of(step - 1, values.batch_size, self._size, values.last_batch)
        )


@functools.lru_cache(maxsize=2)  # the running epoch, and its neighbour at a boundary
def _epoch(epoch: int | None, size: int, seed: int) -> np.ndarray:
    """Returns the order of one epoch; the file's where `epoch` is None."""
    if epoch is None:
        return np.arange(size)
    # RandomState, not default_rng: NumPy has frozen its stream, so that every version, TF 1.15.5's
    # included, draws the same order.
    return np.random.RandomState([seed, epoch]).permutation(size)
