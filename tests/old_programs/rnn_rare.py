"""The rarer cells of contrib, attention that never looks back, the helper that feeds outputs."""

import numpy as np
import tensorflow as tf

r, q = tf.contrib.rnn, tf.contrib.seq2seq


def values(count):
    """Sets every variable to numbers that do not depend on the seed."""
    for v in tf.global_variables():
        n = int(np.prod(v.shape.as_list()))
        start = np.cos(np.arange(n) + len(v.name)).reshape(v.shape.as_list()) * 0.5
        if "period" in v.name:
            start = start + 2.0
        v.load(start.astype("f"), count)


def cell(name, make, inputs, size):
    with tf.Graph().as_default(), tf.Session() as session:
        out, state = tf.nn.dynamic_rnn(make(), inputs(), dtype=tf.float32)
        loss = tf.reduce_sum(tf.square(out))
        grads = [g for g in tf.gradients(loss, tf.trainable_variables()) if g is not None]
        values(session)
        print(name, [(v.name, v.shape.as_list()) for v in tf.global_variables()])
        shown = session.run([out[:, -1]] + tf.contrib.framework.nest.flatten(state))
        print([np.round(x, 4).ravel()[:4].tolist() for x in shown], len(grads))
        print(np.round(sum(abs(g).sum() for g in session.run(grads)), 3))


x = np.sin(np.arange(24)).reshape(2, 3, 4).astype("f")
times = np.cumsum(np.ones((2, 3, 1)), 1).astype("f")
cell("phased", lambda: r.PhasedLSTMCell(4, use_peepholes=True), lambda: (times, x), 4)
cell("phased", lambda: r.PhasedLSTMCell(4, leak=0.1, ratio_on=0.5), lambda: (times, x), 4)
for make in (
    lambda: r.GLSTMCell(4, number_of_groups=2),
    lambda: r.GLSTMCell(4, num_proj=2, number_of_groups=2, forget_bias=0.0),
    lambda: r.IndRNNCell(4, activation=tf.nn.relu),
    lambda: r.IndyGRUCell(4),
    lambda: r.IndyLSTMCell(4, forget_bias=0.5),
    lambda: r.SRUCell(4),
    lambda: r.LSTMBlockCell(4, use_peephole=True),
    lambda: r.GRUBlockCellV2(4),
    lambda: tf.contrib.cudnn_rnn.CudnnCompatibleLSTMCell(4),
    lambda: tf.contrib.cudnn_rnn.CudnnCompatibleGRUCell(4),
    lambda: r.IntersectionRNNCell(4),
    lambda: r.IntersectionRNNCell(3, num_in_proj=3),
):
    with tf.Graph().as_default():
        name = type(make()).__name__
    cell(name, make, lambda: tf.constant(x), 4)


def attend(make, name):
    with tf.Graph().as_default(), tf.Session() as session:
        memory = tf.constant(np.cos(np.arange(40)).reshape(2, 4, 5), tf.float32)
        attention = make(memory)
        wrapped = q.AttentionWrapper(r.BasicLSTMCell(4), attention, attention_layer_size=3)
        helper = q.TrainingHelper(tf.constant(x), [3, 2])
        decoder = q.BasicDecoder(wrapped, helper, wrapped.zero_state(2, tf.float32))
        outputs, state, lengths = q.dynamic_decode(decoder)
        values(session)
        print(name, sorted(v.name for v in tf.global_variables()))
        print(np.round(session.run(outputs.rnn_output)[0], 4).tolist())
        print(np.round(session.run(state.alignments), 4).tolist(), session.run(lengths).tolist())


for mode in ("parallel", "recursive", "hard"):
    attend(lambda m: q.BahdanauMonotonicAttention(4, m, [4, 3], normalize=True, mode=mode), mode)
    attend(lambda m: q.LuongMonotonicAttention(4, m, scale=True, mode=mode), mode)
with tf.Session() as session:
    print(np.round(session.run(q.safe_cumprod([0.5, 0.0, 0.2], exclusive=True)), 5).tolist())
    ids = np.array([[[1, 2, 3]], [[4, 5, 6]], [[7, 8, 9]]], "i")
    parents = np.array([[[0, 0, 0]], [[0, 1, 1]], [[2, 1, 2]]], "i")
    print(session.run(q.gather_tree(ids, parents, [3], 10)).tolist())
    for auxiliary in (None, np.ones((2, 3, 1), "f")):
        helper = q.ScheduledOutputTrainingHelper(
            tf.constant(x), [3, 3], 1.0, auxiliary_inputs=auxiliary
        )
        with tf.variable_scope("aux" if auxiliary is not None else "plain"):
            lstm = r.BasicLSTMCell(4)
            decoder = q.BasicDecoder(lstm, helper, lstm.zero_state(2, tf.float32))
            outputs = q.dynamic_decode(decoder)[0]
        values(session)
        print(np.round(session.run(outputs.rnn_output)[1], 4).tolist())
        print(session.run(outputs.sample_id).tolist())
