"""Stands for `tf.estimator`: the Estimators of tensorflow-estimator 2.15.0, without those for TPUs.

That package, the last of its kind, no longer imports beside today's TensorFlow: it takes from there
the decorator that registers its public names, a module about TPUs and one about distribution.
"""

import functools
import importlib
import importlib.util
import os
import sys
import types

_PACKAGE = "tensorflow_estimator.python.estimator"
_FILES = (
    "canned.baseline",
    "canned.dnn",
    "canned.dnn_linear_combined",
    "canned.head",
    "canned.kmeans",
    "canned.linear",
    "canned.parsing_utils",
    "early_stopping",
    "estimator",
    "export.export_lib",
    "exporter",
    "extenders",
    "head.binary_class_head",
    "head.multi_class_head",
    "head.multi_head",
    "head.multi_label_head",
    "head.regression_head",
    "hooks.basic_session_run_hooks",
    "hooks.hooks",
    "hooks.session_run_hook",
    "inputs.inputs",
    "keras_lib",
    "mode_keys",
    "model_fn",
    "run_config",
    "training",
)


def _register(names):
    """Returns what stands for the decorator `estimator_export`; it writes into the dict `names`."""

    def estimator_export(*symbols, v1=None):
        def register(value):
            names.update(dict.fromkeys(symbols if v1 is None else v1, value))
            return value

        return register

    return estimator_export


def _module(name, **names):
    module = types.ModuleType(name)
    module.__dict__.update(names)
    sys.modules[name] = module


def _distributes(*arguments, **keywords):
    """Says whether a run is spread over machines by what 1.15 called a distribute coordinator."""
    return False


@functools.lru_cache(maxsize=None)
def _names():
    """Returns dict from a public name, such as "estimator.Estimator", to what it means."""
    names = {}
    folder = importlib.util.find_spec("tensorflow_estimator").submodule_search_locations[0]
    for package in ("", ".python", ".python.estimator"):
        path = os.path.join(folder, *package.split("."))
        _module(f"tensorflow_estimator{package}", __path__=[path])  # without its __init__
    _module(f"{_PACKAGE}.estimator_export", estimator_export=_register(names))
    _module(
        "tensorflow.python.distribute.estimator_training",
        init_run_config=lambda config, tf_config: None,
        should_run_distribute_coordinator=_distributes,
        estimator_spec_has_distribute_coordinator=_distributes,
    )
    for file in _FILES:
        importlib.import_module(f"{_PACKAGE}.{file}")
    return names


def _package(name):
    """Returns one of the modules inside `tf.estimator`, such as "estimator.inputs", or None."""
    inside = {
        key[len(name) + 1 :]: value
        for key, value in _names().items()
        if key.startswith(f"{name}.") and "." not in key[len(name) + 1 :]
    }
    if not inside:
        return None
    module = types.ModuleType(name.replace("estimator", _PACKAGE, 1))  # its files are found there
    module.__dict__.update(inside)
    return module


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    if name == "KMeansClustering":  # contrib's name of it
        name = "experimental.KMeans"
    found = _names().get(f"estimator.{name}") or _package(f"estimator.{name}")
    if found is not None:
        return found
    try:
        return importlib.import_module(f"{_PACKAGE}.{name}")  # tensorflow.python.estimator.model_fn
    except ModuleNotFoundError:
        raise AttributeError(name) from None
