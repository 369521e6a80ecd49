"""Records a TensorFlow 2 program, unchanged: watches tapes, optimizers and assignments.

An update is Keras's `Optimizer.apply`, a raw operation such as ResourceApplyAdam, or an assignment
to a variable whose gradient a tape has just returned; eagerly, in a `tf.function`, or in Keras's
`fit`. Inside a function, `tf.numpy_function` hands the values over, and only at recorded steps.
"""

import collections
import functools
import inspect
import random
import re
import threading
import weakref

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.common.variables import Variable as KerasVariable
from keras.src.layers.layer import Layer
from keras.src.losses.loss import Loss
from keras.src.metrics.metric import Metric
from keras.src.ops.operation import Operation
from keras.src.optimizers.base_optimizer import BaseOptimizer
from keras.src.optimizers.schedules.learning_rate_schedule import LearningRateSchedule
from keras.src.trainers.compile_utils import CompileLoss
from keras.src.trainers.trainer import Trainer
from tensorflow.python.data.ops.iterator_ops import OwnedIterator
from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function
from tensorflow.python.framework import op_callbacks, ops, random_seed
from tensorflow.python.ops import nn_ops
from tensorflow.python.ops.resource_variable_ops import ResourceVariable
from tensorflow.python.util import tf_stack

from shared import user_lines
from shared.recorder import (
    ARRAYS,
    CONSTANTS,
    DRAWN,
    KINDS,
    NoiseNumber,
    NumberedNoise,
    Recorder,
    describe,
    of_operation,
    results,
)
from tf2_style.run.fed_batches import fed_ticket, replaced
from tf2_style.run.predictions import PredictionWatcher, operations_before

_NUMBERS = (tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int32, tf.int64, tf.uint8)
_RAW = re.compile(r"Resource(Sparse)?Apply(\w+)")
_PRODUCTS = ("Mul", "RealDiv")
_FLAGS = ("use_locking", "name", "use_nesterov", "update_slots", "vhat")
_KERAS = {"beta_1": "beta1", "beta_2": "beta2", "rho": "decay"}
_CLIPS = ("clip_by_global_norm", "clip_by_norm", "clip_by_value")


def install(recorder: Recorder) -> None:
    """Begins to watch; before the program is loaded."""
    _fix_seeds()
    watcher = _Watcher(recorder)
    watcher.watch_variables()
    watcher.watch_tapes()
    watcher.watch_inputs()
    watcher.watch_keras()
    if recorder.operations or recorder.evaluated_operations:
        watcher.watch_layers()
    watcher.watch_raw_operations()
    watcher.watch_assignments()
    watcher.watch_clips()
    _switch_xla_off()
    PredictionWatcher(watcher).install()
    if recorder.random != "own":
        watcher.replace_noise()


def _fix_seeds():
    """Seeds what a program leaves unseeded, so that it makes the same numbers in every run.

    An operation with a seed of its own keeps its numbers: where there is no global seed, TensorFlow
    takes this one for them.
    """
    random.seed(0)  # Keras draws its layers' seeds from it
    np.random.seed(0)
    tf.random.set_seed(random_seed.DEFAULT_GRAPH_SEED)


