"""Layers for sequences, such as the words of a text (TensorFlow 1 style)."""

import tensorflow.compat.v1 as tf

from tf1_style.training.layers import bias_variable, glorot_uniform, summed_in_float32


class Embedding:
    """Maps word numbers to vectors that are learned: Keras's `Embedding`.

    Its gradient is sparse (`IndexedSlices`): it has one row per word of the batch, not one per word
    of the vocabulary.
    """

    def __init__(self, words, units, seed, name="E"):
        # As in Keras, which draws from -0.05 to 0.05.
        initial = tf.random.stateless_uniform([words, units], seed, -0.05, 0.05)
        self.E = tf.Variable(initial, name=name)

    def __call__(self, indices):
        return tf.nn.embedding_lookup(self.E, indices)  # [n, length] to [n, length, units]


class LSTM:
    """Reads a sequence and returns its last state (Hochreiter and Schmidhuber, 1997).

    One matrix holds the weights of all four gates, in the order of TensorFlow 1's `LSTMCell`: input
    gate i, new values j, forget gate f, output gate o. Keras orders them i, f, j, o, calls j "c",
    and starts the bias of f at 1. Here the bias of f starts at 0, and `FORGET_BIAS` is added.

    A step uses each tensor of the step before at most twice, so every gradient is a sum of at most
    two terms, and the two styles add the same numbers.
    """

    FORGET_BIAS = 1.0

    def __init__(self, inputs, units, seed):
        self.units = units
        self.kernel = tf.Variable(glorot_uniform([inputs + units, 4 * units], seed), name="kernel")
        self.bias = bias_variable([4 * units], name="bias", value=0.0)

    def __call__(self, x):
        """Maps x [n, length, inputs] to the last output h [n, units]."""
        length = tf.shape(x)[1]
        steps = tf.TensorArray(tf.float32, length).unstack(tf.transpose(x, [1, 0, 2]))
        zeros = tf.zeros([tf.shape(x)[0], self.units])
        kernel, bias = tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias)

        def step(t, c, h):
            gates = tf.matmul(tf.concat([steps.read(t), h], 1), summed_in_float32(kernel)) + bias
            i, j, f, o = tf.split(gates, 4, axis=1)  # [n, units] each
            c = tf.sigmoid(f + self.FORGET_BIAS) * c + tf.sigmoid(i) * tf.tanh(j)
            return t + 1, c, tf.sigmoid(o) * tf.tanh(c)

        _, _, h = tf.while_loop(lambda t, c, h: t < length, step, [0, zeros, zeros])
        h.set_shape([None, self.units])
        return h


def conv1d(x, W, stride=1):
    """Convolves x [n, length, c] with W [width, c, d]: Keras's `Conv1D` without bias.

    There is no padding: [n, (length - width + stride) // stride, d].
    """
    return tf.nn.conv1d(x, W, stride=stride, padding="VALID")


def max_pool_1d(x, size):
    """Takes the maximum of each `size` steps of x [n, length, c]: Keras's `MaxPooling1D`."""
    # TensorFlow pools images, so the sequence becomes an image of height 1.
    image = tf.expand_dims(x, 1)
    pooled = tf.nn.max_pool(image, [1, 1, size, 1], [1, 1, size, 1], padding="VALID")
    return tf.squeeze(pooled, 1)  # [n, length // size, c]


def global_average_pool(x):
    """Averages over all axes but the first and the last: Keras's `GlobalAveragePooling1D`, `2D`."""
    return tf.reduce_mean(x, list(range(1, len(x.shape) - 1)))
