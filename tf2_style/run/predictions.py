"""Records what a TensorFlow 2 program predicts, or evaluates between its steps, unchanged.

A prediction is a call of Keras's `predict` or `evaluate`, of a layer, of a `tf.function` or of a
function of a SavedModel; the outermost counts. So is, if the program does not train, a tensor that
the program's own line makes an array of. A call that makes a step, or is watched by a tape, is no
evaluation.

An evaluation often gives single numbers alone. So inside a `tf.function` that differentiates
nothing, what its models compute is handed over, too.
"""

import functools
import sys

import numpy as np
import tensorflow as tf
from keras.src.backend.tensorflow.trainer import TensorFlowTrainer
from keras.src.layers.layer import Layer
from tensorflow.python.eager.polymorphic_function.concrete_function import ConcreteFunction
from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function
from tensorflow.python.eager.record import could_possibly_record
from tensorflow.python.framework import func_graph, op_callbacks, ops

from shared import user_lines
from shared.predictions import EVALUATED_ROWS, OPERATION_ROWS
from shared.recorder import describe

_MOST_OPERATIONS = 20000  # of an eager program; each is kept with its tensors
_MOST_BEHIND = 4
_IMAGES = (tf.uint8, tf.int8, tf.uint16, tf.int16)  # as they are read, before they are scaled
_ACTIVATIONS = ("Relu", "Relu6", "Elu", "LeakyRelu", "Tanh", "Sigmoid")
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
        self.trains = set()  # keys of calls that differentiate
        self.key = None  # of the outermost call
        self.handed = []  # (inputs, outputs) of models inside functions, during that call
        self.traced = []  # the same as tensors, for each function that is being traced
        self.pending = []  # (described, values, rows) of functions, during that call

    def install(self):
        for name in ("predict", "predict_on_batch", "evaluate", "test_on_batch"):
            self._watch(TensorFlowTrainer, name, "Model." + name)
        self._watch(Layer, "__call__", "layer")
        self._watch(Function, "__call__", "function")
        self._watch(ConcreteFunction, "__call__", "function")
        self._watch_arrays()
        if self.recorder.keeps_evaluations:
            self._watch_models()
        if self.file or self.recorder.keeps_evaluations:
            self._watch_traces()
        if self.file:
            op_callbacks.add_op_callback(self._collect)

    @property
    def file(self):
        """The OperationsFile of a prediction or an evaluation; None if none is to be written."""
        recorder = self.recorder
        wants = recorder.wants_predicted_operations
        return recorder.operations if wants else recorder.evaluated_operations

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
        evaluates = self.recorder.keeps_evaluations and not could_possibly_record()
        return (
            (evaluates or (made is not None and not made.is_full))
            and not self.watcher.has("is_predicting")
            and not tf.inside_function()
        )

    def call(self, key, given, call):
        """Makes an outermost call, and records it if it computes something."""
        evaluation, predictions = self.recorder.evaluation, self.recorder.predictions
        self.key, self.handed, self.pending = key, [], []
        self._align_weights()
        try:
            if predictions is not None and not predictions.is_full:
                result = self._predict(key, given, call)
            else:
                with self.watcher.flag("is_predicting"):
                    result = call()
        finally:
            self.key = None
        is_same = self.recorder.evaluation is evaluation is not None  # no step was made
        if is_same and key not in self.trains and not could_possibly_record():
            self._evaluate(evaluation, (*key, user_lines.here_stack()), given, result)
        return result

    def _align_weights(self):
        values = self.recorder.evaluation_weights()
        if not values:
            return
        with self.watcher.flag("is_applying"):  # no step of the program
            for name, variable in self.watcher.readable().items():
                if name in values:
                    variable.assign(tf.cast(values[name], variable.dtype))

    def _evaluate(self, evaluation, place, given, result):
        """Records an outermost call that makes no step."""
        inputs = [array for array in _arrays(given) if array.ndim]
        groups = {place: [(inputs, _arrays(result), _logits(result))]}
        if self.handed:
            groups[(*place, "inside")] = [(taken, [], made) for taken, made in self.handed]
        for key, calls in groups.items():
            for call in calls:
                if not evaluation.is_full(key):
                    evaluation.add(key, *call)
        self.recorder.evaluated(self.watcher.initial)
        group = self.recorder.evaluated_group
        if self.recorder.wants_evaluated_operations and group in map(evaluation.number, groups):
            for part in self.pending:
                self._learn_lines()
                self.recorder.predicted_operations.add(*part)
            if not self.pending:
                self._add_eager(tf.nest.flatten(result), inputs)
        self.eager = []

    def _predict(self, key, given, call):
        """Makes an outermost call of a program that has made no step, and records it."""
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
                return array  # an evaluation's inputs would not be known
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

    # Inside functions.

    def _watch_models(self):
        """Notes what models compute in the function that is being traced."""
        call, predicted = Layer.__call__, self

        @functools.wraps(call)
        def called(self, *arguments, **keywords):
            if not predicted.traced or predicted.watcher.has("is_in_model"):
                return call(self, *arguments, **keywords)
            with predicted.watcher.flag("is_in_model"):
                found = call(self, *arguments, **keywords)
            taken = _in_graph((arguments, keywords))
            predicted.traced[-1].append((taken, _in_graph(found)))
            return found

        Layer.__call__ = called

    def _watch_traces(self):
        """Hands over what the models of a function that is traced compute, and the values of its
        operations."""
        make, predicted = func_graph.func_graph_from_py_func, self

        @functools.wraps(make)
        def made(name, python_func, *arguments, **keywords):
            caller = sys._getframe(1).f_code.co_filename
            is_open = predicted.recorder.predictions is not None or predicted.key is not None
            if not caller.endswith("tracing_compilation.py") or not is_open:
                return make(name, python_func, *arguments, **keywords)

            def traced(*given, **named):
                tapes = predicted.watcher.tapes
                predicted.traced.append([])
                try:
                    result = python_func(*given, **named)
                finally:
                    models = predicted.traced.pop()
                if predicted.watcher.tapes != tapes:
                    predicted.trains.add(predicted.key)
                    return result
                taken, made = _of_models(models) if models else _behind(result)
                if predicted.recorder.keeps_evaluations and predicted.key is not None:
                    predicted.hand_models_over([*_in_graph((given, named)), *taken], made)
                if predicted.file:
                    predicted.hand_over([result, made])
                return result

            return make(name, traced, *arguments, **keywords)

        func_graph.func_graph_from_py_func = made

    def hand_models_over(self, taken, made):
        """Hands over what the models of a function compute from what."""
        if not made:
            return

        def add(*arrays):
            is_open = self.recorder.evaluation is not None and self.key is not None
            known = sum(len(made[0]) if made[0].ndim else 1 for _, made in self.handed)
            if is_open and known < EVALUATED_ROWS:
                self.handed.append((arrays[: len(taken)], arrays[len(taken) :]))
            return np.bool_(True)

        tf.numpy_function(add, [*taken, *made], tf.bool).set_shape([])

    def hand_over(self, result):
        ends = _in_graph(result)
        tensors = self.watcher.forward(ends, self.file)
        if not tensors:
            return
        described = describe(tensors, self.watcher.line)

        def add(*values):
            sizes = [
                len(value)
                for value, each in zip(values, described)
                if each["type"] in ("Placeholder", "IteratorGetNext") and value.ndim
            ]
            rows = sizes[0] if sizes else 0
            if self.recorder.wants_predicted_operations:
                self._learn_lines()
                self.recorder.predicted_operations.add(described, values, rows)
            elif self.recorder.wants_evaluated_operations and self.key is not None:
                known = sum(rows for told, _, rows in self.pending if told is described)
                if known < OPERATION_ROWS:
                    self.pending.append((described, [np.array(value) for value in values], rows))
            return np.bool_(True)

        done = tf.numpy_function(add, tensors, tf.bool)
        done.set_shape([])

    def _collect(self, kind, inputs, attributes, outputs, op_name=None, graph=None):
        recorder = self.recorder
        wants = recorder.wants_predicted_operations or (
            recorder.wants_evaluated_operations and self.key is not None
        )
        is_here = graph is None and outputs and wants
        if is_here and len(self.eager) < _MOST_OPERATIONS:
            line = self.watcher.layer_line() or user_lines.here()
            if self.recorder.wants_evaluated_operations and self.watcher.layer_line():
                line += user_lines.CALLED + user_lines.here_stack()
            elif self.recorder.wants_evaluated_operations:
                line = user_lines.here_stack()
            kind = tf.compat.as_str(kind)
            self.eager.append((kind, tf.compat.as_str(op_name or kind), inputs, outputs, line))

    def _add_eager(self, results, inputs):
        """Adds the eager operations that results depend on."""
        wants = self.recorder.wants_predicted_operations or self.recorder.wants_evaluated_operations
        if not self.eager or not wants:
            return
        described, values = self.watcher.traced_back(self.eager, results)
        rows = max((len(array) for array in inputs), default=0)
        self._learn_lines()
        self.recorder.predicted_operations.add(described, values, rows)

    def _learn_lines(self):
        lines = self.file.lines
        kind = "step" if self.recorder.wants_predicted_operations else "evaluated"
        place = user_lines.here() or lines.get(kind, "")
        lines.update({"variables": self.watcher.lines, kind: place})


