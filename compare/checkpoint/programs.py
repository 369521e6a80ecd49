"""Runs the program of --for, to learn from it what it restores."""

import os
import sys

from compare import runner
from compare.checkpoint import hdf5, writing
from compare.checkpoint.saved import Saved
from compare.parity import strangers
from shared.console import UserError


def first_state(text: str, folder: str) -> str:
    """Returns a checkpoint that a program makes before its first step.

    Parameters
    ----------
    text : the program and its arguments.
    folder : for the checkpoint.

    Raises
    ------
    UserError : the program fails, or makes no checkpoint.
    """
    path = os.path.join(folder, "start")
    program = _run("compare.checkpoint.first_state", [path], text)
    if not os.path.exists(path + ".index"):
        raise UserError(
            f"--for: {program.title} made no tf.train.Checkpoint before its first step; make one "
            "earlier, or give a checkpoint with --like"
        )
    return path


def convert_weights(source: Saved, settings) -> None:
    """Writes a .weights.h5 of Keras 3 from a .h5 of Keras 2, with the model of --for's program.

    Raises
    ------
    UserError : there is no program or no such source, or the weights do not fit the model.
    """
    if not isinstance(source, hdf5.Weights) or not settings.program:
        raise UserError(
            f"{settings.target}: only .h5 weights of Keras 2 become .h5, with --for=PROGRAM, whose "
            f"model they fit; got {source.path}; expected a checkpoint such as new/model.ckpt-500"
        )
    if not settings.target.endswith(".weights.h5"):
        raise UserError(f"{settings.target}: Keras 3 expects a name that ends in .weights.h5")

    def write(prefix, _):
        program = _run("compare.checkpoint.hdf5", [source.path, prefix], settings.program)
        if not os.path.exists(prefix):
            raise UserError(
                f"--for: {program.title} used no model with weights; expected a call such as "
                "model.load_weights"
            )

    writing.write(settings.target, {}, write)


def _run(module: str, files: list[str], text: str) -> strangers.Stranger:
    """Runs a program below a module of this folder."""
    program = strangers.program("--for", text)
    paths = os.pathsep.join(filter(None, [str(runner.ROOT), os.environ.get("PYTHONPATH", "")]))
    outcome = runner.run(
        [sys.executable, "-m", module, *files, program.path, *program.arguments],
        None,
        environment={"PYTHONPATH": paths},
    )
    if outcome.exit_code:
        raise UserError(
            f"--for: {program.title} ended with exit {outcome.exit_code} before its first step: "
            f"{outcome.error or 'no message'}"
        )
    return program
