"""Stands for `tensorflow.contrib`: one file for each of its packages that old programs use.

Most of them lead to the libraries that keep contrib alive (tf_slim, tf_keras), or to today's names.
"""

import functools
import importlib
import sys
import types

# What tf_slim uses of tensorflow.python -> where it is today.
_MOVED = {
    "framework.ops.Tensor": "tensorflow.Tensor",
    "framework.ops.IndexedSlices": "tensorflow.IndexedSlices",
    "ops.array_ops.stack": "tensorflow.compat.v1.stack",
    "ops.array_ops.unstack": "tensorflow.compat.v1.unstack",
    "ops.control_flow_ops.Assert": "tensorflow.compat.v1.Assert",
    "ops.control_flow_ops.case": "tensorflow.compat.v1.case",
    "ops.control_flow_ops.cond": "tensorflow.compat.v1.cond",
    "ops.control_flow_ops.while_loop": "tensorflow.compat.v1.while_loop",
    "ops.variable_scope.variable": "tensorflow.compat.v1.Variable",
}


@functools.lru_cache(maxsize=None)
def tf_slim():
    """Returns tf_slim, which imports modules of tf_keras and TensorFlow that have moved."""
    import tf_keras.src.legacy_tf_layers as layers

    for name in ("base", "convolutional", "core", "normalization", "pooling"):
        module = importlib.import_module(f"{layers.__name__}.{name}")
        sys.modules[f"tf_keras.legacy_tf_layers.{name}"] = module
    sys.modules["tf_keras.legacy_tf_layers"] = layers
    for old, new in _MOVED.items():
        place, _, name = old.rpartition(".")
        module = importlib.import_module(f"tensorflow.python.{place}")
        if not hasattr(module, name):
            setattr(module, name, resolve(new))
    return importlib.import_module("tf_slim")


def names_of(*places, **renamed):
    """Returns a module's `__getattr__` that looks for a name in today's modules.

    Parameters
    ----------
    places : today's modules, such as "tensorflow.compat.v1.nn"; the first that has the name wins.
    renamed : old name -> dotted path of today's name, such as "tensorflow.python.ops.nn_ops.relu".
    """

    def find(name):
        if name in renamed:
            return resolve(renamed[name])
        for place in () if name.startswith("__") else places:
            try:
                value = resolve(f"{place}.{name}")
            except (AttributeError, ModuleNotFoundError):
                continue
            # What a module has imported for itself is none of its names.
            if not isinstance(value, types.ModuleType) or value.__name__.startswith(f"{place}."):
                return value
        raise AttributeError(name)

    return find


def resolve(path):
    """Returns what a dotted path of today means: a module, or a name in one."""
    if path.startswith("tf_slim"):
        tf_slim()
    place, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(place)
    except ModuleNotFoundError:  # a class, or a module that TensorFlow makes while it loads
        module = resolve(place)
    try:
        return getattr(module, name)
    except AttributeError:
        return importlib.import_module(path)
