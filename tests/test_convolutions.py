"""mnist_separable, mnist_inception and their layers, against Keras and against each other."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import STYLES, bits, needs_bfloat16, script, tensors
from PIL import Image

from shared import datasets
from shared.console import quiet_import
from shared.training import Loop

with quiet_import(needs_keras=True):
    import keras
    import tensorflow as tf

    import tf1_style.training.layers
    import tf1_style.training.sequences
    import tf2_style.training.layers
    import tf2_style.training.sequences
    from tf2_style.mnist_inception import MnistInception
    from tf2_style.mnist_separable import MnistSeparable

DIGITS = "--dataset=digits"
RANDOM = np.random.RandomState(3)


def normal(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def in_both_styles(module, name, *arguments):
    """Returns what a function of training/ computes in a session, and eagerly."""
    tf1, tf2 = (getattr(training, module) for training in (tf1_style.training, tf2_style.training))
    eager = getattr(tf2, name)(*arguments).numpy()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        return session.run(getattr(tf1, name)(*arguments)), eager


@pytest.mark.parametrize("stride", [1, 2])
def test_separable_conv2d_is_that_of_keras(stride):
    x, depthwise, pointwise = normal(2, 7, 6, 3), normal(3, 3, 3, 1), normal(1, 1, 3, 5)
    layer = keras.layers.SeparableConv2D(5, 3, stride, padding="same", use_bias=False)
    layer.build(x.shape)
    layer.set_weights([depthwise, pointwise])
    expected = layer(x)
    for ours in in_both_styles("layers", "separable_conv2d", x, depthwise, pointwise, stride):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shape", "dimensions"), [((2, 7, 3), "1D"), ((2, 7, 6, 3), "2D")])
def test_global_average_pool_is_that_of_keras(shape, dimensions):
    x = normal(*shape)
    expected = getattr(keras.layers, f"GlobalAveragePooling{dimensions}")()(x)
    for ours in in_both_styles("sequences", "global_average_pool", x):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


class KerasLayers:
    """Calls Keras's layers with the weights of a model, which it sets to random values."""

    def __init__(self, model):
        self.weights = {}
        for variable in model.trainable_variables:
            variable.assign(normal(*variable.shape) / np.sqrt(np.prod(variable.shape[:-1]) + 1))
            self.weights.setdefault(variable.name.rpartition("/")[0], []).append(variable.numpy())

    def __call__(self, scope, layer, h):
        layer.build(h.shape)
        layer.set_weights(sorted(self.weights.pop(scope), key=np.ndim, reverse=True))  # bias last
        return layer(h)

    def conv(self, scope, h, filters, size, stride=1, activation="relu", kind="Conv2D"):
        layer = getattr(keras.layers, kind)(filters, size, stride, "same", activation=activation)
        return self(scope, layer, h)


@pytest.mark.parametrize("separable", [True, False])
def test_mnist_separable_is_built_as_in_keras(separable):
    model = MnistSeparable(SimpleNamespace(seed=1, loss="", separable=separable))
    keras_layers = KerasLayers(model)
    images = RANDOM.uniform(size=[3, 784]).astype(np.float32)

    h = images.reshape(-1, 28, 28, 1)
    kind = "SeparableConv2D" if separable else "Conv2D"
    for k, filters in enumerate([32, 64, 64, 128, 64, 128], start=1):
        h = keras_layers.conv(f"conv{k}", h, filters, 3, kind=kind)
        if k in (2, 4):
            h = keras.layers.MaxPooling2D(2)(h)
    h = keras.layers.GlobalAveragePooling2D()(h)
    h = keras_layers("fc1", keras.layers.Dense(32, "relu"), h)
    h = keras_layers("fc2", keras.layers.Dense(10), h)

    outputs, layers = model(images, 1.0, 0, False)
    np.testing.assert_allclose(outputs["logits"], h, rtol=1e-4, atol=1e-5)
    assert not keras_layers.weights and layers["conv6"].shape == (3, 7, 7, 128)
    count = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    assert count == (38_867 if separable else 281_706)  # as docs/shapes.md says


@pytest.mark.parametrize(("blocks", "residual"), [(1, True), (2, False)])
def test_mnist_inception_is_built_as_in_keras(blocks, residual):
    flags = SimpleNamespace(seed=1, loss="", filters=4, blocks=blocks, residual=residual)
    model = MnistInception(flags)
    keras_layers = KerasLayers(model)
    images = RANDOM.uniform(size=[3, 784]).astype(np.float32)

    def conv(name, h, size, stride=1, activation="relu", filters=4):
        return keras_layers.conv(name, h, filters, size, stride, activation)

    def wide(name, h):
        return conv(name, h, 3, filters=16)

    x = images.reshape(-1, 28, 28, 1)
    pooled = keras.layers.AveragePooling2D(3, 2, padding="same")(x)
    a = conv("inception/a", x, 1, 2)
    b = conv("inception/b2", conv("inception/b1", x, 1), 3, 2)
    c = conv("inception/c", pooled, 3)
    d = conv("inception/d3", conv("inception/d2", conv("inception/d1", x, 1), 3), 3, 2)
    h = keras.layers.Concatenate()([a, b, c, d])
    for block in [f"block{k + 1}" for k in range(blocks)]:
        y = wide(f"{block}/c", wide(f"{block}/b", wide(f"{block}/a", h)))
        h = y + h if residual else y
    y = keras.layers.MaxPooling2D(2)(wide("strided/b", wide("strided/a", h)))
    if residual:
        y = y + conv("strided/residual", h, 1, 2, None, filters=16)
    h = keras.layers.GlobalAveragePooling2D()(y)
    h = keras_layers("fc", keras.layers.Dense(10), h)

    outputs, layers = model(images, 1.0, 0, False)
    np.testing.assert_allclose(outputs["logits"], h, rtol=1e-4, atol=1e-5)
    assert set(keras_layers.weights) <= {"strided/residual"}  # all are used
    assert layers["inception"].shape == (3, 14, 14, 16) and layers["strided"].shape[1:3] == (7, 7)


