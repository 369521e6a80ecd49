"""Stands for `tf.nn.rnn_cell`, `tf.contrib.rnn` and what they were called before 1.0.

TensorFlow 2.21 still ships the cells of `tf.nn.rnn_cell`, with the variable names of 1.15. The
cells of contrib are written here from the papers they name. A cell takes a (batch, n) input.
"""

import sys

import tensorflow.compat.v1 as tf
from tensorflow.python.keras.layers.legacy_rnn import rnn_cell_impl
from tensorflow.python.keras.legacy_tf_layers import base
from tensorflow.python.ops import rnn as _rnn

RNNCell = CoreRNNCell = rnn_cell_impl.RNNCell
LayerRNNCell = rnn_cell_impl.LayerRNNCell
LSTMStateTuple = rnn_cell_impl.LSTMStateTuple
rnn = static_rnn = tf.nn.static_rnn
bidirectional_rnn = static_bidirectional_rnn = tf.nn.static_bidirectional_rnn
state_saving_rnn = static_state_saving_rnn = tf.nn.static_state_saving_rnn
best_effort_input_batch_size = _rnn._best_effort_input_batch_size
transpose_batch_time = _transpose_batch_time = _rnn._transpose_batch_time
core_rnn = core_rnn_cell = core_rnn_cell_impl = sys.modules[__name__]  # files of 1.0's package


_RARE = (
    "GLSTMCell",
    "IndRNNCell",
    "IndyGRUCell",
    "IndyLSTMCell",
    "IntersectionRNNCell",
    "PhasedLSTMCell",
    "SRUCell",
)


def __getattr__(name):
    if name in _RARE:
        from tf1_style.run.contrib import rnn_rare

        return getattr(rnn_rare, name)
    return getattr(rnn_cell_impl, name)


def linear(
    args,
    output_size,
    bias,
    bias_initializer=None,
    kernel_initializer=None,
    bias_start=0.0,
    scope=None,
):
    """Returns [args...] W + b, a (batch, output_size) tensor; `_linear` of TensorFlow 1."""
    args = args if isinstance(args, (list, tuple)) else [args]
    dtype = args[0].dtype
    size = sum(arg.shape[1].value for arg in args)
    with tf.variable_scope(scope or tf.get_variable_scope()) as outer:
        kernel = tf.get_variable(
            "kernel", [size, output_size], dtype=dtype, initializer=kernel_initializer
        )
        result = tf.matmul(args[0] if len(args) == 1 else tf.concat(args, 1), kernel)
        if not bias:
            return result
        with tf.variable_scope(outer) as inner:
            inner.set_partitioner(None)
            start = bias_initializer or tf.constant_initializer(bias_start, dtype=dtype)
            return result + tf.get_variable("bias", [output_size], dtype=dtype, initializer=start)


_linear = linear


class _Linear:
    """`linear` with its variables made once, as the module-private class of TensorFlow 1.4."""

    def __init__(
        self, args, output_size, build_bias, bias_initializer=None, kernel_initializer=None
    ):
        self._scope = tf.get_variable_scope()
        self._options = (output_size, build_bias, bias_initializer, kernel_initializer)
        linear(args, *self._options)

    def __call__(self, args):
        with tf.variable_scope(self._scope, reuse=True, auxiliary_name_scope=False):
            return linear(args, *self._options)


class _Sized(RNNCell):
    """A cell that keeps its sizes: those of an LSTM's (c, h) unless told otherwise."""

    def __init__(self, units, output=None, reuse=None, is_tuple=True, **keywords):
        super().__init__(_reuse=reuse, **keywords)
        self._num_units = units
        self._size = units if output is None else output
        self._is_tuple = is_tuple

    @property
    def state_size(self):
        if self._is_tuple:
            return LSTMStateTuple(self._num_units, self._size)
        return self._num_units + self._size

    @property
    def output_size(self):
        return self._size


