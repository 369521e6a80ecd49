"""Converts the weights of recurrent layers between TensorFlow 1's cells and Keras's layers.

TensorFlow 1 multiplies the input and the state, joined, by one kernel [inputs + units, gates *
units]. Keras has a kernel [inputs, gates * units] and a recurrent kernel [units, gates * units],
and the gates in another order:

    LSTM  i, j, f, o (input, new, forget, output)   Keras: i, f, j, o (it says c for j)
    GRU   r, u (reset, update) and the candidate    Keras: z, r, h (z is u, h is the candidate)

TensorFlow 1's LSTM cells add `forget_bias` to the gate f whenever they compute it; in Keras it is
part of the bias. A slot of an optimizer has its weight's layout, without the forget bias. The
orders of the gates are those of tensorflow/python/ops/rnn_cell_impl.py (1.15: BasicLSTMCell,
LSTMCell, GRUCell) and of keras/src/layers/rnn (LSTMCell, GRUCell).
"""

import numpy as np

FORGET_BIAS = 1.0  # the default of BasicLSTMCell, LSTMCell and LSTMBlockCell


def split_lstm(
    kernel: np.ndarray, bias: np.ndarray, forget_bias: float = FORGET_BIAS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns Keras's kernel, recurrent kernel and bias of an LSTM cell of TensorFlow 1.

    Parameters
    ----------
    kernel : [inputs + units, 4 * units].
    bias : [4 * units].
    forget_bias : what the cell adds to the gate f; 0 for slots.

    Returns
    -------
    [inputs, 4 * units], [units, 4 * units] and [4 * units].

    Raises
    ------
    ValueError : the shapes are not those of an LSTM cell.
    """
    units = _units(4, bias, kernel)
    kernel, bias = _exchanged(kernel), _exchanged(bias)
    bias[units : 2 * units] += bias.dtype.type(forget_bias)
    return kernel[:-units], kernel[-units:], bias


def fuse_lstm(
    kernel: np.ndarray,
    recurrent_kernel: np.ndarray,
    bias: np.ndarray,
    forget_bias: float = FORGET_BIAS,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the kernel and bias of TensorFlow 1's cell of a Keras LSTM; undoes `split_lstm`."""
    units = _units(4, bias, kernel, recurrent_kernel)
    bias = np.array(bias)
    bias[units : 2 * units] -= bias.dtype.type(forget_bias)
    return _exchanged(np.concatenate([kernel, recurrent_kernel])), _exchanged(bias)


def split_gru(
    gates_kernel: np.ndarray,
    gates_bias: np.ndarray,
    candidate_kernel: np.ndarray,
    candidate_bias: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns kernel, recurrent kernel and bias of Keras's GRU(reset_after=False) for a GRUCell.

    With `reset_after=True`, Keras's default, the layer computes another function. No weights make
    the two equal.

    Parameters
    ----------
    gates_kernel, gates_bias : [inputs + units, 2 * units] and [2 * units].
    candidate_kernel, candidate_bias : [inputs + units, units] and [units].

    Returns
    -------
    [inputs, 3 * units], [units, 3 * units] and [3 * units].

    Raises
    ------
    ValueError : the shapes are not those of a GRU cell.
    """
    units = _units(1, candidate_bias, candidate_kernel)
    if gates_bias.shape != (2 * units,) or gates_kernel.shape != (len(candidate_kernel), 2 * units):
        raise ValueError(
            f"gates of the shapes {gates_kernel.shape} and {gates_bias.shape}, a candidate of "
            f"{candidate_kernel.shape} and {candidate_bias.shape}: not those of a GRU cell"
        )
    kernel = _gates_for_keras(gates_kernel, candidate_kernel)
    return kernel[:-units], kernel[-units:], _gates_for_keras(gates_bias, candidate_bias)


def fuse_gru(
    kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns a GRUCell's weights of a Keras GRU(reset_after=False); undoes `split_gru`.

    The order is that of the parameters of `split_gru`. A bias of the shape [2, 3 * units] is that
    of a layer with reset_after=True: ValueError.
    """
    _units(3, bias, kernel, recurrent_kernel)
    found = []
    for array in (np.concatenate([kernel, recurrent_kernel]), bias):
        update, reset, candidate = np.split(array, 3, axis=-1)
        found.append((np.concatenate([reset, update], axis=-1), np.ascontiguousarray(candidate)))
    (gates_kernel, candidate_kernel), (gates_bias, candidate_bias) = found
    return gates_kernel, gates_bias, candidate_kernel, candidate_bias


def split_rnn(kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns kernel, recurrent kernel and bias of Keras's SimpleRNN for a BasicRNNCell.

    Parameters
    ----------
    kernel, bias : [inputs + units, units] and [units].
    """
    units = _units(1, bias, kernel)
    return kernel[:-units], kernel[-units:], bias


def fuse_rnn(
    kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the kernel and bias of a BasicRNNCell; undoes `split_rnn`."""
    _units(1, bias, kernel, recurrent_kernel)
    return np.concatenate([kernel, recurrent_kernel]), bias


def _units(gates: int, bias: np.ndarray, kernel: np.ndarray, recurrent_kernel=None) -> int:
    """Returns the number of units; a fused kernel has more rows than that."""
    units, rest = divmod(bias.shape[-1] if bias.ndim else 0, gates)
    fits = units and not rest and bias.ndim == 1 and kernel.ndim == 2
    fits = fits and kernel.shape[1] == gates * units
    if recurrent_kernel is None:
        fits = fits and kernel.shape[0] > units
    else:
        fits = fits and recurrent_kernel.shape == (units, gates * units)
    if not fits:
        shapes = [array.shape for array in (kernel, recurrent_kernel, bias) if array is not None]
        raise ValueError(
            f"kernels and bias of the shapes {', '.join(map(str, shapes))}: not those of "
            f"{gates} gates"
        )
    return units


def _exchanged(array: np.ndarray) -> np.ndarray:
    """Exchanges the two middle quarters of the last axis, so i, j, f, o and i, f, j, o."""
    first, second, third, fourth = np.split(array, 4, axis=-1)
    return np.concatenate([first, third, second, fourth], axis=-1)


def _gates_for_keras(gates: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    reset, update = np.split(gates, 2, axis=-1)
    return np.concatenate([update, reset, candidate], axis=-1)
