"""The cells of `tf.contrib.rnn` that few programs use, from the papers they name.

Their variables have the names, the shapes and the order of 1.15.
"""

import math

import tensorflow.compat.v1 as tf

from tf1_style.run.contrib.rnn import LayerRNNCell, LSTMStateTuple, RNNCell, _Sized, linear


class PhasedLSTMCell(_Sized):
    """An LSTM whose gate k opens once a period; its inputs are (time, x) (arXiv:1610.09513)."""

    def __init__(
        self,
        num_units,
        use_peepholes=False,
        leak=0.001,
        ratio_on=0.1,
        trainable_ratio_on=True,
        period_init_min=1.0,
        period_init_max=1000.0,
        reuse=None,
    ):
        super().__init__(num_units, reuse=reuse, autocast=False)
        self._peepholes = use_peepholes
        self._leak = leak
        self._ratio_on = (ratio_on, trainable_ratio_on)
        self._periods = (math.log(period_init_min), math.log(period_init_max))

    def call(self, inputs, state):
        (old_c, old_h), (time, x) = state, inputs
        joined = [x, old_h]
        with tf.variable_scope("mask_gates"):
            gates = linear(joined + [old_c] * self._peepholes, 2 * self._num_units, True)
            i, f = tf.split(tf.sigmoid(gates), 2, 1)
        with tf.variable_scope("new_input"):
            c = f * old_c + i * tf.tanh(linear(joined, self._num_units, True))
        with tf.variable_scope("output_gate"):
            o = tf.sigmoid(linear(joined + [c] * self._peepholes, self._num_units, True))
        k, h = self._openness(time), tf.tanh(c) * o
        c, h = k * c + (1 - k) * old_c, k * h + (1 - k) * old_h
        return h, LSTMStateTuple(c, h)

    def _openness(self, time):
        """Returns how far the gate is open, a (batch, units) tensor."""
        size = [self._num_units]

        def exponential(shape, dtype=tf.float32, partition_info=None):
            return tf.exp(tf.random_uniform(shape, *self._periods, dtype))

        period = tf.get_variable("period", size, initializer=exponential)
        start = tf.random_uniform_initializer(0.0, period.initial_value)
        phase = tf.get_variable("phase", size, initializer=start)
        ratio, trainable = self._ratio_on
        start = tf.constant_initializer(ratio)
        ratio_on = tf.get_variable("ratio_on", size, initializer=start, trainable=trainable)
        shifted, period = time - tf.cast(phase, time.dtype), tf.cast(period, time.dtype)
        # The gradient is that of `shifted`, as that of a remainder would be.
        shifted += tf.stop_gradient(tf.mod(shifted, period) - shifted)
        cycle = tf.cast(shifted / period, tf.float32)
        up = 2 * cycle / ratio_on
        k = tf.where(cycle < ratio_on, 2 - up, self._leak * cycle)
        return tf.where(cycle < 0.5 * ratio_on, up, k)


class GLSTMCell(_Sized):
    """An LSTM in groups that do not see each other (Kuchaiev and Ginsburg, arXiv:1703.10722)."""

    def __init__(
        self,
        num_units,
        initializer=None,
        num_proj=None,
        number_of_groups=1,
        forget_bias=1.0,
        activation=tf.tanh,
        reuse=None,
    ):
        super().__init__(num_units, num_proj, reuse)
        self._initializer = initializer
        self._num_proj = num_proj
        self._groups = number_of_groups
        self._forget_bias = forget_bias
        self._activation = activation

    def call(self, inputs, state):
        c, h = state
        with tf.variable_scope(tf.get_variable_scope(), initializer=self._initializer):
            parts = zip(tf.split(inputs, self._groups, 1), tf.split(h, self._groups, 1))
            gates = []
            for number, part in enumerate(parts):
                with tf.variable_scope(f"group{number}"):
                    width = 4 * self._num_units // self._groups
                    gates.append(tf.split(linear(tf.concat(part, 1), width, False), 4, 1))
            i, j, f, o = (
                tf.concat(parts, 1) + self._bias(f"bias_{name}", inputs.dtype)
                for name, parts in zip("ijfo", zip(*gates))
            )
        c = tf.sigmoid(f + self._forget_bias) * c + tf.sigmoid(i) * tf.tanh(j)
        h = tf.sigmoid(o) * self._activation(c)
        if self._num_proj is not None:
            with tf.variable_scope("projection"):
                h = linear(h, self._num_proj, False)
        return h, LSTMStateTuple(c, h)

    def _bias(self, name, dtype):
        start = tf.zeros_initializer()
        return tf.get_variable(name, [self._num_units], dtype, initializer=start)


