"""Records a program that knows nothing of it: what is of neither style in `tf?_style/run --trace`.

A step ends when a variable would be updated a second time. So a generator and a discriminator that
are updated one after the other make one step, in one call or in two.

The trace holds, besides the program's variables, tensors with these prefixes:

    gradients/NAME       the gradient that the optimizer was given for a variable, clipped or not
    differentiated/NAME  the gradient that the differentiation returned
    squares/NAME         of a sparse gradient, the sum of the squares of each row's parts
    constants/KIND/NAME  an optimizer's constant that was in effect, such as constants/Adam/beta1
    inputs/NAME          what the step was fed
    evaluation/STEP/...  what the program evaluates after the step, before the next; see
                         shared.predictions.Evaluation

Of a program that makes no step, but predicts, step 0 holds the variables, and step 1 besides them
inputs/NUMBER and outputs/NUMBER; see shared.predictions.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import re
import sys
from typing import Callable, Iterable

import numpy as np

from shared import files, npz
from shared.console import UserError
from shared.fed_batches import FedBatches
from shared.predictions import Evaluation, PredictedOperations, Predictions
from shared.trace import Trace

PREFIXES = (
    *("gradients/", "differentiated/", "squares/", "constants/", "inputs/", "outputs/"),
    "evaluation/",
)
# Evaluations that are kept besides those after steps whose full values are asked for.
MORE_EVALUATIONS = 4
DISTURBANCE = 5e-7  # relative change by --disturb, a few of the last bits
RANDOM = ("own", "aligned", "off")
OTHER_NOISE = 1000  # added to the numbers of layers
# Of the operations ApplyAdam, ResourceApplyAdam and so on: the inputs that are no constants, the
# names of constants that differ from one to the other, and of kinds that Keras calls otherwise.
ARRAYS = (
    *("var", "m", "v", "accum", "grad", "delta", "indices", "ms", "mom", "linear", "mg"),
    "accum_update",
)
CONSTANTS = {"lr": "learning_rate", "alpha": "learning_rate", "rho": "decay"}
KINDS = {"GradientDescent": "SGD", "RMSprop": "RMSProp", "AdagradV2": "Adagrad"}
# Operations that draw random numbers, and from what.
DRAWN = {
    f"{name}{version}": kind
    for version in ("", "V2")
    for name, kind in (
        ("RandomStandardNormal", "normal"),
        ("RandomUniform", "uniform"),
        ("TruncatedNormal", "truncated normal"),
        ("StatelessRandomNormal", "normal"),
        ("StatelessRandomUniform", "uniform"),
        ("StatelessTruncatedNormal", "truncated normal"),
    )
}
# Operations that Keras has as an argument of another optimizer.
VARIANTS = {"CenteredRMSProp": ("RMSProp", "centered"), "AdamWithAmsgrad": ("Adam", "amsgrad")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trace", metavar="FILE", help="record the loss, variables and gradients of each step"
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="record every N steps (default: 1)"
    )
    parser.add_argument(
        "--values_at", metavar="STEPS", help="steps to record with full values, such as 0,1,20"
    )
    parser.add_argument(
        "--last_step", type=int, metavar="N", help="end the program after N steps of training"
    )
    parser.add_argument(
        "--operations",
        metavar="FILE",
        help="write the operations from the inputs to the loss, with values and lines; with "
        "--operations_at=0 to the predictions of a program that does not train",
    )
    parser.add_argument(
        "--operations_at", type=int, default=1, metavar="N", help="at step N (default: 1)"
    )
    parser.add_argument(
        "--evaluations",
        action="store_true",
        help="record what the program evaluates between its steps, too",
    )
    parser.add_argument(
        "--operations_of",
        type=int,
        metavar="N",
        help="with --operations: those of the calls number N of the evaluation after the step, "
        "not of the step",
    )
    parser.add_argument(
        "--evaluation_weights",
        metavar="FILE",
        help="with --operations_of: an .npz of the variables' values for that evaluation",
    )
    parser.add_argument(
        "--other_noise",
        action="store_true",
        help="with --random=aligned: draw other random numbers in evaluations",
    )
    parser.add_argument(
        "--noise_order",
        metavar="NUMBERS",
        help="with --random=aligned: whose noise each layer draws in the order of the calls, such "
        "as 0,2,1",
    )
    parser.add_argument(
        "--weights", metavar="FILE", help="an .npz of variables' initial values, by their names"
    )
    parser.add_argument(
        "--batches",
        metavar="FILE",
        help="an .npz of batches to feed the program instead of its own, by names such as 1/x: "
        "the step, and any name",
    )
    parser.add_argument(
        "--disturb",
        action="store_true",
        help="change the last bits of the weights before the first prediction",
    )
    parser.add_argument(
        "--random",
        choices=RANDOM,
        default="own",
        help="the random numbers of dropout: the program's own, the same in each program that is "
        "recorded so (aligned), or no dropout (off) (default: own)",
    )


def of_arguments(options: argparse.Namespace) -> Recorder | None:
    """Returns the recorder that the command line asks for, or None.

    Raises
    ------
    UserError : an option has a wrong value, or a file cannot be read.
    """
    if not options.trace:
        return None
    if options.every < 1 or (options.last_step is not None and options.last_step < 1):
        raise UserError("--every and --last_step: expected numbers of at least 1")
    steps = (options.values_at or "").split(",")
    if not all(step.strip().isdecimal() for step in steps if step):
        raise UserError(f"--values_at={options.values_at}: expected steps such as 0,1,20")
    start = _arrays("--weights", options.weights)
    batches = _arrays("--batches", options.batches)
    if options.operations and os.path.exists(options.operations):
        raise UserError(f"--operations={options.operations}: exists; name a new file")
    trace = Trace(options.trace, options.every, [int(step) for step in steps if step])
    recorder = Recorder(trace, options.last_step, start, options.random)
    recorder.disturbs = options.disturb
    recorder.draws_other = options.other_noise
    recorder.noise_order = [
        int(number) for number in (options.noise_order or "").split(",") if number
    ]
    recorder.evaluates(_arrays("--evaluation_weights", options.evaluation_weights), options)
    recorder.batches = FedBatches(batches) if batches else None
    if options.operations and options.operations_of is None:
        recorder.operations = OperationsFile(options.operations, options.operations_at)
    return recorder


def _arrays(option: str, path: str | None) -> dict[str, np.ndarray]:
    try:
        return npz.load(path) if path else {}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{option}={path}: {reason}; expected an .npz of arrays")


def of_operation(kind: str) -> tuple[str, dict[str, float]]:
    """Returns an optimizer's name, and constants, of an operation such as "CenteredRMSProp"."""
    if kind in VARIANTS:
        return VARIANTS[kind][0], {VARIANTS[kind][1]: 1.0}
    return KINDS.get(kind, kind), {}


