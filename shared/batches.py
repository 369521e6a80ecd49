"""Which examples a step takes: a pure function of the seed and the step.

With no iterator there is no state to save: a run that goes on at step k takes the examples it would
have taken anyway, and so does its twin.
"""

from __future__ import annotations

import functools

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


@functools.lru_cache(maxsize=2)  # the running epoch, and its neighbour at a boundary
def _epoch(epoch: int | None, size: int, seed: int) -> np.ndarray:
    """Returns the order of one epoch; the file's where `epoch` is None."""
    if epoch is None:
        return np.arange(size)
    # RandomState, not default_rng: NumPy has frozen its stream, so that every version, TF 1.15.5's
    # included, draws the same order.
    return np.random.RandomState([seed, epoch]).permutation(size)
