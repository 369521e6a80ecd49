"""Calls each symbol of calls.txt once and prints what it gives, a row a line.

    python call.py [part of a symbol's name ...]

Under genuine TensorFlow 1.15.5 this makes values.txt. Weights are set to numbers that depend on
no seed, so the rows can be compared.
"""

import os
import sqlite3
import sys
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

HERE = os.path.dirname(os.path.abspath(__file__))
nest = tf.nest


def ramp(*shape):
    return np.sin(np.arange(np.prod(shape, dtype=int)) + 1.0).reshape(shape).astype("float32")


def inputs():
    """The words of calls.txt, in the present graph."""
    return {
        "image": tf.constant(ramp(2, 6, 6, 4)),
        "series": tf.constant(ramp(2, 5, 3)),
        "steps": [tf.constant(ramp(2, 5, 3)[:, i]) for i in range(3)],
        "lengths": tf.constant([5, 3]),
        "rows": tf.constant(ramp(4, 3)),
        "positive": tf.constant(abs(ramp(4, 3))),
        "labels": tf.constant([0, 2, 1, 2]),
        "target": tf.constant([[1], [2], [3], [0]]),
        "tags": tf.constant([[0, 1, 2, 1, 0], [2, 2, 1, 0, 0]]),
        "onehot": tf.one_hot([0, 2, 1, 2], 3),
        "words": tf.constant(["one", "two", "three", "one"]),
        "sampled": (tf.constant([1, 2, 3, 4], tf.int64), tf.fill([4, 1], 0.5), tf.constant(ramp(4)) ** 2),
    }


def evaluate(text, symbol):
    """Returns (the values of an expression, the variables that it made), as text."""
    tf.reset_default_graph()
    tf.set_random_seed(3)
    words = dict(globals(), f=symbol, **inputs())
    made = eval(text, words)
    parts = nest.flatten(made) if isinstance(made, (list, tuple, dict)) else [made]
    with tf.Session() as session:
        start(session)
        # An operation or a variable of a structure gives its value, other things are themselves.
        parts = [part(session) if callable(part) else value(session, part) for part in parts]
    names = ["%s%s" % (v.op.name, sizes(v.shape)) for v in tf.global_variables()]
    return " ".join(show(part) for part in parts), " ".join(names)


def sizes(shape):
    return "[?]" if shape.ndims is None else shape.as_list()


def start(session):
    """Initializes all variables; those that are trained start from numbers of their own."""
    session.run(
        [tf.global_variables_initializer(), tf.local_variables_initializer()]
        + [tf.tables_initializer()]
    )
    for number, variable in enumerate(tf.trainable_variables()):
        if variable.dtype.base_dtype == tf.float32 and variable.shape.is_fully_defined():
            variable.load(0.5 * np.cos(ramp(*variable.shape.as_list()) * 9 + number), session)


def value(session, part):
    if isinstance(part, (list, tuple)):
        return [value(session, one) for one in part]
    is_made = isinstance(part, tf.Operation) or hasattr(part, "op")  # a tensor or a variable
    return session.run(part) if is_made else part


def show(part):
    if isinstance(part, (list, tuple, dict)):
        return "(%s)" % " ".join(show(one) for one in nest.flatten(part))
    if isinstance(part, tf.SparseTensorValue):
        return show(list(part))
    if isinstance(part, (np.ndarray, np.generic, float, int)) and not isinstance(part, bool):
        return numbers(np.asarray(part))
    if part is None or isinstance(part, (bool, str, bytes)):
        return repr(part).replace(" ", "_")
    return type(part).__name__


def numbers(array):
    """All values of a small array; of a large one some of them and two sums."""
    shape = "x".join(map(str, array.shape))
    if array.dtype.kind not in "fiub":
        return shape + str(array.ravel()[:12].tolist()).replace(" ", "")
    flat = array.astype("float64").ravel()
    if flat.size > 12:
        flat = np.append(flat[:6], [flat.sum(), flat.dot(np.cos(np.arange(flat.size)))])
    return shape + "[" + ",".join("%.6g" % (number + 0.0) for number in flat) + "]"


# What the expressions of calls.txt use.


def after(operation, result):
    """The value of `result` after one step of `operation`."""
    return lambda session: (session.run(operation), value(session, result))[1]


def stream(pair):
    """A streaming metric after two updates."""
    metric, update = pair[:2]
    return lambda session: [session.run(update), session.run(update), session.run(metric)]


def unroll(cell, data=None, shape=(2, 5, 3)):
    data = tf.constant(ramp(*shape)) if data is None else data
    return list(tf.nn.dynamic_rnn(cell, data, dtype=tf.float32))