class OperationsFile:
    """Writes a program's operations from the inputs to the loss, with values and lines.

    Attributes
    ----------
    step : the step whose values are written.
    lines : {"variables": {name: line}, "optimizer": line, "optimizers": {kind: line}, "clip": line,
        "step": line}; a line is "file:number".
    """

    def __init__(self, path: str, step: int):
        self.step = step
        self.lines = {"variables": {}, "optimizer": "", "optimizers": {}, "step": ""}
        self._path = path
        self._operations, self._values = [], []

    def write(self, operations: list[dict], values: list[np.ndarray]) -> None:
        """Writes the file. A step of several updates adds the operations of each.

        Parameters
        ----------
        operations : in an order in which each comes after those that it depends on; one with
            several results has an entry for each. Keys: name, type, line, inputs (numbers of
            other entries).
        values : the result of each.
        """
        first = len(self._operations)
        for operation in operations:
            moved = [first + number for number in operation["inputs"]]
            self._operations.append({**operation, "inputs": moved})
        self._values += values
        about = json.dumps({"operations": self._operations, "lines": self.lines})
        arrays = {f"value_{number}": value for number, value in enumerate(self._values)}
        with files.replacing(self._path) as file:
            np.savez(file, about=np.array(about), **arrays)

    def renew(self) -> None:
        """Writes a file that exists again, with the lines that were learnt since."""
        if self._operations:
            self.write([], [])


