"""The two programs that are compared: finds them, runs them and records them."""

import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from compare import runner
from compare.runner import STYLES
from shared import trace
from shared.console import UserError

NAMES = ("reference", "candidate")
OWN_FLAGS = ("--trace", "--run_dir", "--restart")  # set here, or useless here
# Every program of the project accepts these flags: with absl's --undefok, a program ignores those
# that it does not define. Only the perceptron has --train, and needs it to have steps to record.
OPTIONAL_FLAGS = "--undefok=train,log,run_dir,max_steps,save_every"


@dataclass
class Side:
    """One of the two programs.

    Attributes
    ----------
    name : "reference" or "candidate".
    command : a command line for the shell; empty if there is only a recording.
    title : how the output names the program.
    is_twin : whether it is a program of the project, which takes OPTIONAL_FLAGS.
    steps, epochs : their total numbers, if the command line sets them.
    fault : how the program failed; empty if it succeeded.
    """

    name: str
    command: str
    title: str
    is_twin: bool = False
    steps: int | None = None
    epochs: int | None = None
    fault: str = ""


def of_twins(name: str, flags: Sequence[str]) -> list[Side]:
    """Returns both styles of a program of the project.

    Raises
    ------
    UserError : there is no program of that name, or a flag is one that parity sets itself.
    """
    for flag in flags:
        if flag.startswith(OWN_FLAGS):
            raise UserError(f"{flag}: parity sets this flag itself; leave it out")
    if name not in runner.programs():
        raise UserError(f"no program {name}; expected one of {', '.join(runner.programs())}")
    numbers = re.findall(r"^--?(max_steps|epochs)=(\d+)$", "\n".join(flags), re.MULTILINE)
    totals = {name: int(number) for name, number in numbers}
    sides = []
    for side, style in zip(NAMES, STYLES):
        title = f"{style}/{name}"
        script = str(runner.ROOT / style / f"{name}.py")
        command = [sys.executable, script, OPTIONAL_FLAGS, "--train", "--nolog", *flags]
        sides.append(
            Side(
                side,
                shlex.join(command),
                title,
                is_twin=True,
                steps=totals.get("max_steps"),
                epochs=totals.get("epochs"),
            )
        )
    return sides


def record(
    console: Console, side: Side, folder: str, tag: str, last: int | None = None, **settings: object
) -> trace.Recording:
    """Runs a program and returns its recording.

    Parameters
    ----------
    folder : the folder for the recording, and for the run folder of a twin.
    tag : distinguishes the recordings of one program.
    last : the step after which a twin may stop; None if it trains to its end.
    settings : the settings `every` and `values_at` of Trace.

    Raises
    ------
    UserError : the program left no recording, or a damaged one.
    """
    stem = os.path.join(folder, f"{side.name}_{tag}")
    path = os.path.abspath(f"{stem}.npz")
    environment = {f"TWINS_TRACE_{name.upper()}": str(value) for name, value in settings.items()}
    environment |= {"TWINS_TRACE_FILE": path, "PYTHONPATH": _python_path()}
    command = side.command
    if side.is_twin:
        command += f" --run_dir={shlex.quote(stem)}"
        command += "" if last is None else f" --max_steps={last} --save_every=0"
    title = f"{side.title} ({tag})"
    with runner.progress(console, title, last or side.steps, side.epochs) as follow:
        outcome = runner.run(command, None, follow, environment)
    if not os.path.exists(path):
        raise UserError(
            f"{side.name}: `{side.command}` recorded nothing (exit {outcome.exit_code}: "
            f"{outcome.error or 'no message'}); expected a program that records its steps with "
            f"shared.trace.Trace(){_traced(outcome.error)}"
        )
    if outcome.exit_code:
        side.fault = f"the {side.name} ended with exit {outcome.exit_code}: {outcome.error}"
    return trace.load(path)


def _traced(error: str) -> str:
    """Returns advice if a program failed because it records while TensorFlow traces a function."""
    if not re.search("ymbolic|only available when eager", error or ""):
        return ""
    return (
        ", outside of what TensorFlow traces (a tf.function, or Keras's train_step): after the "
        "call, or in a callback's on_train_batch_end"
    )


def _python_path() -> str:
    """Returns a PYTHONPATH with which any program finds shared.trace."""
    return os.pathsep.join(filter(None, [str(runner.ROOT), os.environ.get("PYTHONPATH")]))
