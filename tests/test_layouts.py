"""Layouts of recurrent weights, against the equations of both libraries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compare.parity import layouts

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4))


def arrays(seed, *shapes):
    random = np.random.RandomState(seed)
    return [random.normal(size=shape).astype(np.float32) for shape in shapes]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@given(SIZES, st.sampled_from([0.0, 1.0, 0.25]))
def test_lstm_split_computes_what_the_cell_computes(sizes, forget_bias):
    """One step of BasicLSTMCell, and of Keras's LSTM with the weights that were split."""
    n, u = sizes
    fused, bias, x, h, c = arrays(n, (n + u, 4 * u), (4 * u,), (2, n), (2, u), (2, u))
    i, j, f, o = np.split(np.concatenate([x, h], 1) @ fused + bias, 4, 1)
    expected = c * sigmoid(f + forget_bias) + sigmoid(i) * np.tanh(j), o
    kernel, recurrent, new_bias = layouts.split_lstm(fused, bias, forget_bias)
    i, f, j, o = np.split(x @ kernel + h @ recurrent + new_bias, 4, 1)
    for got, wanted in zip((sigmoid(f) * c + sigmoid(i) * np.tanh(j), o), expected):
        np.testing.assert_allclose(got, wanted, atol=1e-5)
    back = layouts.fuse_lstm(kernel, recurrent, new_bias, forget_bias)
    np.testing.assert_array_equal(back[0], fused)
    np.testing.assert_allclose(back[1], bias, atol=1e-6)


@given(SIZES)
def test_gru_split_computes_what_the_cell_computes(sizes):
    n, u = sizes
    shapes = (n + u, 2 * u), (2 * u,), (n + u, u), (u,)
    *cell, x, h = arrays(n, *shapes, (2, n), (2, u))
    r, z = np.split(sigmoid(np.concatenate([x, h], 1) @ cell[0] + cell[1]), 2, 1)
    candidate = np.tanh(np.concatenate([x, r * h], 1) @ cell[2] + cell[3])
    expected = z * h + (1 - z) * candidate
    kernel, recurrent, bias = layouts.split_gru(*cell)
    xz, xr, xh = np.split(x @ kernel + bias, 3, 1)
    uz, ur, uh = np.split(recurrent, 3, 1)
    z, r = sigmoid(xz + h @ uz), sigmoid(xr + h @ ur)
    got = z * h + (1 - z) * np.tanh(xh + (r * h) @ uh)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    for part, wanted in zip(layouts.fuse_gru(kernel, recurrent, bias), cell):
        np.testing.assert_array_equal(part, wanted)


@pytest.mark.parametrize(
    ("convert", "shapes"),
    [
        (layouts.split_lstm, [(8, 20), (5,)]),
        (layouts.split_lstm, [(5, 20), (20,)]),  # no row for an input
        (layouts.split_lstm, [(8, 20), (19,)]),
        (layouts.fuse_lstm, [(3, 20), (4, 20), (20,)]),
        (layouts.split_gru, [(8, 10), (10,), (7, 5), (5,)]),
        (layouts.fuse_gru, [(3, 15), (5, 15), (2, 15)]),  # reset_after=True
    ],
)
def test_other_shapes_are_refused(convert, shapes):
    with pytest.raises(ValueError, match="not those of"):
        convert(*arrays(0, *shapes))
