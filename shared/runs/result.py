"""Reads and writes result.json, the state and the results of a run."""

from __future__ import annotations

import json
import math
import os
import time
from typing import Callable

from shared import files
from shared.console import UserError

NAME = "result.json"
RUNNING, COMPLETE, STOPPED, DIVERGED = "running", "complete", "stopped", "diverged"
MOST_BYTES = 1 << 20  # a usual one has about 2,000


def path_in(directory: str) -> str:
    """Returns the path of the result.json in a run folder."""
    return os.path.join(directory, NAME)


def exists_in(directory: str) -> bool:
    """Says whether a folder has a result.json, so that it is a run folder."""
    return os.path.lexists(path_in(directory))


def write(directory: str, result: dict) -> None:
    """Writes the result.json of a run folder, whole or not at all."""
    path = path_in(directory)
    with files.writing(path):
        files.write_json(path, result)


def read(directory: str, remedy: str = "remove it, or name another --run_dir") -> dict:
    """Returns the result.json of a run folder.

    Parameters
    ----------
    directory : the run folder.
    remedy : the end of an error message, which says how to fix it.

    Raises
    ------
    UserError : the file is missing, or it is not the result of a run.
    """
    path = path_in(directory)
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        result = json.loads(content.decode("utf-8"))
        fault = _fault(result)
    except OSError as error:
        fault = error.strerror or str(error)
    except UnicodeError:
        fault = "not UTF-8"
    except RecursionError:
        fault = "nested too deeply"
    except ValueError as error:
        fault = str(error)
    if fault:
        raise UserError(f"{path}: not the result of a run ({fault}); {remedy}")
    return result


def state(directory: str, started: float, patience: float) -> str | None:
    """Returns the status of the run in a folder; None if it is that of an earlier process.

    Parameters
    ----------
    directory : the run folder.
    started : when this process started, in seconds since 1970. An older status counts only after
        `patience` seconds: then the run has ended before this process looked.
    """
    try:
        is_old = os.stat(path_in(directory)).st_mtime < started
    except OSError:
        return None
    if is_old and time.time() < started + patience:
        return None
    return read(directory)["status"]


def _is_path(value: object) -> bool:
    """Says whether a value is text that can be a path or an argument of a command."""
    try:
        return isinstance(value, str) and b"\0" not in os.fsencode(value)
    except UnicodeError:
        return False


def _is_text(value: object) -> bool:
    """Says whether a value is text that can be printed. Half of a surrogate pair cannot."""
    return _is_path(value) and value.isprintable()


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _is_figure(value: object) -> bool:
    """Says whether a value is a number that float64 can hold; a loss may be infinite or NaN."""
    return isinstance(value, float) or (type(value) is int and abs(value) < 1 << 53)


def _is_amount(value: object) -> bool:
    return _is_figure(value) and 0 <= value < math.inf


def _is_fraction(value: object) -> bool:
    return _is_figure(value) and 0 <= value <= 1


def _is_flags(value: object) -> bool:
    return isinstance(value, dict) and all(
        flag is None or isinstance(flag, bool) or _is_text(flag) or _is_figure(flag)
        for flag in value.values()
    )


def _is_command(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_path, value))


def _is_versions(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, [*value, *value.values()]))


def _optional(is_right: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or is_right(value)


# The check of each value, and the words for it in an error message.
REQUIRED = {
    "script": (_is_text, "text"),
    "style": (("tf1_style", "tf2_style").__contains__, "tf1_style or tf2_style"),
    "status": ((RUNNING, COMPLETE, STOPPED, DIVERGED).__contains__, "a status"),
    "step": (_is_count, "a number of steps"),
    "threads": (_is_count, "a number of threads"),
    "flags": (_is_flags, "the values of flags"),
}
OPTIONAL = {
    "log_dir": (_optional(_is_path), "a path"),
    "device": (_is_text, "text"),
    "versions": (_is_versions, "the versions of packages"),
    "onednn": (_optional(_is_text), "text"),
    "command": (_is_command, "a command line"),
    "restored": (_optional(_is_path), "a path"),
    "started": (_is_text, "a time"),
    "trace_file": (_optional(_is_path), "a path"),
    "best_step": (_optional(_is_count), "a number of steps"),
    "peak_memory_mib": (_is_amount, "a number of MiB"),
    "train_seconds": (_is_amount, "a number of seconds"),
    "steps_per_second": (_optional(_is_amount), "a number of steps"),
    "stopped_early": (lambda value: isinstance(value, bool), "true or false"),
}


def _check_of(name: str) -> tuple[Callable[[object], bool], str]:
    if name.startswith(("test_", "validation_")):
        is_right, kind = _is_figure, "a number"
        if name.endswith("accuracy"):
            is_right, kind = _is_fraction, "a fraction"
        return (is_right if name.startswith("test_") else _optional(is_right)), kind
    return {**REQUIRED, **OPTIONAL}.get(name, (lambda value: True, ""))


def _fault(result: object) -> str:
    """Returns why a JSON value is not the result of a run; an empty string if it is one."""
    if not isinstance(result, dict):
        return "not a JSON object"
    missing = [name for name in REQUIRED if name not in result]
    if missing:
        return f"it lacks {', '.join(missing)}"
    for name, value in result.items():
        is_right, kind = _check_of(name)
        if not is_right(value):
            return f"{name} is {json.dumps(value)[:50]}, expected {kind}"
    if result["status"] == COMPLETE:
        if "test_loss" not in result:
            return "it is complete and has no test_loss"
        if result["step"] < max(1, result.get("best_step") or 0):
            return f"it is complete at step {result['step']}"
    return ""