class _Wrapper(RNNCell):
    """A cell around another one, with the other's sizes."""

    def __init__(self, cell, reuse=None):
        super().__init__(_reuse=reuse)
        self._cell = cell

    @property
    def state_size(self):
        return self._cell.state_size

    @property
    def output_size(self):
        return self._cell.output_size

    def zero_state(self, batch_size, dtype):
        return self._cell.zero_state(batch_size, dtype)


class EmbeddingWrapper(_Wrapper):
    """Feeds a cell with the embeddings of its integer inputs."""

    def __init__(self, cell, embedding_classes, embedding_size, initializer=None, reuse=None):
        super().__init__(cell, reuse)
        self._shape = (embedding_classes, embedding_size)
        self._initializer = initializer

    def call(self, inputs, state):
        start = self._initializer or tf.get_variable_scope().initializer
        start = start or tf.random_uniform_initializer(-(3**0.5), 3**0.5)
        dtype = tf.nest.flatten(state)[0].dtype
        embedding = tf.get_variable("embedding", list(self._shape), initializer=start, dtype=dtype)
        inputs = tf.nn.embedding_lookup(embedding, tf.reshape(inputs, [-1]))
        return self._cell(inputs, state)


class InputProjectionWrapper(_Wrapper):
    """Projects a cell's inputs first."""

    def __init__(self, cell, num_proj, activation=None, input_size=None, reuse=None):
        super().__init__(cell, reuse)
        self._num_proj = num_proj
        self._activation = activation

    def call(self, inputs, state):
        inputs = linear(inputs, self._num_proj, True)
        return self._cell(self._activation(inputs) if self._activation else inputs, state)


class OutputProjectionWrapper(_Wrapper):
    """Projects a cell's outputs."""

    def __init__(self, cell, output_size, activation=None, reuse=None):
        super().__init__(cell, reuse)
        self._projected = output_size
        self._activation = activation

    @property
    def output_size(self):
        return self._projected

    def call(self, inputs, state):
        output, state = self._cell(inputs, state)
        output = linear(output, self._projected, True)
        return (self._activation(output) if self._activation else output), state


class HighwayWrapper(_Wrapper):
    """Carries a part of the inputs past the cell (Srivastava et al., arXiv:1505.00387)."""

    def __init__(self, cell, couple_carry_transform_gates=True, carry_bias_init=1.0):
        super().__init__(cell)
        self._coupled = couple_carry_transform_gates
        self._carry_bias_init = carry_bias_init

    def _gate(self, name, inputs, bias):
        size = inputs.shape[1].value
        weights = tf.get_variable(f"{name}_w", [size, size])
        start = tf.constant_initializer(bias)
        biases = tf.get_variable(f"{name}_b", [size], initializer=start)
        return tf.sigmoid(tf.matmul(inputs, weights) + biases)

    def _mix(self, inputs, outputs):
        carry = self._gate("carry", inputs, self._carry_bias_init)
        if self._coupled:
            transform = 1 - carry
        else:
            transform = self._gate("transform", inputs, -self._carry_bias_init)
        return inputs * carry + outputs * transform

    def __call__(self, inputs, state, scope=None):
        outputs, state = self._cell(inputs, state, scope=scope)
        return tf.nest.map_structure(self._mix, inputs, outputs), state


class CompiledWrapper(_Wrapper):
    """Runs a cell as it is: compilation by XLA changes no value."""

    def __init__(self, cell, compile_stateful=False):
        super().__init__(cell)

    def __call__(self, inputs, state, scope=None):
        return self._cell(inputs, state, scope=scope)


