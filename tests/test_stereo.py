"""stereo_xception: its pictures, Xception against Keras, and the twins against each other."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import STYLES, bits, needs_bfloat16, result, script, tensors

from shared.console import quiet_import
from shared.datasets import stereo

with quiet_import(needs_keras=True):
    import keras
    import tensorflow as tf

    import tf1_style.training.layers
    import tf1_style.training.xception
    import tf2_style.training.layers
    import tf2_style.training.xception

v1 = tf.compat.v1
NAME = "stereo_xception"
FLAGS = ["--dataset=digits", "--nolog", "--eval_every=0"]


@pytest.fixture(autouse=True)
def few_examples(monkeypatch):
    monkeypatch.setattr(stereo, "COUNTS", (300, 10, 20))


def load(side, seed=3):
    flags = SimpleNamespace(dataset="digits", data_dir="", image=side, seed=seed)
    return stereo.load(flags)


@pytest.mark.parametrize(("side", "zoom"), [(71, 1), (150, 2), (250, 3)])
def test_the_digit_moves_by_the_disparity(side, zoom):
    train = load(side).train
    assert set(train.arrays["disparity"]) == set(range(-stereo.LARGEST, stereo.LARGEST + 1))
    batch = train.batch(np.array([5, 7, 200]))
    assert batch["left"].shape == (3, side, side, 3) and batch["left"].dtype == np.float32
    assert batch["left"].min() == -1 and 0.9 < batch["left"].max() <= 1
    for left, right, disparity in zip(*batch.values()):
        assert len(np.unique(left)) > 5
        # Nothing of the digit leaves the picture, so what comes round is background.
        assert bits(np.roll(left, -int(disparity) * zoom, axis=1)) == bits(right)
        assert bits(left[..., 0]) == bits(left[..., 2])


def test_the_pictures_come_from_the_seed():
    first, second, other = load(71), load(71), load(71, seed=4)
    for name in ("train", "validation", "test"):
        parts = [getattr(data, name) for data in (first, second, other)]
        batches = [part.batch(slice(0, 10)) for part in parts]
        assert bits(batches[0]["right"]) == bits(batches[1]["right"]) != bits(batches[2]["right"])
        assert bits(parts[0].part(slice(4, 6)).batch(slice(0, 2))["left"]) == bits(
            batches[0]["left"][4:6]
        )
    assert max(part.stop - part.start for part in first.train.slices()) <= 16


def normalized_twice(layers, batches, session=None):
    """Normalizes two batches with one layer; returns the outputs and the moving averages."""
    layer = layers.BatchNorm(4, scale=True)
    layer.gamma = tf.constant([0.5, 1.0, 1.5, 2.0])
    outputs = [layer(batch, training=True) for batch in batches]
    if session:
        session.run(v1.global_variables_initializer())
        updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        outputs, _ = session.run([outputs, updates])
        return [*outputs, *session.run([layer.mean, layer.variance])]
    return [array.numpy() for array in [*outputs, layer.mean, layer.variance]]


@pytest.mark.parametrize("use_resource", [False, True])
def test_batch_norm_is_that_of_keras_when_it_is_used_twice(monkeypatch, use_resource):
    """The second update follows the first. Both styles agree in each bit."""
    random = np.random.RandomState(1)
    batches = [random.normal(k, k + 1, [5, 3, 2, 4]).astype(np.float32) for k in (0, 2)]
    variable = v1.Variable
    monkeypatch.setattr(
        tf1_style.training.layers.tf,
        "Variable",
        lambda *args, **more: variable(*args, use_resource=use_resource, **more),
    )
    with tf.Graph().as_default(), v1.Session() as session:
        tf1 = normalized_twice(tf1_style.training.layers, batches, session)
    tf2 = normalized_twice(tf2_style.training.layers, batches)
    assert [*map(bits, tf1)] == [*map(bits, tf2)]

    layer = keras.layers.BatchNormalization(momentum=0.99, epsilon=1e-3)
    layer.build([None, 3, 2, 4])
    layer.gamma.assign([0.5, 1.0, 1.5, 2.0])
    expected = [layer(batch, training=True) for batch in batches]
    expected += [layer.moving_mean, layer.moving_variance]
    for ours, theirs in zip(tf2, expected):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("style", STYLES)
def test_several_steps_per_call_are_refused(run, style):
    process = run(script(style, NAME), *FLAGS, "--steps_per_call=2", check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "got --steps_per_call=2, expected 1" in process.stderr


def keras_xception(side):
    """Returns Keras's Xception with random weights that keep signals alive, and these by our names.

    Keras gives the layers of the residual connections no names, so they are found by their order.
    """
    with quiet_import(needs_keras=True):
        model = keras.applications.Xception(
            weights=None, include_top=False, input_shape=[side, side, 3]
        )
    random = np.random.RandomState(2)
    residuals = {"conv2d": iter([2, 3, 4, 13]), "batch_normalization": iter([2, 3, 4, 13])}
    ours = {}
    for layer in (layer for layer in model.layers if layer.weights):
        kind = layer.name.rstrip("_0123456789")
        scope = layer.name.removesuffix("_bn")
        if kind in residuals:
            scope = f"block{next(residuals[kind])}_residual"
        for variable in layer.weights:
            array = random.normal(size=variable.shape)
            name = variable.name.replace("_kernel", "").replace("kernel", "W")
            if name in ("gamma", "moving_variance"):
                array = 1 + 0.4 * np.tanh(array)
            else:  # a kernel, [h, w, channels in, channels out], or a mean
                array /= np.sqrt(np.prod(variable.shape[: 2 if name == "depthwise" else -1]) + 4)
            variable.assign(array)
            ours[f"{scope}/{name}"] = variable.numpy()
    return model, ours


@pytest.mark.proof
def test_xception_is_that_of_keras():
    """The same parameters, and with Keras's weights the same features, to rounding."""
    model, weights = keras_xception(71)
    images = np.random.RandomState(3).uniform(-1, 1, [2, 71, 71, 3]).astype(np.float32)
    expected = model(images, training=False).numpy()
    assert expected.shape == (2, 3, 3, 2048) and 0.1 < expected.std() < 1000

    def named(variables):
        return {variable.name.split(":")[0]: variable for variable in variables}

    ours = []
    with tf.Graph().as_default(), v1.Session() as session:
        xception = tf1_style.training.xception.Xception(1)
        output = xception(tf.constant(images), training=False)
        variables = named(v1.global_variables())
        assert set(variables) == set(weights)
        session.run([v1.assign(variables[name], weights[name]) for name in weights])
        ours.append(session.run(output))
    xception = tf2_style.training.xception.Xception(1)
    assert set(named(xception.variables)) == set(weights)
    for name, variable in named(xception.variables).items():
        variable.assign(weights[name])
    ours.append(tf.function(xception)(tf.constant(images), training=False).numpy())
    count = sum(int(np.prod(variable.shape)) for variable in xception.variables)
    assert count == model.count_params() == 20_861_480
    assert sum("/beta" in name for name in weights) == 36 + 4  # and four residual connections
    for features in ours:
        np.testing.assert_allclose(features, expected, rtol=0, atol=1e-5 * expected.max())


