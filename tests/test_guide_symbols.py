"""Every symbol that the guide names is spelt as TensorFlow 1.15.5, 2.21 or Keras spells it."""

import importlib
import re
import subprocess

import pytest
from conftest import ROOT

from compare import guide
from shared.console import quiet_import
from tf1_style.run import old_names, symbols

with quiet_import():
    import tensorflow  # noqa: F401

NAME = re.compile(r"(?<![\w./])(?:tf|keras|absl|slim)(?:\.[A-Za-z_]\w*)+(?![\w*])(?!\.\w)")
MODULES = {
    "tf": ["tensorflow", "tensorflow.compat.v1"],
    "keras": ["keras", "tf_keras"],
    "absl": ["absl"],
    "slim": ["tf_slim"],
}
# Names of Keras before 2.4, which was a package of its own; old programs have them.
OLDER_KERAS = {
    "keras.constraints.maxnorm",
    "keras.constraints.nonneg",
    "keras.constraints.unitnorm",
    "keras.engine",
    "keras.engine.topology",
    "keras.initializations",
    "keras.initializers.normal",
    "keras.initializers.one",
    "keras.initializers.uniform",
    "keras.initializers.zero",
    "keras.layers.ConvRecurrent2D",
    "keras.layers.Deconvolution2D",
    "keras.layers.Highway",
    "keras.layers.MaxoutDense",
    "keras.layers.Merge",
    "keras.layers.TimeDistributedDense",
    "keras.layers.merge",
    "keras.layers.normalization",
    "keras.losses.cosine",
    "keras.losses.cosine_proximity",
    "keras.mixed_precision.experimental",
    "keras.models.Graph",
    "keras.objectives",
    "keras.optimizers.adam",
    "keras.optimizers.rmsprop",
    "keras.optimizers.sgd",
    "keras.regularizers.ActivityRegularizer",
    "keras.regularizers.WeightRegularizer",
    "keras.regularizers.l1l2",
    "keras.utils.multi_gpu_model",
    "keras.utils.np_utils",
    "keras.utils.plot",
    "keras.utils.visualize_util",
    "keras.wrappers.scikit_learn",
    "tf.keras.losses.mean_squared_error",
}
IN_MESSAGES = {"tf.Variables"}  # "singleton tf.Variables", says TensorFlow
# Lazy names, which neither 2.21 nor the table of symbols shows; a legacy test looks at 1.15.5.
ONLY_IN_1_15 = {
    "tf.compat.v1.layers.conv2d": "tf.compat.v1.layers.conv2d",
    "tf.estimator.inputs.numpy_input_fn": "tf.estimator.inputs.numpy_input_fn",
    "tf.nn.rnn_cell.BasicLSTMCell": "tf.nn.rnn_cell.BasicLSTMCell",
    "keras.backend.get_session": "tf.keras.backend.get_session",
}
LEGACY = ROOT / ".venv-tf115" / "bin" / "python"


def has(module, parts):
    """Whether an installed module has a dotted name."""
    value = importlib.import_module(module)
    for number, part in enumerate(parts, start=1):
        if not hasattr(value, part):
            try:
                importlib.import_module(".".join([module, *parts[:number]]))
            except ImportError:
                return False
        value = getattr(value, part)
    return True


def is_spelt_right(name):
    root, *parts = name.split(".")
    old = ["tensorflow", *(["contrib", "slim"] if root == "slim" else []), *parts]
    return any(has(module, parts) for module in MODULES[root]) or (
        root in ("tf", "slim")
        and (symbols.was_there(".".join(old)) or ".".join(old) in old_names.NAMES)
    )


@pytest.fixture(scope="module")
def names():
    """Every name of the guide, and the page of the one that was found last."""
    pages = {entry.page for entry in guide.entries()}
    return {name: page.name for page in pages for name in NAME.findall(page.read_text())}


def test_every_symbol_exists(names):
    assert len(names) > 400
    wrong = {name: page for name, page in names.items() if not is_spelt_right(name)}
    assert wrong.keys() <= IN_MESSAGES | OLDER_KERAS | ONLY_IN_1_15.keys(), wrong


@pytest.mark.legacy
@pytest.mark.skipif(not LEGACY.exists(), reason="TensorFlow 1.15.5 is not in .venv-tf115")
def test_the_others_are_in_tensorflow_1():
    code = f"import tensorflow as tf; [{', '.join(ONLY_IN_1_15.values())}]"
    subprocess.run([LEGACY, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    "name",
    ["tf.layers.dnse", "tf.tain.Saver", "keras.layers.Dens", "slim.arg_scop", "tf.Placeholder"],
)
def test_a_misspelt_symbol_is_found(name):
    assert not is_spelt_right(name)