class AttentionCellWrapper(_Wrapper):
    """Attends to a cell's last `attn_length` outputs (Bahdanau et al., arXiv:1409.0473)."""

    def __init__(
        self,
        cell,
        attn_length,
        attn_size=None,
        attn_vec_size=None,
        input_size=None,
        state_is_tuple=True,
        reuse=None,
    ):
        super().__init__(cell, reuse)
        self._length = attn_length
        self._size = attn_size or cell.output_size
        self._depth = attn_vec_size or self._size
        self._input_size = input_size
        self._is_tuple = state_is_tuple

    @property
    def _sizes(self):
        return self._cell.state_size, self._size, self._size * self._length

    @property
    def state_size(self):
        return self._sizes if self._is_tuple else sum(self._sizes)

    @property
    def output_size(self):
        return self._size

    def zero_state(self, batch_size, dtype):
        return RNNCell.zero_state(self, batch_size, dtype)

    def call(self, inputs, state):
        state, attention, memory = state if self._is_tuple else tf.split(state, self._sizes, 1)
        memory = tf.reshape(memory, [-1, self._length, self._size])
        inputs = linear([inputs, attention], self._input_size or inputs.shape[1].value, True)
        output, state = self._cell(inputs, state)
        query = tf.concat(tf.nest.flatten(state), 1)
        with tf.variable_scope("attention"):
            attention = self._attend(query, memory)
        with tf.variable_scope("attn_output_projection"):
            output = linear([output, attention], self._size, True)
        memory = tf.concat([memory[:, 1:], output[:, None]], 1)
        state = (state, attention, tf.reshape(memory, [-1, self._size * self._length]))
        return output, state if self._is_tuple else tf.concat(state, 1)

    def _attend(self, query, memory):
        weights = tf.get_variable("attn_w", [1, 1, self._size, self._depth])
        v = tf.get_variable("attn_v", [self._depth])
        keys = tf.tensordot(memory, weights[0, 0], 1)
        scores = tf.reduce_sum(v * tf.tanh(keys + linear(query, self._depth, True)[:, None]), 2)
        return tf.reduce_sum(tf.nn.softmax(scores)[:, :, None] * memory, 1)


def _layer_norm(inputs, scope, gain, shift):
    """Normalizes each row (Ba et al., arXiv:1607.06450), with contrib's epsilon."""
    size = [inputs.shape[-1].value]
    with tf.variable_scope(scope):
        start = tf.constant_initializer(gain)
        gamma = tf.get_variable("gamma", size, inputs.dtype, initializer=start)
        start = tf.constant_initializer(shift)
        beta = tf.get_variable("beta", size, inputs.dtype, initializer=start)
    mean, variance = tf.nn.moments(inputs, [-1], keep_dims=True)
    return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)


class LayerNormBasicLSTMCell(_Sized):
    """An LSTM with layer normalization and recurrent dropout (Semeniuta, arXiv:1603.05118)."""

    def __init__(
        self,
        num_units,
        forget_bias=1.0,
        input_size=None,
        activation=tf.tanh,
        layer_norm=True,
        norm_gain=1.0,
        norm_shift=0.0,
        dropout_keep_prob=1.0,
        dropout_prob_seed=None,
        reuse=None,
    ):
        super().__init__(num_units, reuse=reuse)
        self._forget_bias = forget_bias
        self._activation = activation
        self._norms = (norm_gain, norm_shift) if layer_norm else None
        self._keep_prob = dropout_keep_prob
        self._seed = dropout_prob_seed

    def _norm(self, inputs, scope):
        return inputs if self._norms is None else _layer_norm(inputs, scope, *self._norms)

    def call(self, inputs, state):
        c, h = state
        inputs = tf.concat([inputs, h], 1)
        size = [inputs.shape[1].value, 4 * self._num_units]
        gates = tf.matmul(inputs, tf.get_variable("kernel", size, inputs.dtype))
        if self._norms is None:
            gates += tf.get_variable("bias", size[1:], inputs.dtype)
        scopes = ("input", "transform", "forget", "output")
        i, j, f, o = map(self._norm, tf.split(gates, 4, 1), scopes)
        new = self._activation(j)
        if not isinstance(self._keep_prob, float) or self._keep_prob < 1:
            new = tf.nn.dropout(new, self._keep_prob, seed=self._seed)
        c = c * tf.sigmoid(f + self._forget_bias) + tf.sigmoid(i) * new
        c = self._norm(c, "state")
        h = self._activation(c) * tf.sigmoid(o)
        return h, LSTMStateTuple(c, h)