def noise(completed: int, layer: int, shape: tuple, kind: str = "uniform") -> np.ndarray:
    """Returns the noise of a layer after some steps: float32 [...]; see `Recorder.noise`."""
    random = np.random.RandomState([completed, layer])
    if kind == "uniform":
        return random.random_sample(shape).astype(np.float32)
    found = random.standard_normal(shape)
    while kind == "truncated normal" and np.any(np.abs(found) > 2):
        found = np.where(np.abs(found) > 2, random.standard_normal(shape), found)
    return found.astype(np.float32)


def results(operations: list, ends: list) -> list:
    """Returns the outputs of operations that others of them take, or that are among `ends`.

    An operation such as a loop or a split has several.

    Parameters
    ----------
    operations : of one graph of TensorFlow, in the order of the result.
    ends : tensors.
    """
    taken = {tensor.name for operation in operations for tensor in operation.inputs}
    taken.update(tensor.name for tensor in ends)
    return [
        tensor for operation in operations for tensor in operation.outputs if tensor.name in taken
    ]


def describe(tensors: list, line: Callable) -> list[dict]:
    """Returns what `OperationsFile.write` takes of TensorFlow's tensors.

    Parameters
    ----------
    tensors : of one graph, in an order in which each comes after those that it depends on.
    line : function of an operation; returns the user's line that made it.
    """
    numbers = {tensor.name: number for number, tensor in enumerate(tensors)}

    def inputs(tensor) -> list[int]:
        """Returns the nearest tensors with a number; a graph with a loop has cycles."""
        found, seen, queue = set(), set(), list(tensor.op.inputs)
        while queue:
            before = queue.pop()
            if before.name in numbers:
                found.add(numbers[before.name])
            elif before.name not in seen:
                seen.add(before.name)
                queue += before.op.inputs
        return sorted(found - {numbers[tensor.name]})

    return [
        {
            "name": tensor.op.name,
            "type": tensor.op.type,
            "line": line(tensor.op),
            "inputs": inputs(tensor),
        }
        for tensor in tensors
    ]


class NoiseNumber:
    """The number of a layer, or of a random operation, that draws noise.

    Attributes
    ----------
    number : noise is drawn from the step and this number.
    operations : the operations of a graph that draw it.
    is_trained : whether a loss depends on it that is differentiated.
    """

    def __init__(self, number: int, is_trained: bool = False):
        self.number = number
        self.operations = []
        self.is_trained = is_trained


class NumberedNoise:
    """Numbers the layers of a graph that draw noise: first those that a loss depends on, in the
    order of their creation.

    So a second forward pass of a program, such as for its metrics, changes no numbers.
    """

    def __init__(self):
        self._layers = []
        self._drawn = []  # the same of random operations
        self._needed = set()  # operations that the losses depend on
        self.count = 0  # layers so far; set it back before the body of a loop is made again

    def new(self) -> NoiseNumber:
        """Returns the next layer's number."""
        self.count += 1
        if self.count > len(self._layers):
            self._layers.append(NoiseNumber(self.count - 1))
        return self._layers[self.count - 1]

    def number(self, losses: Iterable) -> None:
        """Numbers the layers anew, after further operations are known to be losses."""
        queue = list(losses)
        while queue:
            operation = queue.pop()
            if operation not in self._needed:
                self._needed.add(operation)
                queue += [tensor.op for tensor in operation.inputs]
        order = sorted([*self._layers, *self._drawn], key=self._place)
        for number, layer in enumerate(order):
            layer.number = number
            layer.is_trained = not self._needed.isdisjoint(layer.operations)

    def _place(self, layer: NoiseNumber) -> tuple:
        first = min((operation._id for operation in layer.operations), default=np.inf)
        return self._needed.isdisjoint(layer.operations), first

    def drawn(self) -> list[tuple]:
        """Returns (operation, NoiseNumber) of the operations that draw random numbers, and that a
        loss depends on, which are not numbered yet."""
        known = {operation for layer in self._drawn for operation in layer.operations}
        found = []
        for operation in self._needed - known:
            if operation.type in DRAWN and operation._get_control_flow_context() is None:
                layer = NoiseNumber(0)
                layer.operations.append(operation)
                self._drawn.append(layer)
                found.append((operation, layer))
        return found


