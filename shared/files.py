"""Writes files whole or not at all, and reports failed reads and writes in one line."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from typing import IO, Callable, Iterator

from shared.console import UserError
from shared.repair import TEMPORARY

# Functions to call before each write. A run, for example, checks that its folder was not moved.
before_writing: list[Callable[[], None]] = []


@contextlib.contextmanager
def replacing(path: str) -> Iterator[IO[bytes]]:
    """Opens a temporary file, and renames it to `path` when it is complete."""
    folder, name = os.path.split(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=name + TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


@contextlib.contextmanager
def replacing_folder(path: str, *error_classes: type[Exception]) -> Iterator[str]:
    """Yields the path of a folder to create, and renames it to `path` when it is complete.

    Parameters
    ----------
    path : the folder; an older one is replaced.
    error_classes : as for `writing`.
    """
    parent, name = os.path.split(os.path.abspath(path))
    with writing(path, *error_classes):
        os.makedirs(parent, exist_ok=True)
        temporary = tempfile.mkdtemp(dir=parent, prefix=name + TEMPORARY)
        try:
            yield os.path.join(temporary, "new")
            if os.path.lexists(path):
                os.rename(path, os.path.join(temporary, "before"))
            os.rename(os.path.join(temporary, "new"), path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: str, value: object) -> None:
    """Writes a JSON file whole or not at all."""
    with replacing(path) as file:
        file.write(json.dumps(value, indent=2).encode() + b"\n")


@contextlib.contextmanager
def writing(path: str, *error_classes: type[Exception]) -> Iterator[None]:
    """Calls the checks of `before_writing`, and turns a failed write into a UserError.

    Parameters
    ----------
    path : the file, or the common prefix of several.
    error_classes : TensorFlow's counterparts of OSError.
    """
    for check in before_writing:
        check()
    try:
        yield
    except (OSError,) + error_classes as error:
        reason = cause(error).split("; ")[-1]
        raise UserError(f"could not write {path}: {reason}; make room, or name another folder")


def cause(error: Exception) -> str:
    """Returns the line of an error that states the cause, which TensorFlow does not put first."""
    if getattr(error, "strerror", None):
        return error.strerror
    text = re.sub(r"\AGraph execution error:.*?\nNode: [^\n]*\n", "", str(error), flags=re.DOTALL)
    first = (text.splitlines() or [repr(error)])[0]
    return re.sub(r"{{.*?}} | \[Op:.*", "", first)