class CoupledInputForgetGateLSTMCell(_Sized):
    """An LSTM whose input gate is 1 - its forget gate (Greff et al., arXiv:1503.04069)."""

    def __init__(
        self,
        num_units,
        use_peepholes=False,
        initializer=None,
        num_proj=None,
        proj_clip=None,
        num_unit_shards=1,
        num_proj_shards=1,
        forget_bias=1.0,
        state_is_tuple=True,
        activation=tf.tanh,
        reuse=None,
        layer_norm=False,
        norm_gain=1.0,
        norm_shift=0.0,
    ):
        super().__init__(num_units, num_proj, reuse, state_is_tuple)
        self._peepholes = use_peepholes
        self._num_proj = num_proj
        self._proj_clip = proj_clip
        self._shards = (num_unit_shards, num_proj_shards)
        self._forget_bias = forget_bias
        self._activation = activation
        self._norms = (norm_gain, norm_shift) if layer_norm else None

    def _norm(self, inputs, scope):
        return inputs if self._norms is None else _layer_norm(inputs, scope, *self._norms)

    def call(self, inputs, state):
        c, h = state if self._is_tuple else tf.split(state, [self._num_units, self._size], 1)
        units, dtype = self._num_units, inputs.dtype
        inputs = tf.concat([inputs, h], 1)
        weights = _sharded("W", [inputs.shape[1].value, 3 * units], dtype, self._shards[0])
        biases = tf.get_variable("B", [3 * units], dtype, initializer=tf.zeros_initializer())
        gates = tf.matmul(inputs, weights)
        gates = gates if self._norms else gates + biases
        j, f, o = map(self._norm, tf.split(gates, 3, 1), ("transform", "forget", "output"))
        peep_f = peep_o = 0.0
        if self._peepholes:
            peep_f = tf.get_variable("W_F_diag", [units], dtype)
            peep_o = tf.get_variable("W_O_diag", [units], dtype)
        forget = tf.sigmoid(f + self._forget_bias + peep_f * c)
        c = self._norm(forget * c + (1 - forget) * self._activation(j), "state")
        h = tf.sigmoid(o + peep_o * c) * self._activation(c)
        if self._num_proj is not None:
            h = tf.matmul(h, _sharded("W_P", [units, self._num_proj], dtype, self._shards[1]))
            if self._proj_clip is not None:
                h = tf.clip_by_value(h, -self._proj_clip, self._proj_clip)
        return h, LSTMStateTuple(c, h) if self._is_tuple else tf.concat([c, h], 1)


