"""Which examples a step takes: a pure function of the seed and the step.

With no iterator there is no state to save: a run that goes on at step k takes the examples it would
have taken anyway, and so does its twin.
"""

from __future__ import annotations

import functools

import numpy as np


def indices(
    step: int, batch_size: int, size: int, seed: int, order: str = "shuffled"
) -> np.ndarray:
    """Returns the examples of one step.

    The training set is passed through once an epoch, in an order of that epoch's own; where a
    batch reaches past the end of an epoch, the rest of it is the head of the next one. So each
    example is seen exactly once an epoch, whatever the batch size.

    Parameters
    ----------
    step : int, from 0.
    batch_size : int, at least 1.
    size : int, at least 1; the number of examples.
    seed : int in [0, 2**32).
    order : "shuffled", or "file" for the order of the file in every epoch.

    Returns
    -------
    int64 array [batch_size] of numbers in [0, size).
    """
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


@functools.lru_cache(maxsize=2)  # the running epoch, and its neighbour at a boundary
def _epoch(epoch: int | None, size: int, seed: int) -> np.ndarray:
    """Returns the order of one epoch; the file's where `epoch` is None."""
    if epoch is None:
        return np.arange(size)
    # RandomState, not default_rng: NumPy has frozen its stream, so that every version, TF 1.15.5's
    # included, draws the same order.
    return np.random.RandomState([seed, epoch]).permutation(size)
