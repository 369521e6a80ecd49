"""Records an old program, unchanged: watches `Session.run` and `tf.gradients`.

A training step is a run whose fetches depend on an operation that updates a trainable variable: an
optimizer's (ApplyAdam, ...), or an assignment that depends on a gradient. The loss, the gradients,
the optimizer's constants and the inputs are fetched in that same run. The graph gets no operation.
"""

import collections
import contextlib
import functools
import random
import re
import types
import weakref
from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.python.client.session import BaseSession
from tensorflow.python.framework import ops, random_seed
from tensorflow.python.ops import gradients_util, nn_ops, rnn, while_loop
from tensorflow.python.ops.ref_variable import RefVariable
from tensorflow.python.ops.resource_variable_ops import ResourceVariable
from tensorflow.python.training.optimizer import Optimizer
from tensorflow.python.util import nest

from shared import user_lines
from shared.recorder import (
    ARRAYS,
    CONSTANTS,
    DRAWN,
    NumberedNoise,
    Recorder,
    describe,
    of_operation,
    results,
)
from tf1_style.run import predictions

# What a fetch updates, and what is fetched besides to record it. The values are tensors.
# names : the trainable variables that it updates.
# losses : {tensor's name: tensor}, what was differentiated.
# gradients, differentiated : {variable's name: tensor or (values, indices)}
# constants : {"Adam/beta1": tensor}; of a second optimizer of the kind, Adam_2.
# inputs : {name: tensor}, outputs of iterators and queues.
# flags : {"Momentum/nesterov": 1.0}, what is no tensor; lines : {"Adam": line}.
Update = collections.namedtuple(
    "Update", "names losses gradients differentiated constants inputs flags lines"
)

_APPLY = re.compile(r"(Resource)?(Sparse)?Apply(\w+)")
_ASSIGN = re.compile(r"(Assign|AssignSub|AssignAdd|Scatter\w+|Resource\w*Scatter\w+)(VariableOp)?")
_SOURCES = ("IteratorGetNext", "QueueDequeueV2", "QueueDequeueManyV2", "QueueDequeueUpToV2")
_UNROLLED = 64  # time steps that a graph without a loop may have
_NUMBERS = (tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int32, tf.int64, tf.uint8)


def install(recorder: Recorder) -> None:
    """Begins to watch; before the program is loaded."""
    _fix_seeds()
    differentiations = weakref.WeakKeyDictionary()  # graph -> [(ys, xs, gradients)]
    noise = weakref.WeakKeyDictionary()  # graph -> its NumberedNoise
    _watch_gradients(recorder, differentiations, noise)
    _watch_variables(recorder)
    if recorder.operations:
        _watch_optimizers(recorder.operations.lines)
        _unroll_cells(noise)
    if recorder.random != "own":
        _replace_noise(recorder, noise)
    _watch_runs(recorder, differentiations)


def _fix_seeds():
    """Seeds what a program leaves unseeded, so that it makes the same numbers in every run.

    An operation with a seed of its own keeps its numbers: where a graph has no seed, TensorFlow
    takes this one for them.
    """
    random.seed(0)
    np.random.seed(0)

    def seed(graph):
        return random_seed.DEFAULT_GRAPH_SEED if graph._seed is None else graph._seed

    ops.Graph.seed = property(seed, ops.Graph.seed.fset)


def _watch_gradients(recorder, differentiations, noise):
    helper = gradients_util._GradientsHelper

    @functools.wraps(helper)
    def watched(ys, xs, *arguments, **keywords):
        found = helper(ys, xs, *arguments, **keywords)
        ys, xs = (list(v) if isinstance(v, (list, tuple)) else [v] for v in (ys, xs))
        graph = tf.get_default_graph()
        differentiations.setdefault(graph, []).append((ys, xs, found))
        if recorder.random != "own":
            numbers = noise.setdefault(graph, NumberedNoise())
            losses = [y.op for y in ys if hasattr(y, "op")]
            numbers.number(losses)
            for operation, layer in numbers.drawn():
                _replace_drawn(recorder, operation, layer)
            numbers.number(losses)
        return found

    gradients_util._GradientsHelper = watched


