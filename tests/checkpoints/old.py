"""Old programs of all kinds, as people have them: they save, and resume what they saved.

python old.py FOLDER first KIND...    trains 10 steps, saves, and trains 20 more
python old.py FOLDER back KIND...     restores a converted checkpoint and trains 20 more
"""

import os
import sys

import numpy as np
import tensorflow as tf

folder, action, kinds = sys.argv[1], sys.argv[2], sys.argv[3:]
data = np.load(os.path.join(folder, "data.npz"))
X, Y = data["X"], data["Y"]


def dense(x, name, units, partitioner=None):
    shape = [int(x.shape[-1]), units]
    init = tf.random_normal_initializer(stddev=0.3, seed=units)
    w = tf.get_variable("w_" + name, shape, initializer=init, partitioner=partitioner)
    b = tf.Variable(tf.zeros([units]), name="b_" + name)
    return tf.matmul(x, w) + b


def two_layers(x, partitioner=None):
    hidden = tf.tanh(dense(tf.reshape(x, [-1, 24]), "one", 5, partitioner))
    return dense(hidden, "two", 2)


def layers(x):
    init = tf.random_normal_initializer(stddev=0.3, seed=1)
    h = tf.reshape(x, [-1, 6, 4, 1])
    for _ in range(2):
        h = tf.layers.conv2d(h, 3, 3, padding="same", use_bias=False, kernel_initializer=init)
        h = tf.nn.relu(tf.layers.batch_normalization(h, training=True))
        init = tf.random_normal_initializer(stddev=0.3, seed=2)
    h = tf.reshape(h, [-1, 72])
    h = tf.layers.dense(h, 5, tf.tanh, kernel_initializer=init)
    return tf.layers.dense(h, 2, kernel_initializer=init)


def recurrent(x, cell):
    with tf.variable_scope("net", initializer=tf.random_normal_initializer(stddev=0.3, seed=4)):
        out, _ = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
    return dense(out[:, -1], "out", 2)


def model(kind, x):
    if kind == "layers":
        return layers(x)
    if kind == "lstm":
        return recurrent(x, tf.nn.rnn_cell.LSTMCell(5, forget_bias=0.5))
    if kind == "stacked":
        cells = [tf.nn.rnn_cell.BasicLSTMCell(4), tf.nn.rnn_cell.LSTMCell(4, forget_bias=0.0)]
        cells[0] = tf.nn.rnn_cell.DropoutWrapper(cells[0], output_keep_prob=1.0)
        return recurrent(x, tf.nn.rnn_cell.MultiRNNCell(cells))
    if kind == "gru":
        return recurrent(x, tf.nn.rnn_cell.GRUCell(5))
    if kind == "embedding":  # its parts get the rows in turn
        parts = tf.fixed_size_partitioner(3)
        init = tf.random_normal_initializer(stddev=0.3, seed=1)
        table = tf.get_variable("table", [7, 3], initializer=init, partitioner=parts)
        rows = tf.cast(tf.abs(x[:, :, 0]) * 3, tf.int32) % 7
        return dense(tf.reshape(tf.nn.embedding_lookup(table, rows), [-1, 18]), "out", 2)
    partitioner = tf.fixed_size_partitioner(3) if kind == "partitioned" else None
    return two_layers(x, partitioner)


def training(kind, loss, step):
    if kind in ("momentum", "nesterov", "own_momentum"):
        rate = tf.train.piecewise_constant(step, [5], [0.1, 0.05])
        optimizer = tf.train.MomentumOptimizer(rate, 0.9, use_nesterov=kind == "nesterov")
    elif kind in ("lstm", "centered"):
        optimizer = tf.train.RMSPropOptimizer(0.01, momentum=0.5, centered=kind == "centered")
    elif kind == "ema":
        optimizer = tf.train.GradientDescentOptimizer(0.1)
    elif kind == "estimator":
        optimizer = tf.train.AdagradOptimizer(0.1)
    elif kind == "embedding":  # the counter counts examples
        op = tf.train.AdamOptimizer(0.01, beta1=0.8, name="mine").minimize(loss)
        return tf.group(op, tf.assign_add(step, 16))
    else:
        optimizer = tf.train.AdamOptimizer(0.01)
    op = optimizer.minimize(loss, global_step=step)
    if kind != "ema":
        return op
    with tf.control_dependencies([op]):
        return tf.train.ExponentialMovingAverage(0.9).apply(tf.trainable_variables())


def session_program(kind):
    """The usual program; one without a counter for the GRU, with an int32 one elsewhere."""
    tf.reset_default_graph()
    x, y = tf.placeholder(tf.float32, [None, 6, 4]), tf.placeholder(tf.float32, [None, 2])
    step = None if kind == "gru" else tf.Variable(0, trainable=False, name="global_step")
    loss = tf.reduce_mean(tf.square(model(kind, x) - y))
    op = training(kind, loss, step)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    saver, losses = tf.train.Saver(max_to_keep=None), []

    def train(session, first, count):
        for i in range(first, first + count):
            found = session.run([loss, op, updates], {x: X[i], y: Y[i]})
            losses.append(found[0])

    with tf.Session() as session:
        if action == "first":
            session.run(tf.global_variables_initializer())
            saver.save(session, os.path.join(folder, kind, "old", "start"))
            train(session, 0, 10)
            saver.save(session, os.path.join(folder, kind, "old", "trained"))
            train(session, 10, 20)
        else:
            saver.restore(session, os.path.join(folder, kind, "back"))
            train(session, 30, 20)
        averages = [v for v in tf.global_variables() if v.op.name.endswith("Average")]
        return losses[-20:] + [number for v in session.run(averages) for number in v.flat]


class Losses(tf.train.SessionRunHook):
    def __init__(self):
        self.found = []

    def before_run(self, run_context):
        return tf.train.SessionRunArgs("loss:0")

    def after_run(self, run_context, run_values):
        self.found.append(run_values.results)


def estimator_program():
    def model_fn(features, labels, mode):
        loss = tf.reduce_mean(tf.square(two_layers(features) - labels), name="loss")
        op = training("estimator", loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=op)

    def batches(first, count):
        return lambda: tf.data.Dataset.from_tensor_slices(
            (X[first : first + count], Y[first : first + count])
        )

    model_dir = os.path.join(folder, "estimator", "old")
    hook = Losses()
    if action == "first":
        estimator = tf.estimator.Estimator(model_fn, model_dir)
        estimator.train(batches(0, 10))
        estimator.train(batches(10, 20), hooks=[hook])
    else:
        warm = tf.estimator.WarmStartSettings(
            os.path.join(folder, "estimator", "back"), vars_to_warm_start=[".*"]
        )
        estimator = tf.estimator.Estimator(model_fn, model_dir + "_back", warm_start_from=warm)
        estimator.train(batches(30, 20), hooks=[hook])
    return hook.found


for kind in kinds:
    os.makedirs(os.path.join(folder, kind, "old"), exist_ok=True)
    found = estimator_program() if kind == "estimator" else session_program(kind)
    np.save(os.path.join(folder, kind, "old_" + action), found)