def _in_graph(structure):
    """Returns the tensors of the graph that is being built."""
    graph = tf.compat.v1.get_default_graph()
    return [
        tensor
        for tensor in tf.nest.flatten(structure)
        if isinstance(tensor, tf.Tensor)
        and tf.is_symbolic_tensor(tensor)
        and tensor.graph is graph
        and tensor.dtype in (*_NUMBERS, *_IMAGES)
    ]


def _logits(structure):
    """Returns what a softmax or a sigmoid of Keras was computed of, if a result is one."""
    found = [getattr(value, "_keras_logits", None) for value in tf.nest.flatten(structure)]
    return [value for value in found if value is not None]


def _of_models(models):
    """Returns the inputs of the first model that a function calls, and the results of the last.

    Parameters
    ----------
    models : (inputs, results) of all, in their order.
    """
    used = {id(operation) for taken, _ in models for operation in operations_before(taken)}
    made = [tensor for _, results in models for tensor in results if id(tensor.op) not in used]
    found = []
    for tensor in made:
        if tensor.dtype.is_floating:
            users = [user for user in tensor.consumers() if user.type in _ACTIVATIONS]
            # A kernel may compute both at once, unless something else needs what is between.
            found.append(users[0].outputs[0] if users else tensor)
    return models[0][0], [*found, *_logits(made)]


