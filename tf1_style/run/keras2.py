"""The package `keras` as an old program knows it, Keras 2: served by tf_keras.

Keras 2 still took the arguments of Keras 1 (`Dense(output_dim=10, init="uniform")`,
`Convolution2D(32, 3, 3, border_mode="same")`, `fit(nb_epoch=2)`), so tf_keras takes them here.
"""

import functools
import types

import tensorflow.compat.v1 as tf

from tf1_style.run import input_data, modules

VERSION = "2.3.1"

# Where Keras 2 had a module of its own for what tf_keras has in one.
MODULES = {
    "keras.backend.tensorflow_backend": "backend",
    "keras.engine": "models layers",
    "keras.initializations": "initializers",
    "keras.objectives": "losses",
    "keras.utils.generic_utils": "utils",
    "keras.utils.io_utils": "utils",
    "keras.utils.np_utils": "utils",
    "keras.utils.vis_utils": "utils",
    **{
        f"keras.engine.{name}": "models layers"
        for name in "base_layer input_layer network sequential topology training".split()
    },
    **{
        f"keras.layers.{name}": "layers"
        for name in (
            "advanced_activations convolutional core cudnn_recurrent embeddings local merge noise "
            "normalization pooling recurrent wrappers"
        ).split()
    },
}

# Argument of Keras 1 -> of Keras 2.
_ARGUMENTS = {
    "W_constraint": "kernel_constraint",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "b_constraint": "bias_constraint",
    "b_regularizer": "bias_regularizer",
    "beta_init": "beta_initializer",
    "bias": "use_bias",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "dropout_U": "recurrent_dropout",
    "dropout_W": "dropout",
    "gamma_init": "gamma_initializer",
    "init": "kernel_initializer",
    "inner_activation": "recurrent_activation",
    "inner_init": "recurrent_initializer",
    "nb_filter": "filters",
    "p": "rate",
    "pool_length": "pool_size",
    "stride": "strides",
    "subsample": "strides",
    "subsample_length": "strides",
}
_VALUES = {"tf": "channels_last", "th": "channels_first", "zero": "zeros", "one": "ones"}
_LAYERS = (
    "AveragePooling1D AveragePooling2D BatchNormalization Conv1D Conv2D Conv2DTranspose Dense "
    "Dropout Embedding GRU LSTM MaxPooling1D MaxPooling2D SimpleRNN UpSampling2D ZeroPadding2D"
).split()


class _Merge(modules.Namespace):
    """`keras.layers.merge`: a module of Keras 2, a function of Keras 1."""

    def __call__(self, inputs, mode="sum", concat_axis=-1, dot_axes=-1, **keywords):
        if mode == "concat":
            return self.concatenate(inputs, axis=concat_axis, **keywords)
        if mode == "dot":
            return self.dot(inputs, axes=dot_axes, **keywords)
        names = {"sum": "add", "mul": "multiply", "ave": "average", "max": "maximum"}
        return getattr(self, names[mode])(inputs, **keywords)


class _History(dict):
    """What `fit` returns: the accuracy is `acc` in one version of Keras, `accuracy` in another."""

    def __missing__(self, name):
        other = name.replace("accuracy", "acc") if "accuracy" in name else f"{name}uracy"
        if not name.endswith(("acc", "accuracy")) or other not in self:
            raise KeyError(name)
        return self[other]


@functools.lru_cache(maxsize=None)
def load():
    """Returns the old program's `keras`."""
    extend(tf.keras)
    namespace = modules.Namespace("keras", tf.keras, find)
    modules.known(namespace)["__version__"] = VERSION
    return namespace


def find_module(name):
    """Returns the module that an old program imports by a name under `keras`, or None."""
    if name == "keras":
        return load()
    parent, _, last = name.rpartition(".")
    value = getattr(find_module(parent), last, None)
    return value if isinstance(value, types.ModuleType) else None


def find(name, today):
    """Returns what an old program means by a dotted name; raises LookupError."""
    last = name.rpartition(".")[2]
    if name in MODULES:
        found = types.ModuleType(name)
        for part in MODULES[name].split():
            module = getattr(tf.keras, part)
            found.__dict__.update({key: getattr(module, key) for key in dir(module)})
        kind = _Merge if last == "merge" else modules.Namespace
        return kind(name, found, find)
    if name in _NAMES:
        return _NAMES[name]
    if last.startswith("__") or not hasattr(today, last):
        raise LookupError(name)
    found = getattr(today, last)
    return modules.Namespace(name, found, find) if isinstance(found, types.ModuleType) else found