class IntersectionRNNCell(RNNCell):
    """A gated cell whose output passes through depth (Collins et al., arXiv:1611.09913)."""

    def __init__(
        self,
        num_units,
        num_in_proj=None,
        initializer=None,
        forget_bias=1.0,
        y_activation=tf.nn.relu,
        reuse=None,
    ):
        super().__init__(_reuse=reuse)
        self._num_units = num_units
        self._num_in_proj = num_in_proj
        self._initializer = initializer
        self._forget_bias = forget_bias
        self._activation = y_activation

    @property
    def state_size(self):
        return self._num_units

    output_size = state_size

    def call(self, inputs, state):
        with tf.variable_scope(tf.get_variable_scope(), initializer=self._initializer):
            if inputs.shape[1].value != self._num_units:
                if not self._num_in_proj:
                    raise ValueError(
                        "Must have input size == output size for Intersection RNN. To fix, "
                        "num_in_proj should be set to num_units at cell init."
                    )
                with tf.variable_scope("in_projection"):
                    inputs = linear(inputs, self._num_units, True)
            joined = linear([inputs, state], 4 * self._num_units, True)
        gate_h, h, gate_y, y = tf.split(joined, 4, 1)
        gate_h = tf.sigmoid(gate_h + self._forget_bias)
        gate_y = tf.sigmoid(gate_y + self._forget_bias)
        state = gate_h * state + (1.0 - gate_h) * tf.tanh(h)
        return gate_y * inputs + (1.0 - gate_y) * self._activation(y), state


class _Built(LayerRNNCell):
    """A cell whose state has the size of its output, and whose variables a table names."""

    def __init__(self, num_units, activation=None, reuse=None, name=None, dtype=None, **keywords):
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **keywords)
        self._num_units = num_units
        self._activation = activation or tf.tanh

    @property
    def state_size(self):
        return self._num_units

    @property
    def output_size(self):
        return self._num_units

    def build(self, shape):
        depth = tf.TensorShape(shape)[1].value
        if depth is None:
            raise ValueError(f"Expected inputs.shape[-1] to be known, saw shape: {shape}")
        recurrent = tf.random_uniform_initializer(-1, 1, dtype=self.dtype)
        starts = {"u": recurrent, "b": tf.zeros_initializer(), "1": tf.ones_initializer()}
        starts.update(self._starts)
        num_units = self._num_units
        self._parts = [
            self.add_weight(
                name,
                shape=[rows or depth, width * num_units][kind in "b1" :],
                initializer=starts.get(kind),
            )
            for name, kind, rows, width in self._VARIABLES
        ]
        self.built = True

    _starts = ()
    _VARIABLES = ()  # (name, kind, rows or 0 for those of the input, columns in units)


class SRUCell(_Built):
    """Simple recurrent unit (Lei and Zhang, arXiv:1709.02755)."""

    _VARIABLES = (("kernel", "w", 0, 4), ("bias", "b", 0, 2))

    def call(self, inputs, state):
        kernel, bias = self._parts
        new, f, r, straight = tf.split(tf.matmul(inputs, kernel), 4, 1)
        f, r = tf.split(tf.sigmoid(tf.concat([f, r], 1) + bias), 2, 1)
        state = f * state + (1.0 - f) * new
        return r * self._activation(state) + (1.0 - r) * straight, state


class IndRNNCell(_Built):
    """A cell whose units see only their own state (Li et al., arXiv:1803.04831)."""

    _VARIABLES = (("kernel_w", "w", 0, 1), ("kernel_u", "u", 1, 1), ("bias", "b", 0, 1))

    def call(self, inputs, state):
        w, u, bias = self._parts
        state = self._activation(tf.matmul(inputs, w) + state * u + bias)
        return state, state


class _Indy(_Built):
    def __init__(
        self,
        num_units,
        activation=None,
        reuse=None,
        kernel_initializer=None,
        bias_initializer=None,
        **keywords,
    ):
        super().__init__(num_units, activation, reuse, **keywords)
        self._starts = {} if kernel_initializer is None else {"w": kernel_initializer}
        if bias_initializer is not None:
            self._starts.update(b=bias_initializer, **{"1": bias_initializer})


class IndyGRUCell(_Indy):
    """A GRU whose units see only their own state."""

    _VARIABLES = (
        ("gates/kernel_w", "w", 0, 2),
        ("gates/kernel_u", "u", 1, 2),
        ("gates/bias", "1", 0, 2),
        ("candidate/kernel", "w", 0, 1),
        ("candidate/kernel_u", "u", 1, 1),
        ("candidate/bias", "b", 0, 1),
    )

    def call(self, inputs, state):
        w, u, bias, new_w, new_u, new_bias = self._parts
        gates = tf.sigmoid(tf.matmul(inputs, w) + tf.tile(state, [1, 2]) * u + bias)
        r, z = tf.split(gates, 2, 1)
        new = self._activation(tf.matmul(inputs, new_w) + r * state * new_u + new_bias)
        state = z * state + (1 - z) * new
        return state, state


class IndyLSTMCell(_Indy):
    """An LSTM whose units see only their own state (Gonnet and Deselaers, arXiv:1903.08023)."""

    _VARIABLES = (("kernel_w", "w", 0, 4), ("kernel_u", "u", 1, 4), ("bias", "b", 0, 4))

    def __init__(self, num_units, forget_bias=1.0, *arguments, **keywords):
        super().__init__(num_units, *arguments, **keywords)
        self._forget_bias = forget_bias

    @property
    def state_size(self):
        return LSTMStateTuple(self._num_units, self._num_units)

    def call(self, inputs, state):
        (c, h), (w, u, bias) = state, self._parts
        i, j, f, o = tf.split(tf.matmul(inputs, w) + tf.tile(h, [1, 4]) * u + bias, 4, 1)
        c = c * tf.sigmoid(f + self._forget_bias) + tf.sigmoid(i) * self._activation(j)
        h = self._activation(c) * tf.sigmoid(o)
        return h, LSTMStateTuple(c, h)
