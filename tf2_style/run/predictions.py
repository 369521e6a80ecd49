"""Records what a TensorFlow 2 program predicts that does not train, unchanged.

A prediction is a call of Keras's `predict` or `evaluate`, of a layer, of a `tf.function` or of a
function of a SavedModel; the outermost counts. So is a tensor that the program's own line makes an
array of.
"""

import functools
import sys

import numpy as np
import tensorflow as tf
from keras.src.backend.tensorflow.trainer import TensorFlowTrainer
from keras.src.layers.layer import Layer
from tensorflow.python.eager.polymorphic_function.concrete_function import ConcreteFunction
from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function
from tensorflow.python.framework import func_graph, op_callbacks, ops

from shared import user_lines
from shared.recorder import describe

_MOST_OPERATIONS = 20000  # of an eager program; each is kept with its tensors
_NUMBERS = (tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int32, tf.int64, tf.bool)


class PredictionWatcher:
    """Watches the calls of a program.

    Parameters
    ----------
    watcher : tf2_style.run.recording's; it knows the variables.
    """

    def __init__(self, watcher):
        self.watcher, self.recorder = watcher, watcher.recorder
        self.eager = []  # (type, name, inputs, outputs, line) of an eager program's operations

    def install(self):
        for name in ("predict", "predict_on_batch", "evaluate", "test_on_batch"):
            self._watch(TensorFlowTrainer, name, "Model." + name)
        self._watch(Layer, "__call__", "layer")
        self._watch(Function, "__call__", "function")
        self._watch(ConcreteFunction, "__call__", "function")
        self._watch_arrays()
        if self.recorder.wants_predicted_operations:
            self._watch_traces()
            op_callbacks.add_op_callback(self._collect)

    def _watch(self, owner, name, kind):
        method, predicted = getattr(owner, name), self

        @functools.wraps(method)
        def watched(self, *arguments, **keywords):
            if not predicted.is_due():
                return method(self, *arguments, **keywords)

            def call():
                return method(self, *arguments, **keywords)

            return predicted.call((kind, id(self)), (arguments, keywords), call)

        setattr(owner, name, watched)

    def is_due(self):
        made = self.recorder.predictions
        return (
            made is not None
            and not self.watcher.has("is_predicting")
            and not tf.inside_function()
            and not made.is_full
        )

    def call(self, key, given, call):
        """Makes an outermost call, and records it if it computes something."""
        made, initial = self.recorder.predictions, self.watcher.initial
        with self.watcher.flag("is_predicting"):
            before = initial()
            if self.recorder.begin_prediction(before) and self.recorder.disturbs:
                self._disturb()
            result = call()
            inputs = [array for array in _arrays(given) if array.ndim]
            outputs = _arrays(result)
            if self.recorder.predictions is None or not outputs or not (inputs or before):
                return result
            after = initial()
            if after.keys() != before.keys():  # the call has built the model
                made.begin(after)
            made.end(key, inputs, outputs, after)
            self._add_eager(tf.nest.flatten(result), inputs)
        return result

    def _disturb(self):
        for name, variable in self.watcher.readable().items():
            if variable.trainable and variable.dtype.is_floating:
                variable.assign(self.recorder.disturbed(name, variable.numpy()))

    def _watch_arrays(self):
        """Records the tensors that a line of the program itself makes arrays of."""
        convert, predicted = ops._EagerTensorBase._numpy, self

        @functools.wraps(convert)
        def converted(self):
            array = convert(self)
            made = predicted.recorder.predictions
            if made is None or self.dtype not in _NUMBERS or not predicted.is_due():
                return array
            frame = sys._getframe(1)
            while frame.f_code.co_filename == ops.__file__:
                frame = frame.f_back
            if user_lines.is_own(frame.f_code.co_filename):
                with predicted.watcher.flag("is_predicting"):
                    key = "array", frame.f_code.co_filename, frame.f_lineno
                    made.add(key, [np.asarray(array)], predicted.watcher.initial)
                    predicted._add_eager([self], [])
            return array

        ops._EagerTensorBase._numpy = converted

    # Operations, with values and lines.

    def _watch_traces(self):
        """Hands over the values of the operations of each function that is traced."""
        make, predicted = func_graph.func_graph_from_py_func, self

        @functools.wraps(make)
        def made(name, python_func, *arguments, **keywords):
            caller = sys._getframe(1).f_code.co_filename
            if not caller.endswith("tracing_compilation.py") or not predicted.is_open():
                return make(name, python_func, *arguments, **keywords)

            def traced(*given, **named):
                result = python_func(*given, **named)
                predicted.hand_over(result)
                return result

            return make(name, traced, *arguments, **keywords)

        func_graph.func_graph_from_py_func = made

    def is_open(self):
        return self.recorder.predictions is not None

    def hand_over(self, result):
        ends = [t for t in tf.nest.flatten(result) if tf.is_tensor(t) and tf.is_symbolic_tensor(t)]
        graph = tf.compat.v1.get_default_graph()
        ends = [tensor for tensor in ends if tensor.graph is graph]
        operations = self.watcher.forward(ends)
        if not operations:
            return
        described = describe(operations, self.watcher.line)

        def add(*values):
            sizes = [
                len(value)
                for value, each in zip(values, described)
                if each["type"] in ("Placeholder", "IteratorGetNext") and value.ndim
            ]
            if self.recorder.wants_predicted_operations:
                self._learn_lines()
                self.recorder.predicted_operations.add(described, values, sizes[0] if sizes else 0)
            return np.bool_(True)

        done = tf.numpy_function(add, [operation.outputs[0] for operation in operations], tf.bool)
        done.set_shape([])

    def _collect(self, kind, inputs, attributes, outputs, op_name=None, graph=None):
        if graph is None and outputs and len(self.eager) < _MOST_OPERATIONS and self.is_open():
            line = self.watcher.layer_line() or user_lines.here()
            kind = tf.compat.as_str(kind)
            self.eager.append((kind, tf.compat.as_str(op_name or kind), inputs, outputs, line))

    def _add_eager(self, results, inputs):
        """Adds the eager operations that results depend on."""
        if not self.eager or not self.recorder.wants_predicted_operations:
            return
        described, values = self.watcher.traced_back(self.eager, results)
        rows = max((len(array) for array in inputs), default=0)
        self._learn_lines()
        self.recorder.predicted_operations.add(described, values, rows)

    def _learn_lines(self):
        lines = self.recorder.operations.lines
        lines.update(variables=self.watcher.lines, step=user_lines.here() or lines["step"])


def _arrays(structure):
    """Returns the numbers in a structure, as arrays."""
    found = []
    for value in tf.nest.flatten(structure):
        if isinstance(value, tf.Tensor):
            if tf.is_symbolic_tensor(value) or value.dtype not in _NUMBERS:
                continue
            value = value.numpy()
        if isinstance(value, (np.ndarray, np.generic, float)):
            array = np.asarray(value)
            if array.dtype.kind in "biufV":
                found.append(array)
    return found