class _Watcher:
    """What is known of the running program.

    Attributes
    ----------
    variables : {name: weak reference}, in the order of creation. Of two variables of one name the
        second gets _1, and so on.
    pending : {name of a variable: (loss, gradient)}, from the last call of a tape's `gradient`.
    optimized : the names of those that an optimizer has updated since.
    applied, rate : {name: gradient} and learning rate, what Keras's optimizer has just applied.
    """

    def __init__(self, recorder):
        self.recorder = recorder
        self.variables = {}
        self.pending = {}
        self.optimized = set()
        self.applied = {}
        self.rate = None
        self.rates = {}  # {id: variable}, of the learning rates of Keras's optimizers
        self.lines = {}  # {name of a variable: the line that made it}
        self.unchanged = {}  # {id of an eager tensor: the line that calls such a layer}
        self.idle = {}  # {operation: the line that calls a layer that changes nothing}
        self.places = {"optimizer": "", "schedule": "", "step": "", "clip": "", "gradient": ""}
        self.made_at = weakref.WeakKeyDictionary()  # optimizer -> line
        self.assigned_at = {}  # {name: line}, of what is assigned after an update
        self.frozen_at = weakref.WeakKeyDictionary()  # layer -> line that sets trainable=False
        self.averaged = weakref.WeakKeyDictionary()  # graph -> {name: the stack that assigns it}
        self.averaged_now = {}  # the same of an eager forward pass
        self.moved = {}  # {name: line}, of variables of no layer that a forward pass assigns
        self.twice = {}  # {name: line}, of what a forward pass assigns a second time
        self.noise = weakref.WeakKeyDictionary()  # graph -> its NumberedNoise
        self.clipped = {}  # {id of a gradient: what it was clipped to}
        self.has_begun = False  # whether the first tape has been entered
        self.tapes = 0  # how many were entered so far
        self.has_updated = False  # whether weights were updated since the last tape
        self.told = weakref.WeakKeyDictionary()  # graph -> losses whose operations are written
        self.handed = None  # what hands the values of the last update over, in its graph
        self.active = []  # the lines of the layers that are being called, the outermost first
        self.entered = ""  # the line that calls the outermost of them
        self.collect = None  # collects the operations of an eager forward pass
        self.eager = None  # those operations, described, and their values
        self.layer_of = weakref.WeakKeyDictionary()  # operation -> its layer's line
        self.arguments = []
        self.calling = ""  # the line that calls the function that is running
        self.from_iterator = []
        self.state = threading.local()

    # Variables.

    def watch_variables(self):
        watcher = self
        initialize_keras, add_metric = KerasVariable.__init__, Metric.add_variable
        deferred = keras.Variable._deferred_initialize
        initialize = ResourceVariable.__init__
        add_slot = keras.optimizers.Optimizer.add_variable_from_reference

        @functools.wraps(initialize_keras)
        def keras_variable(self, *arguments, **keywords):
            with watcher.flag("is_inside"):
                initialize_keras(self, *arguments, **keywords)
            if not watcher.has("is_metric"):
                watcher.register(self, getattr(watcher.state, "slot", None) or self.path)

        @functools.wraps(deferred)
        def keras_variable_later(self):  # a model without an Input is built by its first batch
            with watcher.flag("is_inside"):
                deferred(self)
            watcher.give_start(self, watcher.name_of(self))

        @functools.wraps(add_slot)
        def slot(self, reference_variable, name=None, *arguments, **keywords):
            # Keras calls the slots of all variables named `Variable` alike.
            owner = watcher.name_of(reference_variable)
            if owner and name:
                watcher.state.slot = f"{self.name}/{owner.replace('/', '_')}_{name}"
            try:
                return add_slot(self, reference_variable, name, *arguments, **keywords)
            finally:
                watcher.state.slot = None

        @functools.wraps(add_metric)
        def metric_variable(self, *arguments, **keywords):
            with watcher.flag("is_metric"):
                return add_metric(self, *arguments, **keywords)

        @functools.wraps(initialize)
        def variable(self, *arguments, **keywords):
            initialize(self, *arguments, **keywords)
            if not watcher.has("is_inside"):
                watcher.register(self, self.name.split(":")[0])

        KerasVariable.__init__, Metric.add_variable = keras_variable, metric_variable
        keras.Variable._deferred_initialize = keras_variable_later
        ResourceVariable.__init__ = variable
        keras.optimizers.Optimizer.add_variable_from_reference = slot

    def flag(self, name):
        return _Flag(self.state, name)

    def has(self, name):
        return getattr(self.state, name, 0) > 0

    def register(self, variable, name):
        """Names a variable, and gives it the initial value that the recorder has for it."""
        unique, number = name, 0
        while unique in self.variables:
            number += 1
            unique = f"{name}_{number}"
        self.variables[unique] = weakref.ref(variable)
        self.lines[unique] = self.layer_line() or user_lines.here_stack()
        self.give_start(variable, unique)

    def give_start(self, variable, name):
        value = self.recorder.initial_value(name, variable.shape) if name else None
        if value is not None and getattr(variable, "_value", variable) is not None:
            with tf.init_scope():
                variable.assign(tf.cast(value, variable.dtype))
        if self.has_begun and self.recorder.step == 0:  # the forward pass may change its averages
            self.recorder.initial(self.initial)

    def name_of(self, variable):
        """Returns the name of a variable of Keras, or of TensorFlow; None if it is not known."""
        for known, reference in self.variables.items():
            found = reference()
            if found is variable or getattr(found, "_value", None) is variable:
                return known
        return None

    def readable(self):
        """Returns {name: tf.Variable} of the variables that exist, without seeds of generators."""
        found = {}
        for name, reference in self.variables.items():
            variable = reference()
            variable = getattr(variable, "_value", variable)
            if variable is not None and variable.dtype not in (tf.string, tf.uint32):
                found[name] = variable
        return found

    def frozen(self):
        """Returns {name: line that sets it, or ""} of the variables that are declared not to be
        trained."""
        every = {name: reference() for name, reference in self.variables.items()}
        found = {name: "" for name, v in every.items() if not getattr(v, "trainable", True)}
        for layer, place in self.frozen_at.items():
            names = {self.name_of(variable) for variable in layer.variables}
            found.update((name, place) for name in names if name in found)
        return found

    def initial(self):
        with tf.init_scope():
            values = {}
            for name, variable in self.readable().items():
                try:
                    value = variable.numpy()
                    if variable.shape.is_compatible_with(value.shape):  # else it is empty as yet
                        values[name] = value
                except (tf.errors.FailedPreconditionError, NotImplementedError, AttributeError):
                    pass  # not initialized yet
            return values

    # Tapes and inputs.

    def watch_tapes(self):
        enter, gradient = tf.GradientTape.__enter__, tf.GradientTape.gradient
        watcher = self

        @functools.wraps(enter)
        def entered(self):
            watcher.has_begun = True
            watcher.tapes += 1
            if watcher.recorder.step == 0:
                watcher.recorder.initial(watcher.initial)
            watcher.begin_eager()
            watcher.has_updated, watcher.averaged_now = False, {}
            return enter(self)

        @functools.wraps(gradient)
        def differentiated(self, target, sources, *arguments, **keywords):
            watcher.end_eager(target)
            found = gradient(self, target, sources, *arguments, **keywords)
            if watcher.recorder.random != "own" and tf.inside_function():
                watcher.number_noise([y.op for y in filter(_is_here, tf.nest.flatten(target))])
            flat = zip(tf.nest.flatten(sources), tf.nest.flatten(found))
            watcher.pending = {watcher.name_of(source): (target, result) for source, result in flat}
            watcher.pending.pop(None, None)
            watcher.clipped, watcher.optimized = {}, set()
            watcher.places.update(clip="", gradient=_here())
            return found

        tf.GradientTape.__enter__, tf.GradientTape.gradient = entered, differentiated

    def watch_inputs(self):
        call, get_next, watcher = Function.__call__, OwnedIterator._next_internal, self

        @functools.wraps(call)
        def called(self, *arguments, **keywords):
            if tf.inside_function() or watcher.has("is_called"):
                return call(self, *arguments, **keywords)
            if watcher.recorder.batches:
                arguments, keywords = replaced(watcher.recorder, (arguments, keywords))
            watcher.arguments = tf.nest.flatten((arguments, keywords))
            watcher.calling = user_lines.here()
            with watcher.flag("is_called"):
                return call(self, *arguments, **keywords)

        @functools.wraps(get_next)
        def got(self):
            found = get_next(self)
            if watcher.recorder.batches:
                found = replaced(watcher.recorder, found)
            watcher.from_iterator = tf.nest.flatten(found)
            return found

        Function.__call__, OwnedIterator._next_internal = called, got

    def inputs(self):
        """Returns the tensors of the batch: an iterator's, or else the function's arguments."""
        return [
            tensor
            for tensor in self.from_iterator
            if isinstance(tensor, tf.Tensor)
            and tensor.dtype not in (tf.string, tf.variant)
            and tf.is_symbolic_tensor(tensor) == tf.inside_function()
        ]

    def fed(self):
        found = []
        for value in self.arguments:
            if isinstance(value, (np.ndarray, tf.Tensor)) and len(value.shape):
                array = np.asarray(value)
                if array.dtype.kind not in "OSU":  # the words of a text are not recorded
                    found.append(array)
        return found

    # Layers and operations.

    def watch_layers(self):
        """Learns which line made the layer, or the loss, that an operation belongs to."""
        create, watcher = ops.Graph._create_op_internal, self
        freeze = Layer.trainable.fset
        for kind in (Layer, Operation, Loss):
            self._watch_making(kind)
        for kind in (Layer, Operation, Loss, CompileLoss):
            self._watch_calls(kind)

        @functools.wraps(create)
        def created(self, *arguments, **keywords):
            operation = create(self, *arguments, **keywords)
            if watcher.layer_line():
                watcher.layer_of[operation] = watcher.layer_line()
            return operation

        def frozen(self, value):
            freeze(self, value)
            watcher.frozen_at[self] = "" if value else user_lines.here()

        ops.Graph._create_op_internal = created
        Layer.trainable = Layer.trainable.setter(frozen)

    def _watch_making(self, kind):
        """Notes the line that makes a layer; "" for the user's class, whose own lines are better,
        as are those of a function that is used as a loss.

        Losses that `compile` is given by their names are made when they are first called.
        """
        initialize, watcher = kind.__init__, self

        @functools.wraps(initialize)
        def initialized(self, *arguments, **keywords):
            is_own = _is_own(type(self))
            place = "" if is_own else watcher.layer_line() or user_lines.here_stack()
            object.__setattr__(self, "_made_at", place)
            initialize(self, *arguments, **keywords)

        initialized.__signature__ = inspect.signature(initialize)  # Keras reads it
        kind.__init__ = initialized

    def _watch_calls(self, kind):
        call, watcher = kind.__call__, self

        @functools.wraps(call)
        def called(self, *arguments, **keywords):
            watcher.entered = watcher.entered if watcher.active else _here()
            function = getattr(self, "fn", None)  # that a loss of Keras calls
            is_own = inspect.isfunction(function) and _is_own(function)
            watcher.active.append("" if is_own else getattr(self, "_made_at", ""))
            try:
                found = call(self, *arguments, **keywords)
            finally:
                watcher.active.pop()
            if arguments and found is arguments[0] and tf.is_symbolic_tensor(found):
                watcher.idle[found.op.name] = _here()
            elif arguments and found is arguments[0] and watcher.collect:
                watcher.unchanged[id(found)] = _here()
            return found

        kind.__call__ = called

    def begin_eager(self):
        """Begins to collect the operations of an eager forward pass, if they are to be written."""
        wanted = self.recorder.operations
        if not wanted or tf.inside_function() or self.recorder.step + 1 != wanted.step:
            return
        self.eager = []  # (type, name, inputs, outputs, line)
        self.unchanged = {}

        def collect(kind, inputs, attributes, outputs, name=None, graph=None):
            if graph is None:
                line = self.layer_line() or user_lines.here_stack()
                kind = tf.compat.as_str(kind)
                self.eager.append((kind, tf.compat.as_str(name or kind), inputs, outputs, line))

        self.collect = collect
        op_callbacks.add_op_callback(collect)

    def end_eager(self, target):
        """Keeps of the collected operations those that the loss depends on."""
        if self.collect is None:
            return
        op_callbacks.remove_op_callback(self.collect)
        self.collect = None
        batch = _batch(self.eager)
        self.eager = self.traced_back([*batch, *self.eager], tf.nest.flatten(target))

    def traced_back(self, collected, ends):
        """Returns the results of collected operations that some tensors depend on, as operations,
        and their values."""
        makers = {
            id(tensor): (number, place)
            for number, item in enumerate(collected)
            for place, tensor in enumerate(item[3])
        }
        queue, needed = [makers.get(id(tensor)) for tensor in ends], set()
        while queue:
            made = queue.pop()
            if made is not None and made not in needed:
                needed.add(made)
                queue += [makers.get(id(tensor)) for tensor in collected[made[0]][2]]
        chosen = [(n, k) for n, k in sorted(needed) if collected[n][3][k].dtype in _NUMBERS]
        numbers = {made: place for place, made in enumerate(chosen)}
        described, values = [], []
        for number, result in chosen:
            kind, name, inputs, outputs, line = collected[number]
            name = f"{name}_{number}"
            self.idle.update(
                (name, self.unchanged[id(x)]) for x in outputs if id(x) in self.unchanged
            )
            places = {numbers.get(makers.get(id(tensor))) for tensor in inputs} - {None}
            about = {"name": name, "type": kind, "line": line, "inputs": sorted(places)}
            described.append(about)
            values.append(np.asarray(outputs[result]))
        return described, values

    def layer_line(self):
        """Returns the line that made the library's layer that is being called, or ""."""
        return self.active[-1] if self.active else ""

    # Updates.

    def watch_keras(self):
        apply, initialize, watcher = BaseOptimizer.apply, BaseOptimizer.__init__, self

        @functools.wraps(initialize)
        def initialized(self, *arguments, **keywords):
            watcher.places["optimizer"] = watcher.made_at[self] = user_lines.here()
            rate = keywords.get("learning_rate", arguments[0] if arguments else None)
            watcher.places["schedule"] = getattr(rate, "_made_at", "")
            initialize(self, *arguments, **keywords)
            if isinstance(self._learning_rate, KerasVariable):
                watcher.rates[id(self._learning_rate.value)] = self._learning_rate.value

        def new_schedule(kind, *arguments, **keywords):
            made = object.__new__(kind)
            made._made_at = user_lines.here()
            return made

        @functools.wraps(apply)
        def applied(self, grads, trainable_variables=None):
            if trainable_variables is None:
                variables = self._trainable_variables
            else:
                variables = trainable_variables = list(trainable_variables)
            if not self.built:  # its variables' initial values must not depend on the recording
                with keras.name_scope(self.name, caller=self):
                    self.build(variables)
            grads = list(grads)
            watcher.places["step"] = _here()
            watcher.note_changed(grads)
            if any(
                getattr(self, name, None) for name in ("clipnorm", "global_clipnorm", "clipvalue")
            ):
                watcher.places["clip"] = watcher.made_at.get(self, "")
            names = [watcher.name_of(v) for v, g in zip(variables, grads) if g is not None]
            watcher.optimized.update(names)
            with watcher.flag("is_applying"):
                watcher.update(
                    names,
                    lambda: apply(self, grads, trainable_variables),
                    lambda: (watcher.applied, watcher.constants_of(self)),
                    watcher.made_at.get(self, ""),
                )

        BaseOptimizer.apply, BaseOptimizer.__init__ = applied, initialized
        LearningRateSchedule.__new__ = staticmethod(new_schedule)
        for kind in {BaseOptimizer, *keras.optimizers.Optimizer.__mro__}:
            if "_backend_update_step" in vars(kind):
                self._watch_update_step(kind)

    def _watch_update_step(self, kind):
        step, watcher = kind._backend_update_step, self

        @functools.wraps(step)
        def stepped(self, grads, trainable_variables, learning_rate):
            pairs = zip(trainable_variables, grads)
            watcher.applied = {watcher.name_of(variable): gradient for variable, gradient in pairs}
            watcher.rate = learning_rate  # afterwards a schedule gives the next step's
            return step(self, grads, trainable_variables, learning_rate)

        kind._backend_update_step = stepped

    def constants_of(self, optimizer):
        """Returns the numbers among an optimizer's settings, as TensorFlow 1 names them."""
        kind = type(optimizer).__name__
        with tf.init_scope():  # it reads a variable
            settings = _settings(optimizer)
        # Where gradients are accumulated, the update is in a branch.
        is_known = not isinstance(self.rate, tf.Tensor) or _is_at_hand(self.rate)
        settings["learning_rate"] = self.rate if is_known else optimizer.learning_rate
        if kind == "SGD" and settings.get("momentum"):
            kind = "Momentum"
        elif kind == "SGD":
            settings.pop("nesterov", None)  # it looks ahead along a momentum of 0
        kind = KINDS.get(kind, kind)
        found = {}
        for key, value in settings.items():
            if isinstance(value, (tf.Tensor, tf.Variable, KerasVariable)):
                value = tf.convert_to_tensor(value)
            elif not isinstance(value, (bool, int, float)):
                continue
            found[f"{kind}/{_KERAS.get(key, key)}"] = tf.cast(value, tf.float32)
        return found

    def watch_raw_operations(self):
        for name in dir(tf.raw_ops):
            match = _RAW.fullmatch(name)
            if match:
                setattr(
                    tf.raw_ops, name, self._watched_operation(getattr(tf.raw_ops, name), match[2])
                )

    def _watched_operation(self, operation, kind):
        kind, variant = of_operation(kind)

        @functools.wraps(operation)
        def watched(**keywords):
            names = [
                name
                for name, variable in self.readable().items()
                if variable.handle is keywords["var"]
            ]
            gradient = keywords.get("grad", keywords.get("delta"))
            constants = {
                f"{kind}/{CONSTANTS.get(key, key)}": value
                for key, value in keywords.items()
                if key not in (*ARRAYS, *_FLAGS)
            }
            more = {**variant, "nesterov": float(bool(keywords.get("use_nesterov")))}
            constants.update((f"{kind}/{key}", value) for key, value in more.items() if value)
            self.places["step"] = _here()
            if "indices" in keywords:
                gradient = tf.IndexedSlices(gradient, keywords["indices"])
            return self.update(
                names,
                lambda: operation(**keywords),
                lambda: (dict.fromkeys(names, gradient), constants),
            )

        return watched

    def watch_assignments(self):
        for name in ("assign_sub", "assign_add", "assign"):
            self._watch_assignment(ResourceVariable, name)

    def _watch_assignment(self, kind, name):
        assign, watcher = getattr(kind, name), self

        @functools.wraps(assign)
        def assigned(self, *arguments, **keywords):
            if id(self) in watcher.rates and "fit(" not in user_lines.text(_here()):
                watcher.places["schedule"] = _here()
            known = None
            if watcher.pending and not watcher.has("is_applying"):
                known = watcher.name_of(self)
            # What a function differentiated, or an optimizer has updated, this does not update.
            _, gradient = watcher.pending.get(known, (None, None))
            if gradient is None or known in watcher.optimized or not _is_at_hand(gradient):
                result = assign(self, *arguments, **keywords)
                if watcher.recorder.operations and not watcher.has_updated:
                    watcher.note_average(self)
                if watcher.has_updated and not watcher.has("is_applying"):
                    watcher.amend(self, arguments[0] if arguments else None)
                return result
            watcher.places["step"] = _here()
            watcher.note_rate(arguments[0] if arguments else next(iter(keywords.values()), None))
            watcher.note_scaled(gradient)
            given = {known: watcher.clipped.get(id(gradient))}
            with watcher.flag("is_applying"):
                result = watcher.update(
                    [known], lambda: assign(self, *arguments, **keywords), lambda: (given, {})
                )
            watcher.pending.pop(known)
            return result

        setattr(kind, name, assigned)

    def note_average(self, variable):
        """Notes the line that assigns a variable in a forward pass, as the averages of batch norm,
        and the line that assigns it a second time, as where a model is called twice."""
        name = self.name_of(variable)
        if not name or not (tf.inside_function() or self.has_begun):
            return
        stack = user_lines.stack((f.filename, f.lineno) for f in tf_stack.extract_stack())
        places, before = stack.split(user_lines.FROM), self.averaged_now
        if tf.inside_function():
            before = self.averaged.setdefault(_graph(), {})
        if not isinstance(self.variables[name](), KerasVariable):
            self.moved.setdefault(name, places[0])
        if name in before:
            pairs = zip(places, before[name])
            other = next((place for place, known in pairs if place != known), "")
            self.twice[name] = other or self.entered or places[0]
        before[name] = places

    def amend(self, variable, value):
        """Records what is assigned after an update: a constraint, or an average of the weights.

        Not what a layer of Keras keeps besides its weights, such as batch norm's averages; nor what
        another function than that of the step computes of examples, as an evaluation may.
        """
        name = self.name_of(variable)
        known = self.variables[name]() if name else None
        if known is None or (isinstance(known, KerasVariable) and not known.trainable):
            return
        graph, handed = self.handed or (None, None)
        if tf.inside_function() and graph is not _graph() and _depends_on_examples(value):
            return
        self.assigned_at[name] = _here()
        if not tf.inside_function():
            self.recorder.amend({name: variable.numpy()})
            return
        with tf.control_dependencies([handed] if graph is _graph() else []):
            tf.numpy_function(
                lambda value: self.recorder.amend({name: value}), [variable.read_value()], []
            )

    def note_rate(self, update):
        """Notes the line that computes the learning rate of an update that is written out: the
        number in it that is no constant, without Adam's bias correction, which has a root."""
        if not isinstance(update, tf.Tensor) or not tf.inside_function():
            return
        rates, queue = [], [update.op]
        while queue and not rates:
            inputs = queue.pop(0).inputs
            rates = [tensor.op for tensor in inputs if _is_computed_number(tensor)]
            queue += [tensor.op for tensor in inputs if tensor.op.type in _PRODUCTS]
        while rates and rates[0].type in _PRODUCTS:
            inside = [t.op for t in rates[0].inputs if _is_computed_number(t)]
            other = [op for op in inside if not _has_root(op)]
            if len(inside) == len(other):
                break
            rates = other or rates[:0]
        if rates:
            frames = [(f.filename, f.lineno) for f in rates[0].traceback]
            self.places["schedule"] = user_lines.stack(frames)

    def note_scaled(self, gradient):
        """Notes the line that multiplies a gradient by a number that is computed of it, as a clip
        does that is written out before an update that is, too."""
        queue = [gradient] if tf.is_symbolic_tensor(gradient) and not self.places["clip"] else []
        while queue:
            tensor = queue.pop()
            for operation in tensor.consumers():
                factors = [t for t in operation.inputs if t is not tensor and t.shape.rank == 0]
                if operation.type not in _PRODUCTS or not factors:
                    continue
                if gradient.op in operations_before(factors):
                    frames = [(f.filename, f.lineno) for f in operation.traceback]
                    self.places["clip"] = user_lines.stack(frames)
                    return
                queue.append(operation.outputs[0])

    def note_changed(self, gradients):
        """Notes the line that made what an optimizer is given instead of a gradient, such as a clip
        or a scale that the program writes out."""
        made = {id(gradient) for _, gradient in self.pending.values()}
        changed = [g for g in gradients if isinstance(g, tf.Tensor) and id(g) not in made]
        if changed and made and tf.inside_function():
            frames = [(f.filename, f.lineno) for f in changed[0].op.traceback]
            self.places["clip"] = user_lines.stack(frames) or self.places["clip"]

    def watch_clips(self):
        """Learns the line that clips gradients, and what of each gradient becomes."""
        watcher = self

        def watch(name, function):
            @functools.wraps(function)
            def clipped(*arguments, **keywords):
                found = function(*arguments, **keywords)
                given = arguments[0] if arguments else next(iter(keywords.values()))
                outputs = found[0] if name == "clip_by_global_norm" else [found]
                inputs = list(given) if name == "clip_by_global_norm" else [given]
                made = {id(gradient) for _, gradient in watcher.pending.values()}
                pairs = {id(a): b for a, b in zip(inputs, outputs) if id(a) in made}
                watcher.clipped.update(pairs)
                if pairs and not watcher.has("is_applying"):  # an optimizer's own has its place
                    watcher.places["clip"] = _here()
                return found

            return clipped

        for name in _CLIPS:
            setattr(tf, name, watch(name, getattr(tf, name)))

    def update(self, names, apply, given, made_at=""):
        """Makes an update, and records it if it is due.

        Parameters
        ----------
        names : the variables' names.
        apply : function that makes the update; its result is returned.
        given : function that then returns the gradients by names, and the constants.
        made_at : the line that made the optimizer.
        """
        self.has_updated = True
        names = [name for name in names if name]

        def begin():
            if self.recorder.step == 0:
                self.recorder.initial(self.initial)
            return np.bool_(self.recorder.begin(names))

        if not tf.inside_function():
            due = begin()
            result = apply()
            if due:
                self.record(*_numpy(self.seen(names, *given())), made_at)
                if self.eager:
                    self.write_operations(*self.eager)
            return result
        self.places["fed"] = self.calling
        # The batch that is fed is the step's that begins: it has to be there before.
        ticket = fed_ticket(self.recorder) if self.recorder.batches else []
        graph, handed = self.handed or (None, None)
        with tf.control_dependencies([handed] if graph is _graph() else []):
            due = tf.numpy_function(lambda *ticket: begin(), ticket, tf.bool)
        due.set_shape([])
        with tf.control_dependencies([due]):
            result = apply()
        seen = self.seen(names, *given())
        forward = self.forward(seen[0].values())
        seen.append({str(number): tensor for number, tensor in enumerate(forward)})
        handed = tf.cond(due, lambda: self._hand_over(seen, forward, made_at), lambda: False)
        self.handed = _graph(), handed
        return result

    def forward(self, losses, operations=None):
        """Returns the tensors of a function that the losses depend on, once for each loss.

        Parameters
        ----------
        operations : the OperationsFile that they are for; None for that of the step.
        """
        known = self.told.setdefault(_graph(), set())
        losses = [tensor for tensor in losses if id(tensor) not in known]
        if operations is None and self.recorder.operations is None:
            return []
        known.update(map(id, losses))
        found = sorted(operations_before(losses), key=self.recorder.place)
        return [
            tensor
            for tensor in results(found, losses)
            if tensor.op.type != "Const" and tensor.dtype in _NUMBERS
        ]

    def line(self, operation):
        """Returns the user's line that made an operation: for a layer of Keras, the layer's."""
        layer = self.layer_of.get(operation)
        called = user_lines.stack((f.filename, f.lineno) for f in operation.traceback)
        return f"{layer}{user_lines.CALLED}{called}" if layer else called

    def seen(self, names, gradients, constants):
        """Returns what there is to record, in dicts of tensors."""
        pending = {
            name: self.pending[name]
            for name in names
            if name in self.pending and _is_at_hand(self.pending[name][1])
        }
        losses = {}
        for target, _ in pending.values():
            for tensor in filter(_is_at_hand, tf.nest.flatten(target)):
                losses[str(id(tensor))] = tensor
        differentiated = {name: result for name, (_, result) in pending.items()}
        gradients = {name: g for name, g in gradients.items() if _is_at_hand(g)}
        inputs = {str(number): tensor for number, tensor in enumerate(self.inputs())}
        variables = {**self.readable(), **_squares(differentiated)}
        return [
            losses,
            variables,
            _without_none(gradients),
            _without_none(differentiated),
            constants,
            inputs,
        ]

    def record(self, losses, variables, gradients, differentiated, constants, inputs, made_at):
        inputs = inputs or {str(number): value for number, value in enumerate(self.fed())}
        losses = {name: np.sum(value) for name, value in losses.items()}
        lines = {name.partition("/")[0]: made_at for name in constants} if made_at else {}
        self.recorder.record(losses, variables, gradients, differentiated, constants, inputs, lines)

    def write_operations(self, described, values):
        operations = self.recorder.operations
        if operations and described and operations.step == self.recorder.step:
            more = {"assigned": self.assigned_at, "moved": self.moved, "twice": self.twice}
            more.update(variables=self.lines, frozen=self.frozen(), idle=self.idle)
            operations.lines.update(**more, **self.places)
            operations.write(described, values)

    def _hand_over(self, seen, forward, made_at):
        """Hands the values to `record` from inside a function."""
        described = describe(forward, self.line)
        tensors = [tf.convert_to_tensor(tensor) for part in seen for tensor in part.values()]

        def record(*arrays):
            arrays = iter(arrays)
            parts = [{name: next(arrays) for name in part} for part in seen]
            self.record(*parts[:-1], made_at)
            self.write_operations(described, list(parts[-1].values()))
            return np.bool_(True)

        done = tf.numpy_function(record, tensors, tf.bool)
        done.set_shape([])
        return done

    # Random numbers.

    def replace_noise(self):
        """Draws dropout's noise from the step and the layer's number in its graph."""
        dropout, eager = nn_ops._dropout, {}

        def numbered():
            if tf.inside_function():
                return self.noise.setdefault(_graph(), NumberedNoise()).new()
            is_step = self.has_begun and not self.has_updated  # else it is an evaluation
            place = self.recorder.step, is_step
            eager[place] = eager.get(place, -1) + 1
            return NoiseNumber(eager[place], is_step)

        for name in ("normal", "uniform", "truncated_normal"):
            self._watch_random(tf.random, name, numbered)
            self._watch_random(tf.random, f"stateless_{name}", numbered)

        @functools.wraps(dropout)
        def aligned(x, rate, noise_shape, uniform_sampler, *arguments, **keywords):
            layer = numbered()

            def draw(shape, dtype):
                noise = tf.numpy_function(
                    lambda shape: self.recorder.noise(
                        self.recorder.step,
                        layer.number,
                        shape,
                        is_evaluation=not layer.is_trained,
                    ),
                    [shape],
                    tf.float32,
                )
                if tf.inside_function():
                    layer.operations.append(noise.op)
                noise.set_shape(tf.get_static_value(tf.convert_to_tensor(shape)))
                return tf.cast(noise, dtype)

            return dropout(x, rate, noise_shape, draw, *arguments, **keywords)

        nn_ops._dropout = aligned

    def _watch_random(self, module, name, numbered):
        """Lets a function give noise of the step and a number in an eager forward pass."""
        function, watcher = getattr(module, name), self
        kind = name.replace("stateless_", "").replace("_", " ")

        @functools.wraps(function)
        def drawn(shape, *arguments, **keywords):
            found = function(shape, *arguments, **keywords)
            is_forward = watcher.has_begun and not watcher.has_updated
            is_forward = is_forward and not watcher.has("is_inside")  # of a layer that is built now
            if tf.inside_function() or not is_forward or not found.dtype.is_floating:
                return found
            given = inspect.signature(function).bind(shape, *arguments, **keywords)
            given.apply_defaults()
            first, second = list(given.arguments.values())[2 if "stateless" in name else 1 :][:2]
            noise = watcher.recorder.noise(
                watcher.recorder.step, numbered().number, found.shape, kind
            )
            noise = tf.cast(noise, found.dtype)
            if kind == "uniform":
                return first + noise * ((1 if second is None else second) - first)
            return first + noise * second

        setattr(module, name, drawn)

    def number_noise(self, losses):
        """Numbers what draws noise in a function, and lets random operations draw it, too."""
        numbers = self.noise.setdefault(_graph(), NumberedNoise())
        numbers.number(losses)
        for operation, layer in numbers.drawn():
            self._replace_drawn(operation, layer)
        numbers.number(losses)

    def _replace_drawn(self, operation, layer):
        """Lets all that uses a random operation use noise of the step and the layer's number."""
        tensor, kind = operation.outputs[0], DRAWN[operation.type]
        users = tensor.consumers()
        with tf.control_dependencies(None):
            drawn = tf.numpy_function(
                lambda shape: self.recorder.noise(self.recorder.step, layer.number, shape, kind),
                [operation.inputs[0]],
                tf.float32,
            )
            drawn.set_shape(tensor.shape)
            given = tf.cast(drawn, tensor.dtype)
        layer.operations.append(drawn.op)
        self.recorder.places[given.op] = operation._id + 0.5
        self.recorder.places[drawn.op] = operation._id
        for user in users:
            for number, value in enumerate(user.inputs):
                if value is tensor:
                    user._update_input(number, given)