def _watch_optimizers(lines):
    """Learns which line made the optimizer."""
    initialize = Optimizer.__init__

    @functools.wraps(initialize)
    def initialized(self, *arguments, **keywords):
        lines["optimizer"] = user_lines.here()
        initialize(self, *arguments, **keywords)

    Optimizer.__init__ = initialized


def _watch_variables(recorder):
    """Gives variables the initial values that the recorder has for them."""
    for kind in (RefVariable, ResourceVariable):
        name = "_init_from_args"
        initialize = getattr(kind, name)

        @functools.wraps(initialize)
        def with_start(self, initial_value=None, *arguments, _initialize=initialize, **keywords):
            _initialize(self, initial_value, *arguments, **keywords)
            value = recorder.initial_value(self.op.name, self.shape)
            if value is not None:
                _replace_initializer(self, value)

        setattr(kind, name, with_start)


def _replace_initializer(variable, value):
    with tf.init_scope():
        constant = tf.constant(value, variable.dtype.base_dtype)
    variable._initial_value = constant
    variable.initializer._update_input(1, constant)


def _unroll_cells(noise):
    """Makes the time steps of `dynamic_rnn` without a loop, inside which no value can be seen."""

    def unrolled(cond, body, loop_vars, *arguments, maximum_iterations=None, **keywords):
        steps = _known(maximum_iterations)
        if steps is None or steps > _UNROLLED:
            return while_loop.while_loop(
                cond,
                body,
                loop_vars,
                *arguments,
                maximum_iterations=maximum_iterations,
                **keywords,
            )
        numbers = noise.setdefault(tf.get_default_graph(), NumberedNoise())
        before = numbers.count
        for _ in range(steps):  # past the longest sequence the states are kept
            numbers.count = before  # as in a loop, whose body is made once
            loop_vars = body(*loop_vars)
        return loop_vars

    rnn.while_loop = types.SimpleNamespace(while_loop=unrolled)


def _known(number):
    """Returns a number of the graph if it is a constant, or the known size of an axis; or None."""
    value = tf.get_static_value(number)
    if value is None and number is not None and number.op.type == "StridedSlice":
        shape, axis = number.op.inputs[0].op, tf.get_static_value(number.op.inputs[1])
        if shape.type == "Shape" and axis is not None and shape.inputs[0].shape.rank:
            value = shape.inputs[0].shape.as_list()[int(axis[0])]
    return None if value is None else int(value)


def _replace_noise(recorder, noise):
    """Draws dropout's noise from the step and the layer's number in its graph."""
    dropout = nn_ops._dropout

    @functools.wraps(dropout)
    def aligned(x, rate, noise_shape, uniform_sampler, *arguments, **keywords):
        layer = noise.setdefault(tf.get_default_graph(), NumberedNoise()).new()

        def draw(shape, dtype):
            drawn = tf.numpy_function(
                lambda shape: _noise(recorder, layer.number, shape),
                [shape],
                tf.float32,
            )
            layer.operations.append(drawn.op)
            drawn.set_shape(tf.get_static_value(tf.convert_to_tensor(shape)))
            return tf.cast(drawn, dtype)

        return dropout(x, rate, noise_shape, draw, *arguments, **keywords)

    nn_ops._dropout = aligned


def _noise(recorder, number, shape, kind="uniform"):
    """Returns the noise of a layer in the run that is being made."""
    completed = recorder.step - 1 if recorder.is_updating else recorder.step
    return recorder.noise(completed, number, shape, kind, is_evaluation=not recorder.is_updating)


