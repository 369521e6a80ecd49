"""Decides how a run starts, and from which checkpoint."""

from __future__ import annotations

import os
from typing import NamedTuple

from absl.flags import DEFINE_integer, Error, FlagValues

from shared import checkpoints, outputs
from shared.console import UserError
from shared.flags import set_model
from shared.runs import result

NEW, RESUMED, RESTORED, COMPLETE = "new", "resumed", "restored", "complete"


class Start(NamedTuple):
    """How a run starts.

    Attributes
    ----------
    kind : NEW; RESUMED from a checkpoint in its run folder; RESTORED from the checkpoint of
        --restore; or COMPLETE, with no steps left.
    checkpoint : the checkpoint it starts from, of either style, or None.
    before : result.json of the run that the checkpoint belongs to, or None.
    """

    kind: str
    checkpoint: str | None = None
    before: dict | None = None


def step_limits(directory: str) -> dict[str, int]:
    """Returns the --max_steps and --epochs that the run in a folder was last started with.

    Raises
    ------
    UserError : the recorded command cannot be parsed, for example if its --flagfile is missing.
    """
    given = FlagValues()
    for name in ("max_steps", "epochs"):
        DEFINE_integer(name, None, "", 1, flag_values=given)
    try:
        given(result.read(directory).get("command") or [""], known_only=True)
    except (Error, UnicodeError):
        raise UserError(
            f"{directory}: no number of steps can be read in the command that started the run; "
            "give --max_steps or --epochs"
        )
    return {name: given[name].value for name in given if given[name].value is not None}


def find_start(flags: FlagValues, now: dict) -> Start:
    """Returns how a run starts.

    Parameters
    ----------
    flags : the parsed flags.
    now : the result of the run that starts. Its flags must equal those of the earlier run.

    Raises
    ------
    UserError : the run folder holds another run, or the checkpoint is missing.
    """
    directory = flags.run_dir
    before = None
    if directory and result.exists_in(directory) and not flags.restart:
        before = result.read(directory)
        _check_same_run(directory, before, now)
        if before.get("log_dir"):
            outputs.check_run(before["log_dir"], "--log_dir")
        _check_step(before["step"], directory, flags.max_steps)
    checkpoint = checkpoints.newest(directory) if before else None
    if before and before["step"] and not checkpoint and not flags.restore:
        raise UserError(
            f"no checkpoint in {directory}, expected that of step {before['step']}; --restart "
            "begins a new run"
        )
    if before and _is_complete(before, flags.max_steps):
        if before.get("best_step") is not None:
            checkpoint = checkpoints.best(directory, before["best_step"])
        return Start(COMPLETE, checkpoint, before)
    if checkpoint:
        return Start(RESUMED, checkpoint, before)
    if flags.restore:
        checkpoint = checkpoints.find(flags.restore)
        return Start(RESTORED, checkpoint, _read_result_of(checkpoint))
    return Start(NEW, None, before)


def _is_complete(before: dict, max_steps: int) -> bool:
    is_over = before["step"] == max_steps or before.get("stopped_early")
    return before["status"] == result.COMPLETE and is_over


def check_step(step: int, source: str, max_steps: int) -> None:
    """Raises UserError if a run cannot start at `step`, that of the checkpoint `source`."""
    if step < 0:
        raise UserError(f"{source} is at step {step}, expected at least 0; name another checkpoint")
    _check_step(step, source, max_steps)


def differing_flags(before: dict, now: dict) -> list[str]:
    """Lists the flags that change a run's numbers and that differ between two results."""
    optional = {"replicas", "sync_batch_norm"}  # of runs with several replicas
    names = [*now["flags"], *sorted(optional & set(before["flags"]) - set(now["flags"]))]
    pairs = [(name, before["flags"].get(name), now["flags"].get(name)) for name in names]
    return [f"--{name} {was}, not {value}" for name, was, value in pairs if was != value]


def _check_same_run(directory: str, before: dict, now: dict) -> None:
    """Refuses to resume a run with another script or with flags that change its numbers."""
    if before["script"] != now["script"]:
        raise UserError(
            f"the run in {directory} is one of {before['script']}, not of {now['script']}; name "
            "another --run_dir, or begin a new run with --restart"
        )
    differing = differing_flags(before, now)
    if differing:
        raise UserError(
            f"the run in {directory} has {'; '.join(differing)}; give the same flags, "
            "begin a new run with --restart, or name another --run_dir"
        )


def _check_step(step: int, source: str, max_steps: int) -> None:
    if step > max_steps:
        raise UserError(
            f"{source} is at step {step}, past step {max_steps}, where --max_steps or --epochs "
            "ends the run; raise --max_steps or --epochs, or begin a new run with --restart"
        )


def _run_dir_of(checkpoint: str) -> str:
    """Returns the run folder of a checkpoint such as RUN/checkpoints/tf1/model.ckpt-20."""
    return os.path.normpath(os.path.join(os.path.dirname(checkpoint), os.pardir, os.pardir))


def _read_result_of(checkpoint: str) -> dict | None:
    """Returns the result of the run that a checkpoint belongs to; None if it belongs to none."""
    try:
        return result.read(_run_dir_of(checkpoint))
    except UserError:
        return None


def trained(flags: FlagValues, script: str) -> str:
    """Returns the checkpoint for --predict: the best of a run with --keep_best, or the newest.

    It sets the flags that the model depends on to those of the checkpoint's run.

    Raises
    ------
    UserError : neither --run_dir nor --restore names a checkpoint, or it is that of another script.
    """
    path = flags.restore or flags.run_dir
    if not path:
        raise UserError(
            "--predict needs a trained model; name the folder of its run with --run_dir, or a "
            "checkpoint with --restore"
        )
    checkpoint = checkpoints.find(path)
    before = _read_result_of(checkpoint)
    if not before:
        return checkpoint
    run_dir, best_step = _run_dir_of(checkpoint), before.get("best_step")
    if before["script"] != script:
        raise UserError(
            f"the run in {run_dir} is one of {before['script']}, not of {script}; predict with "
            f"{before['script']}.py, or name another run"
        )
    set_model(flags, before["flags"], run_dir)
    is_run = os.path.isdir(path) and os.path.samefile(path, run_dir)
    return checkpoints.best(run_dir, best_step) if is_run and best_step is not None else checkpoint