def train(optimizer, linear=False):
    """A weight after three steps. With a linear loss it does not matter when it is read."""
    weight = tf.get_variable("w", initializer=ramp(4, 2))
    away = weight - 0.3 if linear else tf.square(weight - 0.3)
    step = optimizer.minimize(tf.reduce_sum(away * [[1.0, 3.0]]))
    return lambda session: [session.run(step), session.run(step), session.run(step), session.run(weight)]


def gradient(result):
    result = nest.flatten(result)[0]
    variables = tf.trainable_variables()
    return [result] + [g for g in tf.gradients(tf.square(result), variables) if g is not None]


def decode(helper, cell=None, output_layer=None, steps=None):
    cell = cell or tf.nn.rnn_cell.BasicLSTMCell(3)
    start = cell.zero_state(2, tf.float32)
    decoder = tf.contrib.seq2seq.BasicDecoder(cell, helper, start, output_layer)
    outputs, _, lengths = tf.contrib.seq2seq.dynamic_decode(decoder, maximum_iterations=steps)
    return [outputs.rnn_output, outputs.sample_id, lengths]


def attend(mechanism):
    cell = tf.contrib.seq2seq.AttentionWrapper(
        tf.nn.rnn_cell.BasicLSTMCell(4), mechanism, attention_layer_size=3, alignment_history=True
    )
    helper = tf.contrib.seq2seq.TrainingHelper(tf.constant(ramp(2, 5, 3)), [5, 3])
    return decode(helper, cell)


def items(dataset, count=4):
    """The first elements of a dataset."""
    following = tf.data.make_one_shot_iterator(dataset).get_next()

    def take(session):
        found = []
        try:
            for _ in range(count):
                found.append(session.run(following))
        except tf.errors.OutOfRangeError:
            pass
        return found

    return take


def eagerly(function):
    with context.eager_mode():
        made = nest.flatten(function())
        return [part.numpy() if hasattr(part, "numpy") else part for part in made]


def spread(values):
    """What does not depend on the seed: the shape, and whether all values differ."""
    shape = tf.shape(values)
    return [shape, tf.size(tf.unique(tf.reshape(values, [-1]))[0]) > 2]


def file_of(text):
    path = os.path.join(tempfile.mkdtemp(), "file.txt")
    with open(path, "w") as file:
        file.write(text)
    return path


def checkpoint():
    """A checkpoint of two variables, made in a graph of its own."""
    path = os.path.join(tempfile.mkdtemp(), "saved")
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("a", initializer=ramp(3))
        tf.get_variable("scope/b", initializer=ramp(2, 2))
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, path)


def records(count=5):
    """A file of tf.train.Example, each with a number and a word."""
    path = os.path.join(tempfile.mkdtemp(), "file.tfrecord")
    with tf.python_io.TFRecordWriter(path) as writer:
        for number in range(count):
            features = {
                "x": tf.train.Feature(float_list=tf.train.FloatList(value=[number, 2 * number])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 3])),
                "word": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"word%d" % number])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return path


def data():
    return {"x": tf.constant(ramp(4, 3))}, tf.constant([[0], [1], [1], [0]])


def model_fn(features, labels, mode):
    logits = tf.layers.dense(features["x"], 1, kernel_initializer=tf.ones_initializer())
    if labels is None:
        return tf.estimator.EstimatorSpec(mode, {"logits": logits})
    loss = tf.losses.sigmoid_cross_entropy(labels, logits)
    step = tf.train.get_global_step()
    train_op = tf.train.GradientDescentOptimizer(0.1).minimize(loss, step)
    return tf.estimator.EstimatorSpec(mode, {"logits": logits}, loss, train_op)


def fit(estimator, data=data):
    """What an Estimator says of constant data after ten steps."""
    estimator.train(data, steps=10)
    found = estimator.evaluate(data, steps=1)
    return [(key, found[key]) for key in sorted(found)]


def head(made):
    """The loss that a head makes of logits."""
    labels = [[0, 1, 1]] * 4 if "MultiLabel" in type(made).__name__ else [[0], [1], [1], [0]]
    spec = made.create_estimator_spec(
        {"x": tf.constant(ramp(4, 3))},
        tf.estimator.ModeKeys.TRAIN,
        tf.constant(ramp(4, made.logits_dimension)),
        tf.constant(labels),
        train_op_fn=lambda loss: tf.no_op(),
    )
    return spec.loss


def distribution(made, x, names):
    """Some of a distribution's methods."""
    found = []
    for name in names.split():
        method = getattr(made, name)
        found.append(method(x) if "prob" in name or "cdf" in name or "surv" in name else method())
    return found


def bijector(made, x, ndims):
    x = tf.convert_to_tensor(x)
    y = made.forward(x)
    jacobians = [made.forward_log_det_jacobian(x, ndims), made.inverse_log_det_jacobian(y, ndims)]
    return [y, made.inverse(tf.identity(y))] + jacobians


