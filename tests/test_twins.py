"""The two styles compute the same bits, and TF2's optimizers are those of TF1."""

import numpy as np
import pytest
from conftest import STYLES, bits, script, tensors

from shared.console import quiet_import
from shared.flags import OPTIMIZERS

with quiet_import():
    import keras
    import tensorflow as tf

from tf2_style import optimizers


def train_twins(run, tmp_path, name, *flags):
    """Runs both styles; returns what their checkpoints hold."""
    held = []
    for style in STYLES:
        run_dir = tmp_path / style
        command = [script(style, name), "--dataset=digits", "--eval_every=0", "--nolog", *flags]
        run(*command, f"--run_dir={run_dir}")
        held.append(tensors(run_dir))
    return held


def assert_same_bits(tf1, tf2):
    """Weights by their names; slots, which the styles name differently, as a whole."""
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
    """With keep_prob 0.8: at 0.5 it is the same number as the rate, and x / 0.5 is x * 2."""
    flags = ["--optimizer=rmsprop", "--learning_rate=0.001", "--keep_prob=0.8", "--batch_size=37"]
    flags += ["--batch_order=file", "--validation_size=0", "--seed=5", "--threads=1"]
    assert_same_bits(*train_twins(run, tmp_path, "mnist_deep", "--max_steps=12", *flags))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_update_is_that_of_tf1(name):
    """Step by step, bit for bit, from any gradients."""
    random = np.random.RandomState(1)
    start = random.normal(size=(7, 5)).astype(np.float32)
    gradients = random.normal(size=(20, 7, 5)).astype(np.float32)

    variable = tf.Variable(start)
    optimizer = optimizers.OPTIMIZERS[name]([variable])
    ours = []
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient)], 0.01)
        ours.append(variable.numpy())
    assert [bits(step) for step in ours] == [bits(step) for step in _tf1(name, start, gradients)]


def _tf1(name, start, gradients):
    from tf1_style.optimizers import OPTIMIZERS as TF1_OPTIMIZERS

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        variable = v1.Variable(start, use_resource=False)
        gradient = v1.placeholder(tf.float32, start.shape)
        train_op = TF1_OPTIMIZERS[name](0.01).apply_gradients([(gradient, variable)])
        session.run(v1.global_variables_initializer())
        for value in gradients:
            session.run(train_op, {gradient: value})
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


def _after(optimizer_of, steps=30):
    """The weights after some steps with an update `optimizer_of(variable)`, from one start."""
    random = np.random.RandomState(2)
    variable = tf.Variable(random.normal(size=(7, 5)).astype(np.float32))
    update = optimizer_of(variable)
    for _ in range(steps):
        update(tf.constant(random.normal(size=(7, 5)).astype(np.float32)))
    return variable.numpy()


def _ours(name):
    def optimizer_of(variable):
        optimizer = optimizers.OPTIMIZERS[name]([variable])
        return lambda gradient: optimizer.apply([gradient], 0.01)

    return _after(optimizer_of)


def _keras(optimizer):
    def optimizer_of(variable):
        return lambda gradient: optimizer.apply_gradients([(gradient, variable)])

    return _after(optimizer_of)


@pytest.mark.parametrize("name", KERAS)
def test_keras_defines_the_same_update(name):
    """With TF1's constants; it rounds otherwise, so the bits differ."""
    np.testing.assert_allclose(_ours(name), _keras(KERAS[name]()), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("rmsprop", lambda: keras.optimizers.RMSprop(0.01, rho=0.9, epsilon=1e-10)),
        ("adam", lambda: keras.optimizers.Adam(0.01, epsilon=1e-3)),
    ],
)
def test_keras_defines_another_update(name, optimizer):
    """RMSprop starts its mean square at 0, TF1's at 1; and an epsilon matters."""
    assert np.abs(_ours(name) - _keras(optimizer())).max() > 1e-3