_BACKEND = {
    "image_dim_ordering": lambda: "tf",
    "set_image_dim_ordering": lambda ordering: tf.keras.backend.set_image_data_format(
        _VALUES[ordering]
    ),
}
_NAMES = {
    "keras.datasets.mnist": input_data.keras_dataset("mnist"),
    "keras.datasets.fashion_mnist": input_data.keras_dataset("fashion_mnist"),
    "keras.constraints.maxnorm": tf.keras.constraints.MaxNorm,
    "keras.constraints.max_norm": tf.keras.constraints.MaxNorm,
    "keras.constraints.nonneg": tf.keras.constraints.NonNeg,
    "keras.constraints.unitnorm": tf.keras.constraints.UnitNorm,
    "keras.models.Input": tf.keras.Input,
    **{f"keras.backend.{name}": value for name, value in _BACKEND.items()},
    **{f"keras.backend.tensorflow_backend.{name}": value for name, value in _BACKEND.items()},
}


@functools.lru_cache(maxsize=None)
def extend(keras):
    """Lets tf_keras take what earlier versions of Keras took.

    Its classes are extended in place, because layers, models and saved files know them by identity.
    """
    for name in _LAYERS:
        _take_old_arguments(getattr(keras.layers, name))
    keep_apply(keras)
    model, sequential = keras.models.Model, keras.models.Sequential
    from tf_keras.src.engine.functional import Functional

    ends = {"input": "inputs", "output": "outputs"}
    model.__new__ = staticmethod(_renamed(model.__new__, **ends))
    for kind in (model, Functional):
        kind.__init__ = _renamed(kind.__init__, **ends)
    sequential.predict_proba = lambda self, *a, **k: self.predict(*a, **k)
    sequential.predict_classes = _predict_classes
    begin = keras.callbacks.History.on_train_begin

    def on_train_begin(self, logs=None):
        begin(self, logs)
        self.history = _History()

    keras.callbacks.History.on_train_begin = on_train_begin


def convolve_by(conv2d):
    """Lets the layers that are plain convolutions call the old program's `tf.nn.conv2d`: those of
    tf_keras, and those that TensorFlow has kept, which tf_slim calls."""
    from tensorflow.python.keras.layers.convolutional import Conv as KeptConv
    from tf_keras.src.layers.convolutional.base_conv import Conv

    convolve, build = Conv.convolution_op, KeptConv.build

    def rows(self, inputs, kernel):
        return conv2d(inputs, kernel, [1, 1, 1, 1], "VALID", name=type(self).__name__)

    def convolution_op(self, inputs, kernel):
        return (rows if _is_plain(self) else convolve)(self, inputs, kernel)

    def build_with_rows(self, input_shape):
        build(self, input_shape)
        if _is_plain(self):
            self._convolution_op = functools.partial(rows, self)

    Conv.convolution_op, KeptConv.build = convolution_op, build_with_rows


def _is_plain(layer):
    options = (layer.rank, layer.padding, layer.data_format, layer.groups)
    steps = (*layer.strides, *layer.dilation_rate)
    return options == (2, "valid", "channels_last", 1) and set(steps) == {1}


def keep_apply(keras):
    keras.layers.Layer.apply = lambda self, inputs, *a, **k: self(inputs, *a, **k)


def _predict_classes(self, *arguments, **keywords):
    scores = self.predict(*arguments, **keywords)
    return scores.argmax(-1) if scores.shape[-1] > 1 else (scores > 0.5).astype("int32")


def _renamed(function, **names):
    @functools.wraps(function)
    def with_old_names(*arguments, **keywords):
        keywords = {names.get(name, name): value for name, value in keywords.items()}
        return function(*arguments, **keywords)

    return with_old_names


def _take_old_arguments(layer):
    initialize = layer.__init__
    names = dict(_ARGUMENTS)
    if layer.__name__ != "Embedding":
        names["output_dim"] = "units"
    if layer.__name__ == "Embedding":
        names["init"] = "embeddings_initializer"

    @functools.wraps(initialize)
    def __init__(self, *arguments, **keywords):
        if len(arguments) == 3 and "Conv2D" in layer.__name__:
            arguments = (arguments[0], arguments[1:])
        if "nb_row" in keywords:
            keywords["kernel_size"] = (keywords.pop("nb_row"), keywords.pop("nb_col"))
        for name in {"consume_less", "mode"} & set(keywords):
            keywords.pop(name)  # what only changed the speed
        keywords = {
            names.get(name, name): _VALUES.get(value, value) if isinstance(value, str) else value
            for name, value in keywords.items()
        }
        initialize(self, *arguments, **keywords)

    layer.__init__ = __init__
