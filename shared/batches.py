"""The batch of a step: a pure function of the seed and the step.

There is no iterator, so there is no state to save. A run resumed at step k takes the same examples
as an uninterrupted run, and so does its twin.
"""

from __future__ import annotations

import contextlib
import functools
import time
from typing import Callable, Iterator

import numpy as np
from absl.flags import FlagValues

from shared.console import UserError
from shared.datasets import Examples


def indices(
    step: int,
    batch_size: int,
    size: int,
    seed: int,
    order: str = "shuffled",
    last_batch: str = "filled",
) -> np.ndarray:
    """Returns the indices of the examples of one step.

    Each epoch has its own order and contains each example exactly once, whatever the batch size.

    Parameters
    ----------
    step : int, from 0.
    batch_size : int, at least 1.
    size : int, at least 1; the number of examples.
    seed : int in [0, 2**32).
    order : "shuffled", or "file" for the order of the file in every epoch.
    last_batch : a batch that reaches past the end of an epoch is "filled" with the first examples
        of the next epoch, as in TensorFlow's tutorials, or "short", as in Keras.

    Returns
    -------
    int64 array [batch_size] of numbers in [0, size). The last batch of an epoch is shorter if
    `last_batch` is "short".
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


def of_step(step: int, flags: FlagValues, examples: Examples) -> dict[str, np.ndarray]:
    """Returns the batch of one step: a dict of arrays by name."""
    return examples.batch(indices_of_step(step, flags, len(examples)))


def part(batch: dict[str, np.ndarray], replica: int, replicas: int) -> dict[str, np.ndarray]:
    """Returns the examples of one replica: one of equal, consecutive parts of a batch.

    So the examples of a replica are a pure function of the seed, the step, its number and the
    number of replicas. Together the replicas take the examples that one machine takes.
    """
    size = len(next(iter(batch.values()))) // replicas
    return {name: array[replica * size :][:size] for name, array in batch.items()}


def check_parts(flags: FlagValues, size: int, replicas: int) -> None:
    """Raises UserError if a batch cannot be divided into equal parts.

    Parameters
    ----------
    flags : the parsed flags.
    size : the number of examples.
    replicas : the number of parts.
    """
    sizes = [flags.batch_size]
    if flags.last_batch == "short" and size % flags.batch_size:
        sizes.append(size % flags.batch_size)
    for examples in sizes:
        if examples % replicas:
            raise UserError(
                f"a batch of {examples} examples cannot be divided equally among {replicas} "
                "replicas; change --batch_size, or use --last_batch=filled"
            )


def indices_of_step(step: int, flags: FlagValues, size: int) -> np.ndarray:
    """Returns the indices of one step; the flags give the other arguments of `indices`."""
    order, last_batch = flags.batch_order, flags.last_batch
    return indices(step, flags.batch_size, size, flags.seed, order, last_batch)


def steps_of(epochs: int, batch_size: int, size: int, last_batch: str) -> int:
    """Returns how many steps complete `epochs` epochs; other arguments as for `indices`."""
    if last_batch == "short":
        return epochs * -(-size // batch_size)
    return -(-epochs * size // batch_size)


def epochs_of(steps: int, batch_size: int, size: int, last_batch: str) -> int:
    """Returns how many epochs `steps` steps complete; other arguments as for `indices`."""
    if last_batch == "short":
        return steps // -(-size // batch_size)
    return steps * batch_size // size


class Calls:
    """Decides how many steps each call runs with --steps_per_call.

    A call runs as many steps as the flag allows. It ends earlier if something is due between two
    steps, or if it would take too long, because the run handles signals only between calls.
    """

    SECONDS = 1.0  # target duration of a call; on a busy machine a call may take twice as long

    def __init__(self, flags: FlagValues, size: int, *is_due: Callable[[int], bool]):
        """Stores the flags and the functions that decide where each call ends.

        Parameters
        ----------
        flags : the parsed flags.
        size : the number of examples.
        is_due : functions that take a step and return whether something is due before it.
        """
        self._flags = flags
        self._size = size
        self._is_due = is_due
        self._every = [every for every in (flags.eval_every, flags.save_every) if every]
        self._most = 1  # until the duration of a step is known

    @contextlib.contextmanager
    def indices(self, step: int) -> Iterator[np.ndarray]:
        """Yields the examples of a call that starts at `step`, and measures how long it takes.

        Yields
        ------
        int64 array [steps, examples] of numbers in [0, size).
        """
        rows = [indices_of_step(step, self._flags, self._size)]
        while len(rows) < self._most and not self._ends_before(step + len(rows)):
            rows.append(indices_of_step(step + len(rows), self._flags, self._size))
        if len(rows[-1]) < len(rows[0]):  # a short batch needs a separate call
            rows.pop()
        started = time.perf_counter()
        yield np.stack(rows)
        seconds_per_step = (time.perf_counter() - started) / len(rows)
        self._most = int(min(self._flags.steps_per_call, max(1, self.SECONDS / seconds_per_step)))

    def _ends_before(self, step: int) -> bool:
        flags = self._flags
        return (
            step == flags.max_steps
            or any(step % every == 0 for every in self._every)
            or any(is_due(step) for is_due in self._is_due)
            # The learning rate may change with the epoch.
            or epochs_of(step, flags.batch_size, self._size, flags.last_batch)
            > epochs_of(step - 1, flags.batch_size, self._size, flags.last_batch)
        )


@functools.lru_cache(maxsize=2)  # a batch may span two epochs
def _epoch(epoch: int | None, size: int, seed: int) -> np.ndarray:
    """Returns the order of the examples in one epoch; None gives the order of the file."""
    if epoch is None:
        return np.arange(size)
    # RandomState, not default_rng: NumPy has frozen its stream. So every version of NumPy draws the
    # same order, also the one that TF 1.15.5 needs.
    return np.random.RandomState([seed, epoch]).permutation(size)
