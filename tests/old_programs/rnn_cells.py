"""Every kind of cell over one short sequence: variable names, sums of outputs and states."""
from __future__ import print_function

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import rnn_cell
from tensorflow.python.util import nest

x = np.sin(np.arange(2 * 4 * 3).reshape(2, 4, 3)).astype(np.float32)
rnn = tf.contrib.rnn


def fill(sess):
    for i, v in enumerate(sorted(tf.global_variables(), key=lambda v: v.name)):
        n = int(np.prod(v.get_shape().as_list()))
        value = 0.5 * np.cos(np.arange(n) * 0.7 + i).reshape(v.get_shape().as_list())
        sess.run(v.assign(value.astype(np.float32)))


def show(name, build):
    tf.reset_default_graph()
    with tf.Session() as sess:
        outputs, state = build(tf.constant(x))
        fill(sess)
        print(name, [(v.name, v.get_shape().as_list()) for v in tf.global_variables()])
        values = nest.flatten([outputs, state])
        print(" ".join("%.5f" % np.sum(value * np.cos(np.arange(value.size)).reshape(value.shape))
                       for value in sess.run(values)))


def dynamic(cell):
    return lambda inputs: tf.nn.dynamic_rnn(cell(), inputs, sequence_length=[4, 2], dtype=tf.float32)


def static(cell):
    return lambda inputs: rnn.static_rnn(cell(), tf.unstack(inputs, axis=1), dtype=tf.float32)


cells = [
    ("basic", lambda: rnn_cell.BasicRNNCell(3)),
    ("gru", lambda: tf.nn.rnn_cell.GRUCell(3)),
    ("basic_lstm", lambda: rnn.BasicLSTMCell(3, forget_bias=0.5)),
    ("basic_lstm concat", lambda: rnn.BasicLSTMCell(3, state_is_tuple=False)),
    ("lstm", lambda: rnn.LSTMCell(4, use_peepholes=True, num_proj=2, cell_clip=1.0)),
    ("multi", lambda: rnn.MultiRNNCell([rnn.BasicLSTMCell(3), rnn.GRUCell(2)])),
    ("dropout", lambda: rnn.DropoutWrapper(rnn.GRUCell(3), output_keep_prob=1.0)),
    ("residual", lambda: rnn.ResidualWrapper(rnn.GRUCell(3))),
    ("layer_norm", lambda: rnn.LayerNormBasicLSTMCell(3, norm_shift=0.1)),
    ("no layer_norm", lambda: rnn.LayerNormBasicLSTMCell(3, layer_norm=False)),
    ("coupled", lambda: rnn.CoupledInputForgetGateLSTMCell(
        3, use_peepholes=True, num_proj=2, num_unit_shards=2)),
    ("attention", lambda: rnn.AttentionCellWrapper(rnn.GRUCell(3), 2)),
    ("attention lstm", lambda: rnn.AttentionCellWrapper(rnn.BasicLSTMCell(3), 2, attn_size=2)),
    ("input projection", lambda: rnn.InputProjectionWrapper(rnn.GRUCell(3), 2)),
    ("output projection", lambda: rnn.OutputProjectionWrapper(rnn.GRUCell(3), 2)),
    ("highway", lambda: rnn.HighwayWrapper(rnn.GRUCell(3))),
    ("highway free", lambda: rnn.HighwayWrapper(rnn.GRUCell(3), False)),
    ("ugrnn", lambda: rnn.UGRNNCell(3)),
    ("nas", lambda: rnn.NASCell(3)),
    ("nas bias", lambda: rnn.NASCell(3, num_proj=2, use_bias=True)),
    ("block lstm", lambda: rnn.LSTMBlockCell(3)),
    ("block lstm peephole", lambda: rnn.LSTMBlockCell(3, use_peephole=True, cell_clip=0.5)),
    ("block gru", lambda: rnn.GRUBlockCell(3)),
    ("block gru 2", lambda: rnn.GRUBlockCellV2(3)),
]
for name, cell in cells:
    show(name, dynamic(cell))
    show(name + " static", static(cell))


def bidirectional(inputs):
    return tf.nn.bidirectional_dynamic_rnn(
        rnn.GRUCell(2), rnn.BasicLSTMCell(3), inputs, dtype=tf.float32, sequence_length=[3, 4])


def stacked(inputs):
    outputs, fw, bw = rnn.stack_bidirectional_dynamic_rnn(
        [rnn.GRUCell(2), rnn.GRUCell(3)], [rnn.GRUCell(2), rnn.GRUCell(3)], inputs,
        dtype=tf.float32, sequence_length=[3, 4])
    return outputs, (fw, bw)


def stacked_static(inputs):
    outputs, fw, bw = rnn.stack_bidirectional_rnn(
        [rnn.GRUCell(2), rnn.GRUCell(3)], [rnn.GRUCell(2), rnn.GRUCell(3)],
        tf.unstack(inputs, axis=1), dtype=tf.float32)
    return outputs, (fw, bw)


def fused(inputs):
    return rnn.LSTMBlockFusedCell(3)(tf.transpose(inputs, [1, 0, 2]), dtype=tf.float32,
                                     sequence_length=[4, 2])


def reversed_fused(inputs):
    cell = rnn.TimeReversedFusedRNN(rnn.LSTMBlockFusedCell(3, use_peephole=True))
    return cell(tf.transpose(inputs, [1, 0, 2]), dtype=tf.float32)


def adapted(inputs):
    cell = rnn.FusedRNNCellAdaptor(rnn.GRUCell(3), use_dynamic_rnn=True)
    return cell(tf.transpose(inputs, [1, 0, 2]), dtype=tf.float32)


def convolutional(inputs):
    cell = rnn.Conv1DLSTMCell(input_shape=[3, 1], output_channels=2, kernel_shape=[3])
    return tf.nn.dynamic_rnn(cell, inputs[..., None], dtype=tf.float32)


for build in (bidirectional, stacked, stacked_static, fused, reversed_fused, adapted, convolutional):
    show(build.__name__, build)