def _replace_drawn(recorder, operation, layer):
    """Lets all that uses a random operation use noise of the step and the layer's number."""
    tensor = operation.outputs[0]
    users = tensor.consumers()
    kind = DRAWN[operation.type]
    with tf.control_dependencies(None):
        drawn = tf.numpy_function(
            lambda shape: _noise(recorder, layer.number, shape, kind),
            [operation.inputs[0]],
            tf.float32,
        )
        drawn.set_shape(tensor.shape)
        given = tf.cast(drawn, tensor.dtype)
    layer.operations.append(drawn.op)
    recorder.places[given.op] = operation._id + 0.5
    recorder.places[drawn.op] = operation._id
    for user in users:
        for number, value in enumerate(user.inputs):
            if value is tensor:
                user._update_input(number, given)


def _watch_runs(recorder, differentiations):
    run = BaseSession.run
    updates = weakref.WeakKeyDictionary()  # graph -> {fetches: Update or None}
    assigns = weakref.WeakKeyDictionary()  # graph -> {fetches: what they assign}

    @functools.wraps(run)
    def watched(self, fetches, feed_dict=None, options=None, run_metadata=None):
        elements = _elements(self.graph, fetches)
        known = updates.setdefault(self.graph, {})
        if elements not in known:
            known[elements] = _analyze(elements, differentiations.get(self.graph, []))
        update = known[elements]
        if update is None:
            call = functools.partial(run, self)
            tensors = _predicted(recorder, elements, known)
            given = fetches, feed_dict
            if tensors:
                found = _predict(recorder, call, self, tensors, given, options, run_metadata)
            else:
                found = call(*given, options, run_metadata)
            assigned = assigns.setdefault(self.graph, {})
            if recorder.step and elements not in assigned:
                assigned[elements] = _assigned(elements)
            if recorder.step and assigned[elements]:
                recorder.amend({v.op.name: run(self, v) for v in assigned[elements]})
            return found
        if recorder.step == 0:
            recorder.initial(lambda: _values(run, self))
        due = recorder.begin(update.names)
        if recorder.batches and feed_dict:
            fed = recorder.batches.replaced(recorder.step, feed_dict.values())
            feed_dict = dict(zip(feed_dict, fed))
        if not due:
            with _updating(recorder):
                return run(self, fetches, feed_dict, options, run_metadata)
        plain = ("names", "flags", "lines")
        extra = {key: value for key, value in update._asdict().items() if key not in plain}
        forward = _forward(recorder, update, feed_dict)
        extra["forward"] = forward
        both = {"fetches": fetches, "extra": extra}
        with _updating(recorder):
            found = run(self, both, feed_dict, options, run_metadata)
        seen = found["extra"]
        recorder.record(
            {name: np.sum(value) for name, value in seen["losses"].items()},
            _values(run, self),
            {name: _dense(value, self.graph, name) for name, value in seen["gradients"].items()},
            {n: _dense(value, self.graph, n) for n, value in seen["differentiated"].items()},
            {**seen["constants"], **update.flags},
            {**seen["inputs"], **_fed(feed_dict)},
            update.lines,
        )
        if forward:
            _write_operations(recorder, forward, seen["forward"], self.graph)
        return found["fetches"]

    BaseSession.run = watched


@contextlib.contextmanager
def _updating(recorder):
    recorder.is_updating = True
    try:
        yield
    finally:
        recorder.is_updating = False


def _predicted(recorder, elements, known):
    """Returns the tensors among fetched elements that are predictions, while those count."""
    is_open = recorder.predictions is not None and not recorder.predictions.is_full
    if not is_open and recorder.evaluation is None:
        return []
    key = ("predicted", elements)
    if key not in known:
        known[key] = predictions.results(elements, _ancestors, _updated, _SOURCES)
    return known[key]


