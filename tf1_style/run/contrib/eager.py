"""Stands for `tf.contrib.eager`, of which TensorFlow keeps most."""

import tensorflow.compat.v1 as tf
from tensorflow.python.ops import resource_variable_ops

from tf1_style.run.contrib import eager_metrics as metrics  # noqa: F401
from tf1_style.run.contrib import names_of

_BACKPROP = "tensorflow.python.eager.backprop"
__getattr__ = names_of(
    "tensorflow.compat.v1",
    "tensorflow.python.eager.context",
    "tensorflow.compat.v1.config.experimental",
    "tensorflow.python.ops.variable_scope",
    _BACKPROP,
    implicit_gradients=f"{_BACKPROP}.implicit_grad",
    implicit_value_and_gradients=f"{_BACKPROP}.implicit_val_and_grad",
    gradients_function=f"{_BACKPROP}.gradients_function",
    value_and_gradients_function=f"{_BACKPROP}.val_and_grad_function",
    in_eager_mode="tensorflow.executing_eagerly",
    defun="tensorflow.function",
    function="tensorflow.function",
    py_func="tensorflow.compat.v1.py_function",
    TensorSpec="tensorflow.TensorSpec",
    Checkpoint="tensorflow.compat.v1.train.Checkpoint",
    Sequential="tensorflow.compat.v1.keras.Sequential",
    Checkpointable="tensorflow.python.trackable.autotrackable.AutoTrackable",
    make_template="tensorflow.compat.v1.make_template",
)
DEVICE_PLACEMENT_EXPLICIT = 0
DEVICE_PLACEMENT_WARN = 1
DEVICE_PLACEMENT_SILENT = 2


class Variable(resource_variable_ops.ResourceVariable):
    """A resource variable, in graphs too."""


class Network(tf.keras.Model):
    """A model that is told of its layers."""

    def track_layer(self, layer):
        setattr(self, f"_layer_{len(self.layers)}", layer)
        return layer


def Iterator(dataset):
    """Iterates over a data set; has `next` as the iterators of 2018 had."""
    return iter(dataset)


def num_gpus():
    return len(tf.config.experimental.list_physical_devices("GPU"))


def list_devices():
    return [device.name for device in tf.config.experimental.list_logical_devices()]


def run(main=None, argv=None):
    """Turns eager execution on and runs the program's main."""
    tf.enable_eager_execution()
    tf.app.run(main, argv)


class Saver:
    """Saves and restores variables of eager execution by their names."""

    def __init__(self, var_list):
        if isinstance(var_list, dict):
            var_list = list(var_list.values())
        self._saver = tf.train.Saver(var_list)

    def save(self, file_prefix, global_step=None):
        return self._saver.save(
            None, file_prefix, global_step, write_meta_graph=False, write_state=True
        )

    def restore(self, file_prefix):
        self._saver.restore(None, file_prefix)


def get_optimizer_variables(optimizer):
    return optimizer.variables()
