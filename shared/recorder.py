"""Records a program that knows nothing of it: what is of neither style in `tf?_style/run --trace`.

A step ends when a variable would be updated a second time. So a generator and a discriminator that
are updated one after the other make one step, in one call or in two.

The trace holds, besides the program's variables, tensors with these prefixes:

    gradients/NAME       the gradient that the optimizer was given for a variable, clipped or not
    differentiated/NAME  the gradient that the differentiation returned
    constants/KIND/NAME  an optimizer's constant that was in effect, such as constants/Adam/beta1
    inputs/NAME          what the step was fed
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Callable, Iterable

import numpy as np

from shared import files, npz
from shared.console import UserError
from shared.trace import Trace

PREFIXES = ("gradients/", "differentiated/", "constants/", "inputs/")
RANDOM = ("own", "aligned", "off")
# Of the operations ApplyAdam, ResourceApplyAdam and so on: the inputs that are no constants, the
# names of constants that differ from one to the other, and of kinds that Keras calls otherwise.
ARRAYS = (
    *("var", "m", "v", "accum", "grad", "delta", "indices", "ms", "mom", "linear", "mg"),
    "accum_update",
)
CONSTANTS = {"lr": "learning_rate", "alpha": "learning_rate", "rho": "decay"}
KINDS = {"GradientDescent": "SGD", "RMSprop": "RMSProp"}


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
        help="write the operations from the inputs to the loss, with values and lines",
    )
    parser.add_argument(
        "--operations_at", type=int, default=1, metavar="N", help="at step N (default: 1)"
    )
    parser.add_argument(
        "--weights", metavar="FILE", help="an .npz of variables' initial values, by their names"
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
    try:
        start = npz.load(options.weights) if options.weights else {}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--weights={options.weights}: {reason}; expected an .npz of arrays")
    if options.operations and os.path.exists(options.operations):
        raise UserError(f"--operations={options.operations}: exists; name a new file")
    trace = Trace(options.trace, options.every, [int(step) for step in steps if step])
    recorder = Recorder(trace, options.last_step, start, options.random)
    if options.operations:
        recorder.operations = OperationsFile(options.operations, options.operations_at)
    return recorder


class OperationsFile:
    """Writes a program's operations from the inputs to the loss, with values and lines.

    Attributes
    ----------
    step : the step whose values are written.
    lines : {"variables": {name: line}, "optimizer": line, "clip": line, "step": line}; a line is
        "file:number".
    """

    def __init__(self, path: str, step: int):
        self.step = step
        self.lines = {"variables": {}, "optimizer": "", "step": ""}
        self._path = path

    def write(self, operations: list[dict], values: list[np.ndarray]) -> None:
        """Writes the file.

        Parameters
        ----------
        operations : in an order in which each comes after those that it depends on. Keys: name,
            type, line, inputs (numbers of other operations).
        values : the first output of each.
        """
        about = json.dumps({"operations": operations, "lines": self.lines})
        arrays = {f"value_{number}": value for number, value in enumerate(values)}
        with files.replacing(self._path) as file:
            np.savez(file, about=np.array(about), **arrays)


def describe(operations: list, line: Callable) -> list[dict]:
    """Returns what `OperationsFile.write` takes of TensorFlow's operations.

    Parameters
    ----------
    operations : in an order in which each comes after those that it depends on.
    line : function of an operation; returns the user's line that made it.
    """
    numbers = {operation: number for number, operation in enumerate(operations)}

    def inputs(operation) -> list[int]:
        """Returns the nearest operations with a number; a graph with a loop has cycles."""
        found, seen, queue = set(), set(), [tensor.op for tensor in operation.inputs]
        while queue:
            before = queue.pop()
            if before in numbers:
                found.add(numbers[before])
            elif before not in seen:
                seen.add(before)
                queue += [tensor.op for tensor in before.inputs]
        return sorted(found - {numbers[operation]})

    return [
        {
            "name": operation.name,
            "type": operation.type,
            "line": line(operation),
            "inputs": inputs(operation),
        }
        for operation in operations
    ]


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
        self._initial = {}
        self.operations = None  # or OperationsFile

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
        if self._step == 0 or self._updated & names:
            if self._step == 0:
                self._trace.record(0, None, self._initial)
                self._initial = {}
            elif self._step == self._last_step:
                self.end()
            self._step += 1
            self._updated, self._tensors, self._losses = set(), {}, {}
        self._updated |= names
        return self._trace.is_due(self._step)

    def end(self) -> None:
        """Ends the program after its last step, wherever it is; TensorFlow may have called this."""
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
        """
        self._losses.update(losses)
        for prefix, tensors in (
            ("", variables),
            ("gradients/", gradients),
            ("differentiated/", differentiated),
            ("constants/", constants),
            ("inputs/", inputs),
        ):
            self._tensors.update((prefix + name, value) for name, value in tensors.items())
        total = sum(map(float, self._losses.values())) if self._losses else None
        self._trace.record(self._step, total, self._tensors)

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

    def noise(self, completed: int, layer: int, shape: Iterable[int]) -> np.ndarray:
        """Returns dropout's uniform noise of a layer: float32 [...] in [0, 1).

        It depends on the number of completed steps and on the layer's number alone, so two
        programs draw the same.
        """
        if self.random == "off":
            return np.full(tuple(shape), 0.999999, np.float32)
        return (
            np.random.RandomState([completed, layer]).random_sample(tuple(shape)).astype(np.float32)
        )
