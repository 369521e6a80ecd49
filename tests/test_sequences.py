"""The layers for sequences against Keras's, and against TensorFlow 1.15.5's LSTMCell."""

import subprocess

import numpy as np
import pytest
from conftest import bits

from shared.console import quiet_import

with quiet_import(needs_keras=True):
    import keras
    import tensorflow as tf

    import tf1_style.training.sequences
    import tf2_style.training.sequences

v1 = tf.compat.v1
RANDOM = np.random.RandomState(4)


def normal(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def in_both_styles(compute, *arrays):
    """Returns what `compute(sequences, *tensors)` gives in a session and in a function.

    Both give the same bits.
    """
    with tf.Graph().as_default(), v1.Session() as session:
        placeholders = [v1.placeholder(array.dtype, array.shape) for array in arrays]
        tensor = compute(tf1_style.training.sequences, *placeholders)
        session.run(v1.global_variables_initializer())
        tf1 = session.run(tensor, dict(zip(placeholders, arrays)))
    tf2 = tf.function(lambda *tensors: compute(tf2_style.training.sequences, *tensors))(
        *map(tf.constant, arrays)
    )
    assert bits(tf1) == bits(tf2.numpy())
    return tf1


@pytest.mark.parametrize("stride", [1, 3])
def test_conv1d_is_that_of_keras(stride):
    x, W = normal(2, 23, 3), normal(5, 3, 4)
    layer = keras.layers.Conv1D(4, 5, stride, use_bias=False)
    layer.build(x.shape)
    layer.set_weights([W])
    ours = in_both_styles(lambda sequences, *tensors: sequences.conv1d(*tensors, stride), x, W)
    np.testing.assert_allclose(ours, layer(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [20, 23])
def test_max_pool_1d_is_that_of_keras(length):
    x = normal(2, length, 3)
    ours = in_both_styles(lambda sequences, x: sequences.max_pool_1d(x, 5), x)
    assert bits(ours) == bits(keras.layers.MaxPooling1D(5)(x).numpy())


def test_embedding_is_that_of_keras():
    indices = RANDOM.randint(0, 7, [3, 5])
    layer = keras.layers.Embedding(7, 4)
    layer.build(indices.shape)
    embedding = tf2_style.training.sequences.Embedding(7, 4, [1, 2])
    layer.set_weights([embedding.E.numpy()])
    assert bits(embedding(indices).numpy()) == bits(layer(indices).numpy())


def test_lstm_is_that_of_keras():
    """Keras has two matrices and the order of the gates i, f, c, o; ours is i, j, f, o."""
    x = normal(3, 6, 5)
    lstm = tf2_style.training.sequences.LSTM(5, 4, [1, 2])
    lstm.kernel.assign(normal(9, 16))
    lstm.bias.assign(normal(16))

    def reordered(array):
        i, j, f, o = np.split(array, 4, axis=-1)
        return np.concatenate([i, f + (array.ndim == 1), j, o], -1)  # the forget bias is added here

    layer = keras.layers.LSTM(4)
    layer.build(x.shape)
    kernel = reordered(lstm.kernel.numpy())
    layer.set_weights([kernel[:5], kernel[5:], reordered(lstm.bias.numpy())])
    np.testing.assert_allclose(lstm(x), layer(x), rtol=1e-5, atol=1e-6)


LSTM_115 = """
import sys
import numpy as np
import tensorflow.compat.v1 as tf
tf.disable_v2_behavior()
data = np.load(sys.argv[1])
cell = tf.nn.rnn_cell.LSTMCell(4)
_, state = tf.nn.dynamic_rnn(cell, tf.constant(data["x"]), dtype=tf.float32)
with tf.Session() as session:
    kernel, bias = cell.weights
    session.run([kernel.assign(data["kernel"]), bias.assign(data["bias"])])
    np.save(sys.argv[2], session.run(state.h))
"""


@pytest.mark.legacy
def test_lstm_is_the_cell_of_tensorflow_1(tmp_path, tf115_python):
    """The same order of the gates and the same forget bias, so its weights fit as they are."""
    x = normal(3, 6, 5)
    lstm = tf2_style.training.sequences.LSTM(5, 4, [1, 2])
    lstm.kernel.assign(normal(9, 16))
    lstm.bias.assign(normal(16))
    weights = {"kernel": lstm.kernel.numpy(), "bias": lstm.bias.numpy()}
    np.savez(tmp_path / "in.npz", x=x, **weights)
    files = [tmp_path / "in.npz", tmp_path / "out.npy"]
    subprocess.run([tf115_python, "-c", LSTM_115, *map(str, files)], check=True)
    np.testing.assert_allclose(lstm(x), np.load(files[1]), rtol=1e-5, atol=1e-6)
