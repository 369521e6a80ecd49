"""Stands for `tf.contrib.cudnn_rnn`: its layers by ordinary operations, which need no GPU.

A layer has the variables of its cells, as `CudnnCompatibleLSTMCell` and `CudnnCompatibleGRUCell`
have them, and not the one opaque variable of cuDNN. `dropout` is between the layers.
"""

import tensorflow.compat.v1 as tf

from tf1_style.run.contrib import rnn

CUDNN_RNN_UNIDIRECTION, CUDNN_RNN_BIDIRECTION = "unidirectional", "bidirectional"
CUDNN_INPUT_LINEAR_MODE = "linear_input"


class CudnnCompatibleLSTMCell(rnn.LSTMBlockCell):
    def __init__(self, num_units, reuse=None):
        super().__init__(num_units, 0.0, reuse=reuse, name="cudnn_compatible_lstm_cell")


class CudnnCompatibleGRUCell(rnn.GRUCell):
    """A GRU whose reset gate is applied after the state's matrix."""

    def __init__(self, num_units, reuse=None, kernel_initializer=None):
        super().__init__(num_units, reuse=reuse, kernel_initializer=kernel_initializer)

    def build(self, shape):
        depth, units = tf.TensorShape(shape)[1].value, self._num_units
        one, zero, start = tf.ones_initializer(), tf.zeros_initializer(), self._kernel_initializer
        rows = (
            ("gates/kernel", [depth + units, 2 * units], start),
            ("gates/bias", [2 * units], one),
            ("candidate/input_projection/kernel", [depth, units], start),
            ("candidate/hidden_projection/kernel", [units, units], start),
            ("candidate/input_projection/bias", [units], zero),
            ("candidate/hidden_projection/bias", [units], zero),
        )
        self._parts = [
            self.add_weight(name, shape=shape, initializer=initializer)
            for name, shape, initializer in rows
        ]
        self.built = True

    def call(self, inputs, state):
        kernel, bias, w, u, w_bias, u_bias = self._parts
        gates = tf.sigmoid(tf.matmul(tf.concat([inputs, state], 1), kernel) + bias)
        r, z = tf.split(gates, 2, 1)
        new = tf.matmul(inputs, w) + w_bias + r * (tf.matmul(state, u) + u_bias)
        state = (1 - z) * self._activation(new) + z * state
        return state, state


class _Layers:
    """Layers of cells over a (time, batch, n) sequence."""

    def __init__(
        self,
        num_layers,
        num_units,
        input_mode=CUDNN_INPUT_LINEAR_MODE,
        direction=CUDNN_RNN_UNIDIRECTION,
        dropout=0.0,
        seed=None,
        dtype=tf.float32,
        kernel_initializer=None,
        bias_initializer=None,
        name=None,
    ):
        self.num_layers, self.num_units = num_layers, num_units
        self.input_mode, self.direction = input_mode, direction
        self.num_dirs = 2 if direction == CUDNN_RNN_BIDIRECTION else 1
        self._dropout, self._seed = dropout, seed
        self._kernel_initializer = kernel_initializer
        self._name = name
        self._scope = None

    @property
    def variables(self):
        name = self._scope.name + "/" if self._scope else None
        return tf.global_variables(name) if name else []

    @property
    def trainable_variables(self):
        return [variable for variable in self.variables if variable.trainable]

    weights, trainable_weights = variables, trainable_variables

    def state_shape(self, batch_size):
        shape = [self.num_layers * self.num_dirs, batch_size, self.num_units]
        return (shape,) * self._states

    def __call__(
        self, inputs, initial_state=None, sequence_lengths=None, time_major=True, training=True
    ):
        inputs = tf.convert_to_tensor(inputs)
        inputs = inputs if time_major else tf.transpose(inputs, [1, 0, 2])
        states = []
        start = self._kernel_initializer
        with tf.variable_scope(self._scope or self._name, self._kind, initializer=start) as scope:
            if self._scope is not None:
                scope.reuse_variables()
            for layer in range(self.num_layers):
                if layer and training and self._dropout:
                    inputs = tf.nn.dropout(inputs, 1 - self._dropout, seed=self._seed)
                outputs = []
                for way in range(self.num_dirs):
                    given = self._part(initial_state, layer * self.num_dirs + way)
                    found, state = self._run(inputs, layer, way, given, sequence_lengths)
                    outputs.append(found)
                    states.append(state)
                inputs = tf.concat(outputs, -1)
            self._scope = scope
        states = tuple(tf.stack(parts) for parts in zip(*states))
        return inputs if time_major else tf.transpose(inputs, [1, 0, 2]), states

    def _run(self, inputs, layer, way, state, lengths):
        cell = self._cell(self.num_units)
        scope = (
            f"rnn/cell_{layer}/{'bw' if way else 'fw'}" if self.num_dirs == 2 else f"cell_{layer}"
        )
        if lengths is None:
            lengths = tf.fill([tf.shape(inputs)[1]], tf.shape(inputs)[0])

        def turned(x):
            return tf.reverse_sequence(x, lengths, seq_axis=0, batch_axis=1) if way else x

        outputs, state = tf.nn.dynamic_rnn(
            cell,
            turned(inputs),
            lengths,
            state,
            dtype=inputs.dtype,
            time_major=True,
            scope=scope,
        )
        return turned(outputs), self._listed(state)

    def _part(self, state, number):
        return None if state is None else self._tuple([part[number] for part in state])

    _states, _cell, _kind = 1, None, "cudnn_rnn"
    _listed = staticmethod(lambda state: (state,))
    _tuple = staticmethod(lambda parts: parts[0])


class CudnnLSTM(_Layers):
    """Returns the outputs and (h, c)."""

    _states, _cell, _kind = 2, CudnnCompatibleLSTMCell, "cudnn_lstm"
    _listed = staticmethod(lambda state: (state.h, state.c))
    _tuple = staticmethod(lambda parts: rnn.LSTMStateTuple(parts[1], parts[0]))


class CudnnGRU(_Layers):
    _cell, _kind = CudnnCompatibleGRUCell, "cudnn_gru"


class CudnnRNNTanh(_Layers):
    _cell, _kind = rnn.BasicRNNCell, "cudnn_rnn_tanh"


class CudnnRNNRelu(_Layers):
    _cell = staticmethod(lambda units: rnn.BasicRNNCell(units, tf.nn.relu))
    _kind = "cudnn_rnn_relu"
