"""Stands for `tf.contrib.learn.utils`: how an Estimator of contrib is exported."""

import collections
import inspect
import os
import sys

import tensorflow.compat.v1 as tf

from tf1_style.run import estimator

input_fn_utils = saved_model_export_utils = sys.modules[__name__]  # files of 1.15's package

InputFnOps = collections.namedtuple("InputFnOps", "features labels default_inputs")


class ExportStrategy(
    collections.namedtuple("ExportStrategy", "name export_fn strip_default_attrs")
):
    """A name, and a function that exports an Estimator."""

    def __new__(cls, name, export_fn, strip_default_attrs=None):
        return super().__new__(cls, name, export_fn, strip_default_attrs)

    def export(self, estimator, export_path, checkpoint_path=None, eval_result=None):
        given = {
            "checkpoint_path": checkpoint_path,
            "eval_result": eval_result,
            "strip_default_attrs": self.strip_default_attrs,
        }
        taken = inspect.signature(self.export_fn).parameters
        keywords = {name: given[name] for name in given if name in taken}
        return self.export_fn(estimator, export_path, **keywords)


def receiver_of(input_fn):
    """Returns what `tf.estimator` takes for a function that returns InputFnOps."""

    def receive():
        ops = input_fn()
        if not isinstance(ops, InputFnOps):
            return ops
        return estimator.export.ServingInputReceiver(ops.features, ops.default_inputs)

    return receive


def build_parsing_serving_input_fn(feature_spec, default_batch_size=None):
    """Returns a function of no arguments that parses serialized examples."""

    def input_fn():
        serialized = tf.placeholder(tf.string, [default_batch_size], "input_example_tensor")
        features = tf.parse_example(serialized, feature_spec)
        return InputFnOps(features, None, {"examples": serialized})

    return input_fn


def build_default_serving_input_fn(features, default_batch_size=None):
    """Returns a function of no arguments that takes the features themselves."""

    def input_fn():
        found = {
            name: tf.placeholder(tensor.dtype, [default_batch_size, *tensor.shape[1:]], name)
            for name, tensor in features.items()
        }
        return InputFnOps(found, None, found)

    return input_fn


def make_export_strategy(
    serving_input_fn,
    default_output_alternative_key=None,
    assets_extra=None,
    as_text=False,
    exports_to_keep=5,
    strip_default_attrs=None,
):
    """Returns an ExportStrategy that writes SavedModels, and keeps the last of them."""

    def export_fn(estimator, export_dir_base, checkpoint_path=None, strip_default_attrs=None):
        path = estimator.export_savedmodel(
            export_dir_base,
            serving_input_fn,
            assets_extra=assets_extra,
            as_text=as_text,
            checkpoint_path=checkpoint_path,
        )
        base = os.fsdecode(export_dir_base)
        kept = sorted(name for name in os.listdir(base) if name.isdigit())
        for name in kept[: -exports_to_keep or None] if exports_to_keep else ():
            tf.gfile.DeleteRecursively(os.path.join(base, name))
        return path

    return ExportStrategy("Servo", export_fn, strip_default_attrs)