def _sharded(name, shape, dtype, count):
    """Returns a matrix kept as `count` variables NAME_0, NAME_1, ..., as in TensorFlow 0.6."""
    rows = [shape[0] // count + (i < shape[0] % count) for i in range(count)]
    parts = [tf.get_variable(f"{name}_{i}", [size, shape[1]], dtype) for i, size in enumerate(rows)]
    return parts[0] if count == 1 else tf.concat(parts, 0)


class UGRNNCell(_Sized):
    """Update-gate RNN (Collins et al., arXiv:1611.09913)."""

    def __init__(
        self, num_units, initializer=None, forget_bias=1.0, activation=tf.tanh, reuse=None
    ):
        super().__init__(num_units, reuse=reuse)
        self._initializer = initializer
        self._forget_bias = forget_bias
        self._activation = activation

    @property
    def state_size(self):
        return self._num_units

    def call(self, inputs, state):
        with tf.variable_scope(tf.get_variable_scope(), initializer=self._initializer):
            g, c = tf.split(linear([inputs, state], 2 * self._num_units, True), 2, 1)
        g = tf.sigmoid(g + self._forget_bias)
        state = g * state + (1 - g) * self._activation(c)
        return state, state


class NASCell(_Sized):
    """The cell that a search found (Zoph and Le, arXiv:1611.01578)."""

    def __init__(self, num_units, num_proj=None, use_bias=False, reuse=None, **keywords):
        super().__init__(num_units, num_proj, reuse, **keywords)
        self._projects, self._use_bias = num_proj is not None, use_bias

    def call(self, inputs, state):
        c, m = state
        width = 8 * self._num_units
        m = tf.matmul(m, tf.get_variable("recurrent_kernel", [m.shape[1], width]))
        x = tf.matmul(inputs, tf.get_variable("kernel", [inputs.shape[1], width]))
        if self._use_bias:
            m += tf.get_variable("bias", [width], initializer=tf.zeros_initializer())
        x, m = tf.split(x, 8, 1), tf.split(m, 8, 1)
        x[3], m[3] = x[3] * m[3], 0.0
        kinds = (tf.sigmoid, tf.nn.relu) * 2 + (tf.tanh, tf.sigmoid) * 2
        h = [kind(a + b) for kind, a, b in zip(kinds, x, m)]
        c = tf.tanh(tf.tanh(h[0] * h[1]) + c) * tf.tanh(h[2] + h[3])
        m = tf.tanh(c * tf.tanh(tf.tanh(h[4] * h[5]) + tf.sigmoid(h[6] + h[7])))
        if self._projects:
            m = tf.matmul(m, tf.get_variable("projection_weights", [self._num_units, self._size]))
        return m, LSTMStateTuple(c, m)


class ConvLSTMCell(RNNCell):
    """A convolutional LSTM (Shi et al., arXiv:1506.04214)."""

    def __init__(
        self,
        conv_ndims,
        input_shape,
        output_channels,
        kernel_shape,
        use_bias=True,
        skip_connection=False,
        forget_bias=1.0,
        initializers=None,
        name="conv_lstm_cell",
    ):
        super().__init__(name=name)
        self._ndims = conv_ndims
        self._place = tuple(input_shape)
        self._channels = output_channels
        self._kernel = tuple(kernel_shape)
        self._use_bias = use_bias
        self._skip = skip_connection
        self._forget_bias = forget_bias

    @property
    def state_size(self):
        size = tf.TensorShape([*self._place[:-1], self._channels])
        return LSTMStateTuple(size, size)

    @property
    def output_size(self):
        channels = self._channels + (self._place[-1] if self._skip else 0)
        return tf.TensorShape([*self._place[:-1], channels])

    def call(self, inputs, state, scope=None):
        c, h = state
        joined = tf.concat([inputs, h], -1)
        shape = [*self._kernel, joined.shape[-1].value, 4 * self._channels]
        gates = tf.nn.convolution(joined, tf.get_variable("kernel", shape, inputs.dtype), "SAME")
        if self._use_bias:
            start = tf.zeros_initializer()
            gates += tf.get_variable("biases", shape[-1:], inputs.dtype, initializer=start)
        i, j, f, o = tf.split(gates, 4, -1)
        c = tf.sigmoid(f + self._forget_bias) * c + tf.sigmoid(i) * tf.tanh(j)
        h = tf.tanh(c) * tf.sigmoid(o)
        h = tf.concat([h, inputs], -1) if self._skip else h
        return h, LSTMStateTuple(c, h)


class Conv1DLSTMCell(ConvLSTMCell):
    def __init__(self, name="conv_1d_lstm_cell", **keywords):
        super().__init__(conv_ndims=1, name=name, **keywords)


class Conv2DLSTMCell(ConvLSTMCell):
    def __init__(self, name="conv_2d_lstm_cell", **keywords):
        super().__init__(conv_ndims=2, name=name, **keywords)


class Conv3DLSTMCell(ConvLSTMCell):
    def __init__(self, name="conv_3d_lstm_cell", **keywords):
        super().__init__(conv_ndims=3, name=name, **keywords)


class _BlockLSTM:
    """The variables of a fused LSTM operation, for the two layers that call one."""

    def _add_variables(self, input_size):
        units = self._num_units
        self._kernel = self.add_variable("kernel", [input_size + units, 4 * units])
        self._bias = self.add_variable("bias", [4 * units], initializer=tf.zeros_initializer())
        names = ("w_i_diag", "w_f_diag", "w_o_diag") if self._use_peephole else ()
        self._diagonals = [self.add_variable(name, [units]) for name in names]

    def _arguments(self, dtype):
        i, f, o = self._diagonals or [tf.zeros([self._num_units], dtype)] * 3
        return {
            "w": self._kernel,
            "b": self._bias,
            "wci": i,
            "wcf": f,
            "wco": o,
            "forget_bias": self._forget_bias,
            "cell_clip": -1 if self._cell_clip is None else self._cell_clip,
            "use_peephole": self._use_peephole,
        }


class LSTMBlockCell(_BlockLSTM, LayerRNNCell):
    """The LSTM of arXiv:1409.2329 as one operation."""

    def __init__(
        self,
        num_units,
        forget_bias=1.0,
        cell_clip=None,
        use_peephole=False,
        dtype=None,
        reuse=None,
        name="lstm_cell",
    ):
        super().__init__(_reuse=reuse, dtype=dtype, name=name)
        self._num_units = num_units
        self._forget_bias = forget_bias
        self._cell_clip = cell_clip
        self._use_peephole = use_peephole

    @property
    def state_size(self):
        return LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self):
        return self._num_units

    def build(self, inputs_shape):
        self._add_variables(tf.TensorShape(inputs_shape)[1].value)
        self.built = True

    def call(self, inputs, state):
        c, h = state
        arguments = self._arguments(inputs.dtype)
        result = tf.raw_ops.LSTMBlockCell(x=inputs, cs_prev=c, h_prev=h, **arguments)
        return result.h, LSTMStateTuple(result.cs, result.h)