def read_operations(path: str) -> tuple[list[dict], list[np.ndarray], dict]:
    """Returns what `OperationsFile.write` was given, and the lines."""
    arrays = npz.load(path)
    about = json.loads(str(arrays["about"]))
    count = len(about["operations"])
    values = [arrays[f"value_{number}"] for number in range(count)]
    return about["operations"], values, about["lines"]


class Recorder:
    """Turns what the hooks of a style see into the records of a trace.

    Attributes
    ----------
    random : one of RANDOM.
    start : initial values by the variables' names.
    """

    def __init__(
        self,
        trace: Trace,
        last_step: int | None = None,
        start: dict[str, np.ndarray] | None = None,
        random: str = "own",
    ):
        self.random = random
        self.start = start or {}
        self._trace = trace
        self._last_step = last_step
        self._step = 0
        self._updated = set()  # variables that the present step has updated
        self._tensors = {}  # what the present step's updates gave so far
        self._losses = {}
        self._optimizers = {}  # kind -> the constants of each of the step's optimizers
        self._is_stale = False  # whether a tensor has changed since the step was recorded
        self._initial = {}
        self.operations = None  # or OperationsFile
        self.places = {}  # {operation: _id of the one that it replaces, and stands for}
        atexit.register(self._refresh_at_exit)  # runs before the trace is saved
        self.disturbs = False
        self.batches = None  # or FedBatches
        self.predictions = Predictions()  # None if the program trains
        self.evaluation = None  # or Evaluation, of what follows the present step
        self.evaluated_operations = None  # or OperationsFile, of an evaluation
        self.evaluated_group = None  # the number of its calls
        self.is_updating = False  # whether a step is being made, where that is known
        self.draws_other = False  # whether evaluations draw other random numbers
        self.noise_order = []  # whose noise each layer draws, in the order of the calls
        self.keeps_evaluations = False  # whether evaluations are recorded at all
        self._more_evaluations = 0  # kept besides those after steps with full values
        self._evaluation_weights = {}
        self.predicted_operations = PredictedOperations()
        atexit.register(self._record_predictions)  # runs before the trace is saved

    def evaluates(self, weights: dict[str, np.ndarray], options: argparse.Namespace) -> None:
        """Takes what the command line says of evaluations."""
        self.keeps_evaluations = options.evaluations
        self._evaluation_weights = weights
        self.evaluated_group = options.operations_of
        if options.operations and options.operations_of is not None:
            self.evaluated_operations = OperationsFile(options.operations, options.operations_at)
        self._begin_evaluation()

    def _begin_evaluation(self) -> None:
        is_kept = self.keeps_evaluations and self._trace.is_due(self._step)
        is_full = self._more_evaluations >= MORE_EVALUATIONS
        if is_full and not self._trace.values_are_due(self._step):
            is_kept = False
        self.evaluation = Evaluation() if is_kept else None

    @property
    def wants_evaluated_operations(self) -> bool:
        """Whether the operations of the evaluation after the present step are to be written."""
        wanted = self.evaluated_operations
        return wanted is not None and self.evaluation is not None and wanted.step == self._step

    def evaluation_weights(self) -> dict[str, np.ndarray]:
        """Returns once the values that variables are to have in the evaluation that begins."""
        if not self.wants_evaluated_operations:
            return {}
        weights, self._evaluation_weights = self._evaluation_weights, {}
        return weights

    def evaluated(self, values: Callable[[], dict[str, np.ndarray]]) -> None:
        """Notes the variables that have changed since the step, after a call of an evaluation."""
        if self.evaluation.weights is None and self._tensors:
            self.evaluation.weights = {
                name: np.array(value)
                for name, value in values().items()
                if name in self._tensors and not np.array_equal(value, self._tensors[name])
            }

    def _keep_evaluation(self) -> dict[str, np.ndarray]:
        """Returns the tensors of the evaluation that ends; adds them to its step's record."""
        made, self.evaluation = self.evaluation, None
        tensors = made.tensors() if made else {}
        prefix = f"evaluation/{self._step}/"
        found = {prefix + name: value for name, value in tensors.items()}
        if not found:
            return {}
        found.update((f"{prefix}weights/{n}", value) for n, value in (made.weights or {}).items())
        if self._step and not self._trace.values_are_due(self._step):
            self._more_evaluations += 1
            self._trace.end(self._step)
        if self._step and self._tensors:
            self._tensors.update(found)
            self._is_stale = True
        wanted, operations = self.evaluated_operations, self.predicted_operations
        if wanted and wanted.step == self._step and operations.described:
            wanted.write(operations.described, operations.values())
        return found

    def place(self, operation) -> float:
        """Returns a number by which operations can be sorted: each after those it depends on."""
        return self.places.get(operation, operation._id)

    def begin_prediction(self, weights: dict[str, np.ndarray]) -> bool:
        """Begins a call as `Predictions.begin`; forgets the operations of calls that it forgets."""
        is_first = self.predictions.begin(weights)
        if is_first:
            self.predicted_operations = PredictedOperations()
        return is_first

    def _record_predictions(self) -> None:
        tensors = self.predictions.tensors() if self.predictions else {}
        if not any(name.startswith("outputs/") for name in tensors):
            return
        self._trace.record(0, None, self.predictions.weights)
        self._trace.record(1, None, {**self.predictions.weights, **tensors})
        found = self.predicted_operations
        if self.operations and found.described:
            self.operations.write(found.described, found.values())

    @property
    def wants_predicted_operations(self) -> bool:
        return self.operations is not None and self.operations.step == 0

    @staticmethod
    def disturbed(name: str, value: np.ndarray) -> np.ndarray:
        """Returns a weight with other last bits."""
        random = np.random.RandomState(sum(name.encode()))
        signs = np.where(random.random_sample(value.shape) < 0.5, 1, -1)
        return (value * (1 + DISTURBANCE * signs)).astype(value.dtype)

    def initial(self, values: Callable[[], dict[str, np.ndarray]]) -> None:
        """Takes the variables' values before the first step; later calls only add names."""
        if self._step == 0:
            for name, value in values().items():
                self._initial.setdefault(name, np.array(value))

    def begin(self, names: Iterable[str]) -> bool:
        """Begins an update of variables; returns whether it is to be recorded.

        A program that has made its last step ends here, before it updates anything again.
        """
        names = set(names)
        self.predictions = None
        if self._step == 0 or self._updated & names:
            evaluated = self._keep_evaluation()
            self._refresh()
            if self._step == 0:
                self._trace.record(0, None, {**self._initial, **evaluated})
                self._initial = {}
            elif self._step == self._last_step:
                self.end()
            self._step += 1
            self._updated, self._tensors, self._losses, self._optimizers = set(), {}, {}, {}
        self._updated |= names
        self._begin_evaluation()  # what came between two updates of one step is none
        return self._trace.is_due(self._step)

    def end(self) -> None:
        """Ends the program after its last step, wherever it is; TensorFlow may have called this."""
        self._keep_evaluation()
        self._refresh()
        self._trace.save()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def record(
        self,
        losses: dict[str, float],
        variables: dict[str, np.ndarray],
        gradients: dict[str, np.ndarray],
        differentiated: dict[str, np.ndarray],
        constants: dict[str, float],
        inputs: dict[str, np.ndarray],
        made_at: dict[str, str] | None = None,
    ) -> None:
        """Records an update that `begin` has called due.

        Parameters
        ----------
        losses : what was differentiated, by the tensors' names. Those of a step are added.
        variables : the program's variables after the update.
        gradients, differentiated : by the variables' names, as the optimizer was given them, and as
            the differentiation returned them.
        constants : such as {"Adam/beta1": 0.9}.
        inputs : what the step was fed.
        made_at : the lines that made the optimizers, by their kinds.
        """
        self._losses.update(losses)
        constants = self._numbered(constants, made_at or {})
        for prefix, tensors in (
            ("", variables),
            ("gradients/", gradients),
            ("differentiated/", differentiated),
            ("constants/", constants),
            ("inputs/", inputs),
        ):
            self._tensors.update((prefix + name, value) for name, value in tensors.items())
        self._is_stale = True
        self._refresh()

    def _refresh_at_exit(self) -> None:
        if self._step:
            self._keep_evaluation()
        self._refresh()

    def _refresh(self) -> None:
        if self._is_stale:
            total = sum(map(float, self._losses.values())) if self._losses else None
            self._trace.record(self._step, total, self._tensors)
            self._is_stale = False
            if self.operations and self.operations.step == self._step:
                self.operations.renew()

    def amend(self, variables: dict[str, np.ndarray]) -> None:
        """Takes what a program assigns after its update: a constraint, an average of weights."""
        if self._tensors:
            self._tensors.update((name, np.array(value)) for name, value in variables.items())
            self._is_stale = True

    def _numbered(self, constants: dict[str, float], made_at: dict[str, str]) -> dict[str, float]:
        """Names the second optimizer of a kind in this step, with other constants, Adam_2."""
        groups, found = {}, {}
        for name, value in constants.items():
            kind, _, key = name.partition("/")
            groups.setdefault(kind, {})[key] = float(value)
        for kind, group in groups.items():
            base = re.sub(r"_\d+$", "", kind)
            told = {key: value for key, value in group.items() if not key.endswith("_power")}
            known = self._optimizers.setdefault(base, [])
            if told not in known:
                known.append(told)
            number = known.index(told) + 1
            name = base if number == 1 else f"{base}_{number}"
            found.update((f"{name}/{key}", value) for key, value in group.items())
            if self.operations and kind in made_at:
                self.operations.lines["optimizers"][name] = made_at[kind]
        return found

    @property
    def step(self) -> int:
        return self._step

    def initial_value(self, name: str, shape: Iterable[int]) -> np.ndarray | None:
        """Returns the value that a variable is to start with, or None for its own.

        Raises
        ------
        UserError : the value has another shape.
        """
        value = self.start.get(name)
        if value is not None and list(value.shape) != list(shape):
            raise UserError(
                f"--weights: {name} is {list(value.shape)}, the program's is {list(shape)}"
            )
        return value

    def noise(
        self,
        completed: int,
        layer: int,
        shape: Iterable[int],
        kind: str = "uniform",
        is_evaluation: bool = False,
    ):
        """Returns the noise of a layer, or of a random operation: float32 [...].

        It depends on the number of completed steps and on the layer's number alone, so two
        programs draw the same.

        Parameters
        ----------
        kind : "uniform" in [0, 1), "normal", or "truncated normal".
        is_evaluation : whether no step is being made.
        """
        if layer < len(self.noise_order):
            layer = self.noise_order[layer]
        if is_evaluation and self.draws_other:
            layer += OTHER_NOISE
        shape = tuple(shape)
        if self.random == "off":
            return np.full(shape, 0.999999 if kind == "uniform" else 0, np.float32)
        return noise(completed, layer, shape, kind)