def _predict(recorder, run, session, tensors, given, *options):
    """Makes and records a run that computes predictions: `tensors`."""
    made, evaluation = recorder.predictions, recorder.evaluation
    fetches, feed_dict = given
    key = tuple(tensor.name for tensor in tensors)
    place = key, user_lines.here_stack()
    if made is None and evaluation.is_full(place):
        return run(fetches, feed_dict, *options)

    def values():
        return _values(lambda session, fetched: run(fetched), session)

    if made is not None:
        weights = values()
        if recorder.begin_prediction(weights) and recorder.disturbs:
            predictions.disturb(recorder, session, weights)
    predictions.load(session, recorder.evaluation_weights())
    origins = {
        output.name: output
        for operation in _ancestors([tensor.op for tensor in tensors])
        if operation.type in _SOURCES
        for output in operation.outputs
        if output.dtype not in (tf.string, tf.resource, tf.variant)
    }
    ends = SimpleNamespace(losses={tensor.name: tensor for tensor in tensors})
    wanted = recorder.wants_predicted_operations
    if recorder.wants_evaluated_operations:
        wanted = evaluation.number(place) == recorder.evaluated_group
    wanted = wanted and not recorder.predicted_operations.is_full
    forward = _forward_of(recorder, ends, feed_dict) if wanted else []
    behind = predictions.behind(tensors, _SOURCES) if evaluation else []
    extra = {"outputs": tensors, "inputs": origins, "forward": forward}
    extra["behind"] = behind
    both = {"fetches": fetches, "extra": extra}
    found = run(both, feed_dict, *options)
    seen = found["extra"]
    inputs = list({**seen["inputs"], **_fed(feed_dict)}.values())
    if made is not None:
        made.end(key, inputs, seen["outputs"], values())
    if evaluation is not None:
        evaluation.add(place, inputs, seen["outputs"], seen["behind"])
        recorder.evaluated(values)
    if forward:
        _learn_lines(recorder, session.graph)
        described = describe(forward, _line)
        recorder.predicted_operations.add(described, seen["forward"], predictions.rows(inputs))
    return found["fetches"]


def _forward(recorder, update, feed_dict):
    """Returns the tensors that the losses depend on, if this step's are to be written."""
    if recorder.operations is None or recorder.operations.step != recorder.step:
        return []
    return _forward_of(recorder, update, feed_dict)


def _forward_of(recorder, update, feed_dict):
    """Returns the tensors that the losses depend on, and whose values can be fetched."""
    ends = {tensor.op for tensor in update.losses.values()}
    fed = {getattr(key, "op", None) for key in feed_dict or {}}
    every = sorted(_ancestors(ends), key=recorder.place)
    batch = [] if fed or getattr(update, "inputs", None) else _batch(every)
    found = []
    for tensor in results(every, update.losses.values()):
        operation = tensor.op
        if operation.type not in ("Const", "VarHandleOp"):
            is_plain = tensor.dtype.base_dtype in _NUMBERS
            if is_plain and (operation.type != "Placeholder" or operation in fed):
                found.append(tensor)
        elif operation in batch:
            found.append(tensor)
    return [tensor for tensor in found if not _is_inside_loop(tensor.op)]


def _batch(operations):
    """Returns the constants that are the data of a program that is fed none: those with as many
    rows as most results have, so no shapes and no tables."""
    first = {
        operation: operation.outputs[0].shape[:1].as_list()
        for operation in operations
        if operation.outputs and operation.outputs[0].shape.rank
    }
    rows = collections.Counter(
        size
        for operation, (size,) in first.items()
        if operation.outputs[0].dtype in (tf.float32, tf.float64) and operation.type != "Const"
    )
    most = [size for size, _ in rows.most_common(1)]
    return [o for o, size in first.items() if o.type == "Const" and size == most]


def _is_inside_loop(operation):
    return operation._get_control_flow_context() is not None


def _write_operations(recorder, tensors, values, graph):
    _learn_lines(recorder, graph)
    recorder.operations.write(describe(tensors, _line), values)