class LSTMBlockFusedCell(_BlockLSTM, base.Layer):
    """The same over a whole (time, batch, n) sequence."""

    def __init__(
        self,
        num_units,
        forget_bias=1.0,
        cell_clip=None,
        use_peephole=False,
        reuse=None,
        dtype=None,
        name="lstm_fused_cell",
    ):
        super().__init__(_reuse=reuse, name=name, dtype=dtype)
        self._num_units = num_units
        self._forget_bias = forget_bias
        self._cell_clip = cell_clip
        self._use_peephole = use_peephole

    @property
    def num_units(self):
        return self._num_units

    def build(self, inputs_shape):
        shape = inputs_shape[0] if isinstance(inputs_shape, list) else inputs_shape
        self._add_variables(tf.TensorShape(shape)[-1].value)
        self.built = True

    def call(self, inputs, initial_state=None, dtype=None, sequence_length=None):
        is_list = isinstance(inputs, list)
        inputs = tf.stack(inputs) if is_list else inputs
        time, batch = tf.shape(inputs)[0], tf.shape(inputs)[1]
        if initial_state is None:
            initial_state = [tf.zeros([batch, self._num_units], dtype or inputs.dtype)] * 2
        longest = time if sequence_length is None else tf.reduce_max(sequence_length)
        result = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.cast(longest, tf.int64),
            x=inputs,
            cs_prev=initial_state[0],
            h_prev=initial_state[1],
            **self._arguments(inputs.dtype),
        )
        c, h = result.cs, result.h
        if sequence_length is None:
            state = LSTMStateTuple(c[-1], h[-1])
        else:
            sequence_length = tf.cast(sequence_length, tf.int32)
            h *= tf.transpose(tf.sequence_mask(sequence_length, time, h.dtype))[:, :, None]
            last = tf.stack([sequence_length, tf.range(batch)], 1)
            # A sequence of length 0 ends in the state it began with.
            ends = [tf.concat([s[None], all_], 0) for s, all_ in zip(initial_state, (c, h))]
            state = LSTMStateTuple(*(tf.gather_nd(end, last) for end in ends))
        return (tf.unstack(h) if is_list else h), state