@pytest.mark.parametrize("field", [1, 3])
def test_the_filters_that_see_the_most_pixels_are_drawn(field):
    """Not a bias, nor weights that see the outputs of others."""
    weights = {"a/W1": normal(1, 1, 1, 8), "a/W2": normal(5, 5, 8, 4), "a/b": normal(8)}
    weights["a/W3"] = normal(field, field, 1, 9)
    trainer = SimpleNamespace(
        weights=["b/W", *weights],
        layer_shapes=lambda: {"a": [None, 28, 28, 8], "b": [None, 10]},
        values=lambda names: {name: weights[name] for name in names},
    )
    drawn = Loop.first_weights(SimpleNamespace(trainer=trainer))
    assert drawn is weights["a/W3" if field == 3 else "a/W1"]


NAMES = ("mnist_inception", "mnist_separable")


@pytest.mark.proof
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--precision=bfloat16"],
        pytest.param(["--threads=1"], marks=pytest.mark.full),
        pytest.param(["--threads=1", "--precision=bfloat16"], marks=pytest.mark.full),
        pytest.param(["--steps_per_call=10"], marks=pytest.mark.full),
        pytest.param(["--steps_per_call=10", "--precision=bfloat16"], marks=pytest.mark.full),
    ],
)
def test_twins(run, name, flags):
    if "--precision=bfloat16" in flags:
        needs_bfloat16()
    model = ["--blocks=3"] if name == "mnist_inception" else []
    options = [DIGITS, "--max_steps=20", *flags, *model]
    verdict = run("-m", "compare", "parity", name, *options).stdout.splitlines()[-1]
    assert verdict.startswith("bit-identical: loss and ")


@pytest.mark.proof
@pytest.mark.parametrize("flags", [["--noresidual"], ["--noseparable"]])
def test_twins_without_their_subject(run, flags):
    name = "mnist_inception" if flags == ["--noresidual"] else "mnist_separable"
    verdict = run("-m", "compare", "parity", name, DIGITS, "--max_steps=20", *flags).stdout
    assert verdict.splitlines()[-1].startswith("bit-identical: loss and ")


@pytest.mark.full
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_twins_in_500_steps(run, name, precision, mnist_dir):
    if precision == "bfloat16":
        needs_bfloat16()
    options = ["--max_steps=500", f"--data_dir={mnist_dir}", f"--precision={precision}"]
    verdict = run("-m", "compare", "parity", name, *options).stdout.splitlines()[-1]
    assert verdict.startswith("bit-identical: loss and ")


@pytest.mark.proof
@pytest.mark.parametrize("name", NAMES)
def test_resumed_in_the_other_style_exported_and_asked(run, tmp_path, name):
    """The end of a resumed run has the bits of an unbroken one; its export and it give answers."""
    flags = [DIGITS, "--nolog", "--eval_every=0", "--nocsv_log"]
    for style, other in (STYLES, STYLES[::-1]):
        export = f"--export_dir={style}/export"
        run(script(style, name), *flags, "--max_steps=8", f"--run_dir={style}", export)
        resumed = [*flags, f"--run_dir={style}-resumed"]
        run(script(other, name), *resumed, "--max_steps=3")
        run(script(style, name), *resumed, "--max_steps=8")
        unbroken = tensors(tmp_path / style)
        theirs = tensors(tmp_path / f"{style}-resumed", style.split("_")[0])
        assert {k: bits(v) for k, v in unbroken.items()} == {k: bits(v) for k, v in theirs.items()}
    images = datasets.load("digits").test.batch(slice(5))["images"]
    Image.fromarray(255 - np.uint8(images[0].reshape(28, 28) * 255)).save(tmp_path / "digit.png")
    answers = [
        run(script(style, name), "--predict", "digit.png", f"--run_dir={style}").stdout
        for style in STYLES
    ]
    assert answers[0] == answers[1] and answers[0].startswith("digit.png: ")
    exports = [tf.saved_model.load(str(tmp_path / style / "export")) for style in STYLES]
    scores = [
        export.signatures["serving_default"](images=tf.constant(images))["scores"].numpy()
        for export in exports
    ]
    assert bits(scores[0]) == bits(scores[1]) and scores[0].shape == (5, 10)