def _learn_lines(recorder, graph):
    lines = (recorder.operations or recorder.evaluated_operations).lines
    for variable in graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES):
        lines["variables"][variable.op.name] = _line(variable.op)
    for operation in graph.get_operations():
        if _APPLY.fullmatch(operation.type):
            lines["clip"] = _line(_named_inputs(operation).get("grad", operation.inputs[0]).op)
    lines["step" if recorder.operations else "evaluated"] = user_lines.here()


def _line(operation):
    frames = operation.traceback or ()  # an imported graph has none
    return user_lines.stack((frame.filename, frame.lineno) for frame in frames)


def _elements(graph, fetches):
    """Returns the operations and tensors of `fetches`, as a tuple."""
    found = []
    for item in _flat(fetches):
        item = getattr(item, "op", item) if isinstance(item, tf.Variable) else item
        try:
            found.append(graph.as_graph_element(item, allow_tensor=True, allow_operation=True))
        except (TypeError, ValueError, KeyError):
            pass  # the session itself says what is wrong with it
    return tuple(found)


def _flat(fetches):
    """Returns what is in `fetches`, whose keys may be hooks, which have no order."""
    if isinstance(fetches, Mapping):
        fetches = list(fetches.values())
    if isinstance(fetches, (list, tuple)):
        return [item for part in fetches for item in _flat(part)]
    return nest.flatten(fetches, expand_composites=True)


def _analyze(elements, differentiations):
    """Returns the Update that fetching `elements` makes, or None."""
    start = [item if isinstance(item, tf.Operation) else item.op for item in elements]
    seen = _ancestors(start)
    graph = start[0].graph if start else tf.get_default_graph()
    trainable = {v.op.name for v in graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES)}
    made = {}  # a gradient's operation -> [(losses, variable, gradient)]
    for ys, xs, gradients in differentiations:
        for x, gradient in zip(xs, gradients):
            tensor = getattr(gradient, "values", gradient)
            if tensor is not None and tensor.op in seen:
                made.setdefault(tensor.op, []).append((ys, x, gradient))
    found = {}
    for operation in seen:
        name = _updated(operation)
        if name in trainable:
            is_apply = _APPLY.fullmatch(operation.type)
            if is_apply or (made and _ancestors([operation]) & set(made)):
                found.setdefault(name, []).append(operation)
    if not found:
        return None
    losses, differentiated = {}, {}
    for calls in made.values():
        for ys, x, gradient in calls:
            name = _name_of(x)
            if name in found:
                losses.update((y.name, y) for y in ys if hasattr(y, "name"))
                differentiated[name] = _fetchable(gradient)
    gradients = {}
    applies = [op for ops in found.values() for op in ops if _APPLY.fullmatch(op.type)]
    for operation in applies:
        inputs = _named_inputs(operation)
        given = inputs["grad"] if "grad" in inputs else inputs.get("delta")
        name = _updated(operation)
        gradients[name] = [given, inputs["indices"]] if "indices" in inputs else given
    constants, flags, lines = _constants(applies)
    inputs = {
        output.name: output
        for operation in seen
        if operation.type in _SOURCES
        for output in operation.outputs
        if output.dtype not in (tf.string, tf.resource, tf.variant)
    }
    return Update(
        frozenset(found), losses, gradients, differentiated, constants, inputs, flags, lines
    )


def _assigned(elements):
    """Returns the weights, and averages of weights, that fetching `elements` assigns."""
    start = [item if isinstance(item, tf.Operation) else item.op for item in elements]
    names = {_updated(operation) for operation in _ancestors(start)}
    graph = start[0].graph if start else tf.get_default_graph()
    weights = graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES)
    every = {v.op.name: v for v in graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)}
    averages = [v for name, v in every.items() if "ExponentialMovingAverage" in name]
    return [variable for variable in [*weights, *averages] if variable.op.name in names]