def queued(made):
    """A batch that queues fill."""

    def take(session):
        coordinator = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(session, coordinator)
        found = session.run(made)
        coordinator.request_stop()
        coordinator.join(threads, stop_grace_period_secs=1, ignore_live_threads=True)
        return [len(nest.flatten(found)), np.shape(nest.flatten(found)[0])]

    return take


def fails(function):
    """How a call ends that ends in an error."""
    try:
        function()
    except (Exception, SystemExit) as error:
        return type(error).__name__


def saved(**objects):
    """The names under which a checkpoint has what objects hold."""

    def take(session):
        path = os.path.join(tempfile.mkdtemp(), "saved")
        path = tf.train.Checkpoint(**objects).save(path)
        return [name for name, _ in tf.train.list_variables(path)]

    return take


def hooked(*hooks, **keywords):
    """The step at which hooks end a training of five steps, and what they keep."""
    step = tf.train.get_or_create_global_step()
    train = keywords.get("train", tf.assign_add(step, 1))
    graph = tf.get_default_graph()

    def take(session):
        with graph.as_default(), tf.train.MonitoredSession(hooks=list(hooks)) as trained:
            last = 0
            while last < 5 and not trained.should_stop():
                last = trained.run([train, step])[1]
        return last

    return take


def monitored(monitor):
    estimator = tf.estimator.Estimator(model_fn)
    return tf.contrib.learn.monitors.replace_monitors_with_hooks([monitor], estimator)


def apart(function):
    """Returns what a function gives in a graph of its own, which nothing runs."""
    with tf.Graph().as_default():
        return function()


def events(folder):
    """What a folder's files hold: the step and the tag of summaries, and graphs."""
    tf.summary.FileWriterCache.clear()
    found = []
    for name in sorted(os.listdir(folder)):
        if "tfevents" in name:
            for event in tf.train.summary_iterator(os.path.join(folder, name)):
                found += ["%d:%s" % (event.step, one.tag) for one in event.summary.value]
                found += ["graph"] if event.graph_def else []
    return found


def written(write, make=tf.contrib.summary.create_file_writer):
    """What is written by summaries of contrib; `write` makes them, or a function of a session."""
    folder = tempfile.mkdtemp()
    tf.train.get_or_create_global_step()
    writer = make(folder)
    with writer.as_default(), tf.contrib.summary.always_record_summaries():
        made = write()

    def take(session):
        session.run(tf.contrib.summary.summary_writer_initializer_op())
        with writer.as_default():
            made(session) if callable(made) else session.run(made)
        session.run(writer.flush())
        return events(folder)

    return take


def trained(**keywords):
    """An Estimator after three steps."""
    return tf.estimator.Estimator(model_fn, **keywords).train(data, steps=3)


def serving():
    given = {"x": tf.placeholder(tf.float32, [None, 3])}
    return tf.estimator.export.ServingInputReceiver(given, given)


def descent():
    """An operation that trains a layer, in the way of slim."""
    start = tf.ones_initializer()
    out = tf.contrib.layers.fully_connected(ramp(4, 3), 2, weights_initializer=start)
    loss = tf.reduce_sum(tf.square(out))
    return tf.contrib.training.create_train_op(loss, tf.train.GradientDescentOptimizer(0.1))


def a_database():
    path = os.path.join(tempfile.mkdtemp(), "data")
    with sqlite3.connect(path) as base:
        base.execute("create table own (n integer, word text)")
        base.executemany("insert into own values (?, ?)", [(1, "one"), (2, "two")])
    return path


def twice(x):
    return x * 2


def learn_fn(features, labels, mode):
    """A model of contrib.learn, which starts from ones."""
    spec = model_fn(features, labels, mode)
    return tf.contrib.learn.ModelFnOps(mode, spec.predictions["logits"], spec.loss, spec.train_op)


def calls():
    """Yields (symbol's name, expression)."""
    with open(os.path.join(HERE, "calls.txt")) as file:
        for line in file:
            if line.startswith("["):
                places = line.strip("[]\n").split()
            elif line.strip() and not line.startswith("#"):
                names, text = line.strip().split(None, 1)
                for place in places:
                    for name in names.split(","):
                        yield "%s.%s" % (place, name), text


def resolve(name):
    found = tf
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return found


def main(parts):
    for name, text in calls():
        if not parts or any(part in name for part in parts):
            try:
                values, variables = evaluate(text, resolve(name))
            except Exception as error:
                values, variables = "%s: %s" % (type(error).__name__, str(error).split("\n")[0]), ""
            print("%s\t%s\t%s" % (name, values, variables))
            sys.stdout.flush()


if __name__ == "__main__":
    tf.logging.set_verbosity(tf.logging.ERROR)
    main(sys.argv[1:])