@tf.RegisterGradient("LSTMBlockCell")
def _lstm_gradient(op, *grads):
    """TensorFlow 2.21 has the operation of this gradient, and no longer its registration."""
    x, c, h, w, wci, wcf, wco, b = op.inputs
    i, cs, f, o, ci, co, _ = op.outputs
    found = tf.raw_ops.LSTMBlockCellGrad(
        x=x,
        cs_prev=c,
        h_prev=h,
        w=w,
        wci=wci,
        wcf=wcf,
        wco=wco,
        b=b,
        i=i,
        cs=cs,
        f=f,
        o=o,
        ci=ci,
        co=co,
        cs_grad=grads[1],
        h_grad=grads[6],
        use_peephole=op.get_attr("use_peephole"),
    )
    gates = found.dicfo
    inputs = tf.matmul(gates, w, transpose_b=True)
    split = [x.shape[1].value or tf.shape(x)[1], h.shape[1].value or tf.shape(h)[1]]
    x_grad, h_grad = tf.split(inputs, split, 1)
    w_grad = tf.matmul(tf.concat([x, h], 1), gates, transpose_a=True)
    peepholes = (found.wci_grad, found.wcf_grad, found.wco_grad)
    return (x_grad, found.cs_prev_grad, h_grad, w_grad, *peepholes, tf.reduce_sum(gates, 0))


@tf.RegisterGradient("GRUBlockCell")
def _gru_gradient(op, *grads):
    x, h, w_ru, w_c, b_ru, b_c = op.inputs
    r, u, c, _ = op.outputs
    found = tf.raw_ops.GRUBlockCellGrad(
        x=x, h_prev=h, w_ru=w_ru, w_c=w_c, b_ru=b_ru, b_c=b_c, r=r, u=u, c=c, d_h=grads[3]
    )
    gates, new = found.d_r_bar_u_bar, found.d_c_bar
    w_ru = tf.matmul(tf.concat([x, h], 1), gates, transpose_a=True)
    w_c = tf.matmul(tf.concat([x, h * r], 1), new, transpose_a=True)
    biases = (tf.reduce_sum(gates, 0), tf.reduce_sum(new, 0))
    return (found.d_x, found.d_h_prev, w_ru, w_c, *biases)


class GRUBlockCell(LayerRNNCell):
    """The GRU of arXiv:1406.1078 as one operation."""

    _names = ("w_ru", "b_ru", "w_c", "b_c")

    def __init__(self, num_units=None, cell_size=None, reuse=None, name="gru_cell"):
        super().__init__(_reuse=reuse, name=name)
        self._units = num_units or cell_size

    @property
    def state_size(self):
        return self._units

    @property
    def output_size(self):
        return self._units

    def build(self, inputs_shape):
        units = self._units
        size = tf.TensorShape(inputs_shape)[1].value + units
        ones, zeros = tf.ones_initializer(), tf.zeros_initializer()
        w_ru, b_ru, w_c, b_c = self._names
        self._w_ru = self.add_variable(w_ru, [size, 2 * units])
        self._b_ru = self.add_variable(b_ru, [2 * units], initializer=ones)
        self._w_c = self.add_variable(w_c, [size, units])
        self._b_c = self.add_variable(b_c, [units], initializer=zeros)
        self.built = True

    def call(self, inputs, state):
        weights = {"w_ru": self._w_ru, "w_c": self._w_c, "b_ru": self._b_ru, "b_c": self._b_c}
        state = tf.raw_ops.GRUBlockCell(x=inputs, h_prev=state, **weights).h
        return state, state


class GRUBlockCellV2(GRUBlockCell):
    """The same, with GRUCell's variable names."""

    _names = ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias")


class FusedRNNCell:
    """What takes a whole sequence at once."""