class _Flag:
    """Marks what happens inside a call, in this thread."""

    def __init__(self, state, name):
        self.state, self.name = state, name

    def __enter__(self):
        setattr(self.state, self.name, getattr(self.state, self.name, 0) + 1)

    def __exit__(self, *exc_info):
        setattr(self.state, self.name, getattr(self.state, self.name) - 1)


def _is_computed_number(tensor):
    return tensor.shape.rank == 0 and tensor.op.type != "Const"


def _has_root(operation):
    """Says whether a number is computed from a square root."""
    if operation.type in ("Sqrt", "Rsqrt"):
        return True
    return any(_has_root(t.op) for t in operation.inputs if _is_computed_number(t))


def _here():
    """Returns the user's line, also in a function that AutoGraph has converted."""
    frames = [(frame.filename, frame.lineno) for frame in tf_stack.extract_stack()]
    return user_lines.innermost(frames)


def _graph():
    return tf.compat.v1.get_default_graph()


def _batch(collected):
    """Returns the arrays that operations of an eager step take, as operations: those with as many
    rows as most results have, so no shapes and no tables."""
    made = {id(tensor) for _, _, _, outputs, _ in collected for tensor in outputs}
    rows = collections.Counter(
        tensor.shape[0]
        for kind, _, _, outputs, _ in collected
        for tensor in outputs
        if kind != "ReadVariableOp" and _has_rows(tensor) and tensor.dtype.is_floating
    )
    most = [count for count, _ in rows.most_common(1)]
    given = {id(tensor): tensor for _, _, inputs, _, _ in collected for tensor in inputs}
    return [
        ("Placeholder", "input", [], [tensor], "")
        for key, tensor in given.items()
        if key not in made and _has_rows(tensor) and tensor.shape[:1] == most
    ]


