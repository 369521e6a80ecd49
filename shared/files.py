"""Files that appear whole or not at all, and failed reads and writes in one line."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import shutil
import tempfile
from typing import IO, Iterator

from shared.console import UserError

_TEMPORARY = ".tmp-"


@contextlib.contextmanager
def replacing(path: str) -> Iterator[IO[bytes]]:
    """Opens a file to write; it takes its name, and the place of an older one, once it is whole."""
    folder, name = os.path.split(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=name + _TEMPORARY)
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
    """Yields a folder to fill; it takes the name `path` once it is whole.

    Parameters
    ----------
    path : the folder; one that is there is replaced.
    error_classes : as of `writing`.
    """
    parent, name = os.path.split(os.path.abspath(path))
    with writing(path, *error_classes):
        os.makedirs(parent, exist_ok=True)
        temporary = tempfile.mkdtemp(dir=parent, prefix=name + _TEMPORARY)
        try:
            yield os.path.join(temporary, "new")
            if os.path.lexists(path):
                os.rename(path, os.path.join(temporary, "before"))
            os.rename(os.path.join(temporary, "new"), path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def remove_temporaries(path: str) -> None:
    """Removes what a process that was killed has left on the way to the file or folder `path`."""
    for temporary in glob.glob(glob.escape(os.path.abspath(path)) + _TEMPORARY + "?" * 8):
        before = os.path.join(temporary, "before")
        if os.path.lexists(before) and not os.path.lexists(path):
            os.rename(before, path)  # it was killed between taking the old away and giving the new
        remove(temporary)


def remove(path: str) -> None:
    """Removes a file, or a folder and what is in it."""
    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def write_json(path: str, value: object) -> None:
    """Writes a JSON file whole or not at all."""
    with replacing(path) as file:
        file.write(json.dumps(value, indent=2).encode() + b"\n")


@contextlib.contextmanager
def writing(path: str, *error_classes: type[Exception]) -> Iterator[None]:
    """Turns a failed write into a UserError.

    Parameters
    ----------
    path : what the paths of all the files being written begin with.
    error_classes : what TensorFlow raises where the system would raise OSError.
    """
    try:
        yield
    except (OSError,) + error_classes as error:
        reason = cause(error).split("; ")[-1]
        raise UserError(f"could not write {path}: {reason}; make room, or name another folder")


def cause(error: Exception) -> str:
    """Returns the line that matters: TensorFlow's errors begin with where the graph was built."""
    if getattr(error, "strerror", None):
        return error.strerror
    text = re.sub(r"\AGraph execution error:.*?\nNode: [^\n]*\n", "", str(error), flags=re.DOTALL)
    first = (text.splitlines() or [repr(error)])[0]
    return re.sub(r"{{.*?}} | \[Op:.*", "", first)