class FusedRNNCellAdaptor(FusedRNNCell):
    """Makes a cell a fused one."""

    def __init__(self, cell, use_dynamic_rnn=False):
        self._cell = cell
        self._is_dynamic = use_dynamic_rnn

    def __call__(self, inputs, initial_state=None, dtype=None, sequence_length=None, scope=None):
        is_list = isinstance(inputs, list)
        options = {
            "initial_state": initial_state,
            "dtype": dtype,
            "sequence_length": sequence_length,
            "scope": scope,
        }
        if self._is_dynamic:
            inputs = tf.stack(inputs) if is_list else inputs
            outputs, state = tf.nn.dynamic_rnn(self._cell, inputs, time_major=True, **options)
            return (tf.unstack(outputs) if is_list else outputs), state
        inputs = inputs if is_list else tf.unstack(inputs)
        outputs, state = tf.nn.static_rnn(self._cell, inputs, **options)
        return (outputs if is_list else tf.stack(outputs)), state


class TimeReversedFusedRNN(FusedRNNCell):
    """Runs a fused cell from the end to the start."""

    def __init__(self, cell):
        self._cell = cell

    def __call__(self, inputs, initial_state=None, dtype=None, sequence_length=None, scope=None):
        def reverse(sequence):
            if isinstance(sequence, list):
                return sequence[::-1]
            if sequence_length is None:
                return tf.reverse(sequence, [0])
            return tf.reverse_sequence(sequence, sequence_length, seq_axis=0, batch_axis=1)

        options = {} if scope is None else {"scope": scope}
        outputs, state = self._cell(
            reverse(inputs),
            initial_state=initial_state,
            dtype=dtype,
            sequence_length=sequence_length,
            **options,
        )
        return reverse(outputs), state


def _stacked(cells_fw, cells_bw, inputs, starts_fw, starts_bw, scope, layer):
    """Runs bidirectional layers on top of each other; `layer` runs one."""
    if len(cells_fw) != len(cells_bw) or not cells_fw:
        raise ValueError(
            f"got {len(cells_fw)} forward and {len(cells_bw)} backward cells, expected as many "
            "of each and at least one"
        )
    states_fw, states_bw = [], []
    starts_fw = starts_fw or [None] * len(cells_fw)
    starts_bw = starts_bw or [None] * len(cells_bw)
    with tf.variable_scope(scope or "stack_bidirectional_rnn"):
        for i, cells in enumerate(zip(cells_fw, cells_bw)):
            with tf.variable_scope(f"cell_{i}") as inner:
                inputs, *states = layer(*cells, inputs, starts_fw[i], starts_bw[i], inner)
            states_fw.append(states[0])
            states_bw.append(states[1])
    return inputs, tuple(states_fw), tuple(states_bw)


def stack_bidirectional_rnn(
    cells_fw,
    cells_bw,
    inputs,
    initial_states_fw=None,
    initial_states_bw=None,
    dtype=None,
    sequence_length=None,
    scope=None,
):
    def layer(fw, bw, inputs, start_fw, start_bw, inner):
        return tf.nn.static_bidirectional_rnn(
            fw, bw, inputs, start_fw, start_bw, dtype, sequence_length, scope=inner
        )

    starts = (initial_states_fw, initial_states_bw)
    return _stacked(cells_fw, cells_bw, inputs, *starts, scope, layer)


def stack_bidirectional_dynamic_rnn(
    cells_fw,
    cells_bw,
    inputs,
    initial_states_fw=None,
    initial_states_bw=None,
    dtype=None,
    sequence_length=None,
    parallel_iterations=None,
    time_major=False,
    scope=None,
    swap_memory=False,
):
    def layer(fw, bw, inputs, start_fw, start_bw, _):
        outputs, states = tf.nn.bidirectional_dynamic_rnn(
            fw,
            bw,
            inputs,
            initial_state_fw=start_fw,
            initial_state_bw=start_bw,
            sequence_length=sequence_length,
            dtype=dtype,
            parallel_iterations=parallel_iterations,
            time_major=time_major,
            swap_memory=swap_memory,
        )
        return (tf.concat(outputs, 2), *states)

    starts = (initial_states_fw, initial_states_bw)
    return _stacked(cells_fw, cells_bw, inputs, *starts, scope, layer)
