"""The examples of each step: a pure function of seed and step."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import batches

SIZES = st.integers(1, 40)


@given(
    size=SIZES,
    batch_size=st.integers(1, 100),
    first=st.integers(0, 200),
    steps=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
    order=st.sampled_from(["shuffled", "file"]),
)
def test_every_example_once_an_epoch(size, batch_size, first, steps, seed, order):
    """An epoch holds each example once, from any first step, with any size and batch size."""
    stream = np.concatenate(
        [batches.indices(first + k, batch_size, size, seed, order) for k in range(steps)]
    )
    assert len(stream) == steps * batch_size
    begin = first * batch_size
    for epoch in range(begin // size, (begin + len(stream)) // size + 1):
        start, end = epoch * size - begin, (epoch + 1) * size - begin
        part = stream[max(start, 0) : end] if end > 0 else []
        assert len(set(part)) == len(part)
        if start >= 0 and end <= len(stream):
            assert sorted(part) == list(range(size))


@given(size=SIZES, batch_size=st.integers(1, 60), step=st.integers(0, 500))
def test_pure_function_of_seed_and_step(size, batch_size, step):
    once = batches.indices(step, batch_size, size, seed=3)
    for other in range(5):  # calls in between change nothing
        batches.indices(other, batch_size, size, seed=other)
    assert np.array_equal(once, batches.indices(step, batch_size, size, seed=3))


def test_the_batch_size_does_not_change_the_order():
    one = np.concatenate([batches.indices(k, 7, 50, seed=1) for k in range(30)])
    other = np.concatenate([batches.indices(k, 30, 50, seed=1) for k in range(7)])
    assert np.array_equal(one, other)


FLAGS = {"seed": 3, "batch_order": "shuffled", "eval_every": 0, "save_every": 0}


@given(
    size=SIZES,
    batch_size=st.integers(1, 12),
    last_batch=st.sampled_from(["filled", "short"]),
    steps_per_call=st.integers(2, 20),
    eval_every=st.integers(0, 9),
    save_every=st.integers(0, 9),
    due_steps=st.sets(st.integers(0, 60)),
    max_steps=st.integers(1, 60),
)
def test_calls_cover_all_steps_and_end_where_something_is_due(size, due_steps, max_steps, **given):
    flags = SimpleNamespace(**{**FLAGS, **given, "max_steps": max_steps})
    every = [flags.eval_every, flags.save_every]
    calls = batches.Calls(flags, size, due_steps.__contains__)
    step = 0
    while step < max_steps:
        with calls.indices(step) as indices:
            pass
        assert 1 <= len(indices) <= flags.steps_per_call
        for number, row in enumerate(indices, start=step):
            assert np.array_equal(row, batches.indices_of_step(number, flags, size))
        for number in range(step + 1, step + len(indices)):
            assert number not in due_steps and not any(n and number % n == 0 for n in every)
        limits = (flags.batch_size, size, flags.last_batch)
        epochs = {batches.epochs_of(step + k, *limits) for k in range(len(indices))}
        assert len(epochs) == 1  # the learning rate must not change within a call
        step += len(indices)
    assert step == max_steps


def test_calls_last_about_a_second(monkeypatch):
    seconds = 0.0
    clock = SimpleNamespace(perf_counter=lambda: seconds)
    monkeypatch.setattr(batches, "time", clock)
    flags = SimpleNamespace(
        **FLAGS, batch_size=1, last_batch="filled", steps_per_call=50, max_steps=1000
    )
    calls = batches.Calls(flags, 10000)
    counts = []
    for seconds_per_step in (0.3, 0.3, 0.3, 0.01, 0.01, 0.01, 5, 5):
        with calls.indices(0) as indices:
            seconds += seconds_per_step * len(indices)
        counts.append(len(indices))
    assert counts == [1, 3, 3, 3, 50, 50, 50, 1]


def test_orders_differ_by_seed_and_epoch():
    def epoch(number, seed):
        return tuple(batches.indices(number, 100, 100, seed))

    assert len({epoch(number, seed) for number in range(5) for seed in range(5)}) == 25


def test_file_order():
    assert list(batches.indices(1, 4, 6, seed=0, order="file")) == [4, 5, 0, 1]


@pytest.mark.parametrize(
    ("step", "expected"), [(0, [0, 1, 5, 7]), (2, [2, 8, 9, 8]), (1234567, [5, 1, 8, 6])]
)
def test_same_order_in_every_numpy(step, expected):
    """The expected numbers come from NumPy 1.18.5, which TensorFlow 1.15.5 uses."""
    assert list(batches.indices(step, 4, 10, seed=7)) == expected