def _has_rows(tensor):
    """Says whether a tensor holds numbers; an operation may have outputs that are None."""
    return tensor is not None and tensor.dtype in _NUMBERS and bool(tensor.shape.rank)


def _is_here(tensor):
    """Says whether a tensor is one of the graph that is being built."""
    return tf.is_symbolic_tensor(tensor) and tensor.graph is _graph()


def _settings(optimizer):
    """Returns what an optimizer was made with, by name."""
    try:
        return optimizer.get_config()
    except (NotImplementedError, AttributeError):  # a schedule of the program's own may have none
        names = inspect.signature(type(optimizer)).parameters
        return {name: getattr(optimizer, name, None) for name in names}


def _is_at_hand(tensor):
    """Says whether the function that is being traced can use a tensor."""
    tensor = getattr(tensor, "values", tensor)
    if tensor is None or not tf.is_symbolic_tensor(tensor):
        return True
    graph = _graph()
    while graph is not None and graph is not tensor.graph:
        graph = getattr(graph, "outer_graph", None)
    return graph is not None


def _depends_on_examples(value):
    """Says whether a tensor is computed of an argument of its function, or of an iterator's."""
    graph = _graph()
    captured = {tensor.op for tensor in getattr(graph, "internal_captures", ())}
    seen, queue = set(), [value.op] if tf.is_tensor(value) and _is_here(value) else []
    while queue:
        operation = queue.pop()
        if operation in seen:
            continue
        seen.add(operation)
        is_argument = operation.type == "Placeholder" and operation not in captured
        is_argument = is_argument and operation.outputs[0].shape.rank != 0
        if is_argument or operation.type == "IteratorGetNext":
            return True
        queue += [tensor.op for tensor in operation.inputs]
    return False


def _squares(gradients):
    """Returns the sums of the squares of sparse gradients, row by row, which an optimizer takes
    that does not add up the gradients of one row first."""
    return {
        f"squares/{name}": tf.IndexedSlices(tf.square(g.values), g.indices, g.dense_shape)
        for name, g in gradients.items()
        if isinstance(g, tf.IndexedSlices)
    }


def _is_own(code):
    """Says whether a class or a function is the user's."""
    try:
        return user_lines.is_own(inspect.getfile(code))
    except TypeError:  # made in an interactive session, or built in
        return False


def _without_none(tensors):
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def _numpy(parts):
    return [
        {name: np.asarray(tf.convert_to_tensor(tensor)) for name, tensor in part.items()}
        for part in parts
    ]


def _switch_xla_off():
    compile_, initialize = Trainer.compile, Function.__init__

    @functools.wraps(compile_)
    def compiled(self, *arguments, **keywords):
        keywords["jit_compile"] = False
        return compile_(self, *arguments, **keywords)

    @functools.wraps(initialize)
    def initialized(self, *arguments, **keywords):
        if keywords.get("jit_compile"):
            keywords["jit_compile"] = None
        initialize(self, *arguments, **keywords)

    Trainer.compile, Function.__init__ = compiled, initialized
