"""The two styles are bit-identical, and so are the optimizers of TF2 and TF1."""

import numpy as np
import pytest
from conftest import STYLES, bits, script, tensors

from shared.console import quiet_import
from shared.flags import OPTIMIZERS

with quiet_import(needs_keras=True):
    import keras
    import tensorflow as tf

from tf2_style.training import optimizers


def train_twins(run, tmp_path, name, *flags):
    """Runs both styles; returns the tensors of their checkpoints."""
    checkpoints = []
    for style in STYLES:
        run_dir = tmp_path / style
        command = [script(style, name), "--dataset=digits", "--eval_every=0", "--nolog", *flags]
        run(*command, f"--run_dir={run_dir}")
        checkpoints.append(tensors(run_dir))
    return checkpoints


def assert_same_bits(tf1, tf2):
    """Compares weights by name. The styles name slots differently: those are compared as sets."""
    weights = {name[len("model/") :]: bits(tf2.pop(name)) for name in list(tf2) if "model/" in name}
    scopes = {name: name.split("/")[-1] for name in tf1 if name.split("/")[-1] in weights}
    assert {scopes[name]: bits(tf1.pop(name)) for name in scopes} == weights
    assert sorted(map(bits, tf1.values())) == sorted(map(bits, tf2.values()))


@pytest.mark.proof  # the quick tests have test_parity.py
@pytest.mark.parametrize(("name", "steps"), [("mnist_softmax", 300), ("mnist_deep", 30)])
def test_same_bits(run, tmp_path, name, steps):
    tf1, tf2 = train_twins(run, tmp_path, name, f"--max_steps={steps}")
    assert int(tf1["global_step"]) == steps
    assert_same_bits(tf1, tf2)


@pytest.mark.proof
def test_same_bits_with_other_flags(run, tmp_path):
    """keep_prob is not 0.5, which would hide a mix-up with the dropout rate, 1 - keep_prob."""
    flags = ["--optimizer=rmsprop", "--learning_rate=0.001", "--keep_prob=0.8", "--batch_size=37"]
    flags += ["--batch_order=file", "--validation_size=0", "--seed=5", "--threads=1"]
    assert_same_bits(*train_twins(run, tmp_path, "mnist_deep", "--max_steps=12", *flags))


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_are_bit_identical_to_tf1(name, is_sparse):
    """The variable is compared after each of 20 steps with random gradients.

    A sparse gradient has rows for only some indices, and some indices twice.
    """
    random = np.random.RandomState(1)
    start = random.normal(size=(7, 5)).astype(np.float32)
    gradients = random.normal(size=(20, 7, 5)).astype(np.float32)
    indices = random.randint(0, 7, (20, 7)) if is_sparse else None

    variable = tf.Variable(start)
    optimizer = optimizers.OPTIMIZERS[name]([variable])
    apply = tf.function(optimizer.apply)
    ours = []
    for step, gradient in enumerate(gradients):
        value = tf.constant(gradient)
        if is_sparse:
            value = tf.IndexedSlices(value, tf.constant(indices[step]), tf.constant(start.shape))
        apply([value], 0.01)
        ours.append(variable.numpy())
    expected = _tf1(name, start, gradients, indices)
    assert [bits(step) for step in ours] == [bits(step) for step in expected]


def _tf1(name, start, gradients, indices):
    from tf1_style.training.optimizers import OPTIMIZERS as TF1_OPTIMIZERS

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        variable = v1.Variable(start, use_resource=False)
        gradient, rows = v1.placeholder(tf.float32, start.shape), v1.placeholder(tf.int64, [None])
        value = gradient if indices is None else tf.IndexedSlices(gradient, rows, start.shape)
        train_op = TF1_OPTIMIZERS[name](0.01).apply_gradients([(value, variable)])
        session.run(v1.global_variables_initializer())
        for step, array in enumerate(gradients):
            feed = {gradient: array} if indices is None else {gradient: array, rows: indices[step]}
            session.run(train_op, feed)
            yield session.run(variable)


KERAS = {
    "sgd": lambda: keras.optimizers.SGD(0.01),
    "momentum": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "nesterov": lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    "rmsprop_keras": lambda: keras.optimizers.RMSprop(0.01),
    # Keras adds its epsilon under the root too; TensorFlow 1's kernel has none.
    "adagrad": lambda: keras.optimizers.Adagrad(0.01, epsilon=0.0),
    "adam": lambda: keras.optimizers.Adam(0.01, epsilon=1e-8),
}


def _weights_after(make_update, steps=30):
    """Returns the weights after some steps of `make_update(variable)`, from a fixed start."""
    random = np.random.RandomState(2)
    variable = tf.Variable(random.normal(size=(7, 5)).astype(np.float32))
    update = make_update(variable)
    for _ in range(steps):
        update(tf.constant(random.normal(size=(7, 5)).astype(np.float32)))
    return variable.numpy()


def _ours(name):
    def make_update(variable):
        optimizer = optimizers.OPTIMIZERS[name]([variable])
        return lambda gradient: optimizer.apply([gradient], 0.01)

    return _weights_after(make_update)


def _keras(optimizer):
    def make_update(variable):
        return lambda gradient: optimizer.apply_gradients([(gradient, variable)])

    return _weights_after(make_update)


@pytest.mark.parametrize("name", KERAS)
def test_keras_defines_the_same_update(name):
    """Given TF1's constants. Keras rounds differently, so the bits differ."""
    np.testing.assert_allclose(_ours(name), _keras(KERAS[name]()), rtol=2e-5, atol=2e-6)


def test_keras_makes_sparse_gradients_dense():
    """Only one row has a gradient in each step; the mean square of the others decays."""
    random = np.random.RandomState(3)
    rows = random.normal(size=(30, 1, 5)).astype(np.float32)
    weights = []
    for make in (optimizers.OPTIMIZERS["rmsprop_keras"], lambda _: keras.optimizers.RMSprop(0.01)):
        variable = tf.Variable(tf.ones([3, 5]))
        optimizer = make([variable])
        for step, row in enumerate(rows):
            gradient = tf.IndexedSlices(row, tf.constant([step % 3]), tf.constant([3, 5]))
            if isinstance(optimizer, keras.optimizers.Optimizer):
                optimizer.apply_gradients([(gradient, variable)])
            else:
                optimizer.apply([gradient], 0.01)
        weights.append(variable.numpy())
    np.testing.assert_allclose(*weights, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("rmsprop", lambda: keras.optimizers.RMSprop(0.01, rho=0.9, epsilon=1e-10)),
        ("adam", lambda: keras.optimizers.Adam(0.01, epsilon=1e-3)),
    ],
)
def test_keras_defines_another_update(name, optimizer):
    """Keras starts the mean square of RMSprop at 0, TF1 at 1. The epsilon of Adam matters too."""
    assert np.abs(_ours(name) - _keras(optimizer())).max() > 1e-3
