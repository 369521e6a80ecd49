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
    """Whatever the size, the batch and the step that is begun with."""
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
    for other in range(5):  # what was asked for in between does not matter
        batches.indices(other, batch_size, size, seed=other)
    assert np.array_equal(once, batches.indices(step, batch_size, size, seed=3))


def test_batch_size_only_cuts_the_stream():
    one = np.concatenate([batches.indices(k, 7, 50, seed=1) for k in range(30)])
    other = np.concatenate([batches.indices(k, 30, 50, seed=1) for k in range(7)])
    assert np.array_equal(one, other)


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
    """Recorded with NumPy 1.18.5, as TF 1.15.5 has it."""
    assert list(batches.indices(step, 4, 10, seed=7)) == expected