@pytest.mark.proof
def test_no_gradient_is_a_sum_of_three():
    """A residual connection and a layer that is used twice make sums of two."""
    with tf.Graph().as_default() as graph:
        xception = tf1_style.training.xception.Xception(1)
        images = v1.placeholder(tf.float32, [2, None, 71, 71, 3])
        left, right = (xception(images[k], training=True) for k in (0, 1))
        loss = tf.reduce_mean(left * right)
        assert None not in tf.gradients(loss, v1.trainable_variables())
    sums = [len(op.inputs) for op in graph.get_operations() if op.type.startswith("AddN")]
    assert set(sums) == {2}


@pytest.mark.proof
@pytest.mark.parametrize(
    "flags",
    [
        ["--max_steps=20", "--batch_size=2"],
        ["--max_steps=20", "--batch_size=2", "--precision=bfloat16"],
        pytest.param(["--max_steps=1", "--batch_size=2", "--image=250"], marks=pytest.mark.full),
    ],
)
def test_parity(run, flags):
    if "--precision=bfloat16" in flags:
        needs_bfloat16()
    verdict = run("-m", "compare", "parity", NAME, *FLAGS, *flags).stdout.splitlines()[-1]
    assert verdict.startswith("bit-identical: loss and ")


@pytest.mark.full
def test_resume_in_the_other_style(run, tmp_path):
    """The moving averages and the slots of a layer that is used twice cross with the checkpoint."""
    flags = [*FLAGS, "--batch_size=2"]
    run(script("tf1_style", NAME), *flags, "--max_steps=4", "--run_dir=whole")
    run(script("tf2_style", NAME), *flags, "--max_steps=2", "--run_dir=parts")
    run(script("tf1_style", NAME), *flags, "--max_steps=4", "--run_dir=parts")
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts", "tf1")
    assert {k: bits(v) for k, v in whole.items()} == {k: bits(v) for k, v in parts.items()}
    assert result(tmp_path / "whole")["test_loss"] == result(tmp_path / "parts")["test_loss"]


@pytest.mark.full
def test_learns_the_disparity(run, tmp_path):
    """The best constant, 0, has an absolute error of 4.2 pixels."""
    run(script("tf2_style", NAME), *FLAGS, "--run_dir=run")
    assert result(tmp_path / "run")["test_absolute_error"] < 2.0