def operations_before(tensors):
    """Returns the set of operations that tensors depend on."""
    seen, queue = set(), [tensor.op for tensor in tensors]
    while queue:
        operation = queue.pop()
        if operation not in seen:
            seen.add(operation)
            queue += [tensor.op for tensor in operation.inputs]
    return seen


def _depends_on_data(tensor):
    """Says whether a tensor is computed of more than variables, as a penalty on weights is."""
    given = {
        o.type
        for o in operations_before([tensor])
        if o.outputs and o.outputs[0].dtype != tf.resource
    }
    is_data = given & {"Placeholder", "IteratorGetNext"}
    return bool(is_data) and tensor.op.type not in ("Placeholder", "Const")


def _behind(result):
    """Returns no inputs, and the matrices that the single numbers are computed of that a function
    without models gives, such as the logits behind an accuracy."""
    results = _in_graph(result)
    queue = [tensor for tensor in results if not tensor.shape.rank or tensor.dtype.is_integer]
    found, seen = [], set()
    while queue:
        operation = queue.pop(0).op
        if operation in seen:
            continue
        seen.add(operation)
        for tensor in operation.inputs:
            is_matrix = tensor.dtype.is_floating and (tensor.shape.rank or 0) > 1
            if not is_matrix:
                queue.append(tensor)
            elif all(tensor is not other for other in found):
                found.append(tensor)
    found += [t.op.inputs[0] for t in found if t.op.type in ("Softmax", "LogSoftmax")]
    found = [tensor for tensor in found if _depends_on_data(tensor)]
    return [], found[:_MOST_BEHIND]


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