def _constants(operations):
    """Returns the optimizers' constants, as tensors and as numbers, and the lines of their use."""
    groups, constants, flags, lines = {}, {}, {}, {}
    for operation in sorted(operations, key=lambda operation: operation._id):
        kind, variant = of_operation(_APPLY.fullmatch(operation.type)[3])
        if "use_nesterov" in operation.node_def.attr and operation.get_attr("use_nesterov"):
            variant = {**variant, "nesterov": 1.0}
        inputs = {k: v for k, v in _named_inputs(operation).items() if k not in ARRAYS}
        told = sorted((k, v.name) for k, v in inputs.items() if not k.endswith("_power"))
        known = groups.setdefault(kind, [])
        if told not in known:
            known.append(told)
        number = known.index(told) + 1
        name = kind if number == 1 else f"{kind}_{number}"
        lines[name] = _line(operation)
        flags.update((f"{name}/{key}", value) for key, value in variant.items())
        constants.update((f"{name}/{CONSTANTS.get(k, k)}", v) for k, v in inputs.items())
    return constants, flags, lines


def _ancestors(operations):
    """Returns the operations that some operations depend on, themselves included."""
    seen, queue = set(), list(operations)
    while queue:
        operation = queue.pop()
        if operation not in seen:
            seen.add(operation)
            queue += [tensor.op for tensor in operation.inputs]
            queue += operation.control_inputs
    return seen


def _updated(operation):
    """Returns the name of the variable that an operation updates, or None."""
    if not operation.inputs or not (
        _APPLY.fullmatch(operation.type) or _ASSIGN.fullmatch(operation.type)
    ):
        return None
    source = operation.inputs[0].op
    while source.type in ("Enter", "RefEnter", "Identity", "Switch", "RefSwitch") and source.inputs:
        source = source.inputs[0].op
    return source.name


def _named_inputs(operation):
    """Returns an operation's inputs by the names of its definition."""
    names = [argument.name for argument in operation.op_def.input_arg]
    return dict(zip(names, operation.inputs))


def _name_of(x):
    """Returns the name of a variable, or of a tensor that reads it."""
    if isinstance(x, tf.Variable):
        return x.op.name
    operation = getattr(x, "op", None)
    while (
        operation is not None
        and operation.inputs
        and operation.type in ("Identity", "ReadVariableOp")
    ):
        operation = operation.inputs[0].op
    return getattr(operation, "name", None)


def _fetchable(gradient):
    return [gradient.values, gradient.indices] if hasattr(gradient, "indices") else gradient


def _dense(value, graph, name):
    """Adds the rows of a sparse gradient up, as a dense one would have them."""
    if not isinstance(value, list):
        return value
    values, indices = value
    (variable,) = [v for v in graph.get_collection("variables") if v.op.name == name]
    dense = np.zeros(variable.shape.as_list(), values.dtype)
    np.add.at(dense, indices.reshape(-1), values.reshape(-1, *dense.shape[1:]))
    return dense


def _values(run, session):
    """Returns the values of all variables of a session's graph that have been initialized."""
    variables = session.graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)
    variables = {variable.op.name: variable for variable in variables}
    variables = {name: v for name, v in variables.items() if v.dtype.base_dtype != tf.string}
    try:
        return run(session, variables)
    except tf.errors.FailedPreconditionError:
        found = {}
        for name, variable in variables.items():
            try:
                found[name] = run(session, variable)
            except tf.errors.FailedPreconditionError:
                pass
        return found


def _fed(feed_dict):
    """Returns the arrays that a run is fed, by the names of the placeholders."""
    found = {}
    for key, value in (feed_dict or {}).items():
        name = getattr(key, "name", str(key)).split(":")[0]
        try:
            array = np.asarray(value)
        except (TypeError, ValueError):
            continue
        if array.dtype.kind in "biuf" and array.ndim:
            found[name] = array
    return found
