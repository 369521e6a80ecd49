"""Run folders: their names, their contents, and the lock against other processes."""

from __future__ import annotations

import fcntl
import glob
import itertools
import os

from shared import files
from shared.console import UserError
from shared.runs import result

# The contents of a run folder besides result.json. TensorFlow names the event files.
CONTENTS = (
    "activations",
    "best",
    "checkpoints",
    "evaluation.npz",
    "evaluator",
    "events.out.tfevents.*",
    "history.csv",
    "pictures.png",
    "projector",
    "projector_config.pbtxt",
)


def contents(directory: str) -> list[str]:
    """Returns the paths of a run's files and folders in a folder, except result.json."""
    folder = glob.escape(directory)
    return [path for name in CONTENTS for path in glob.glob(os.path.join(folder, name))]


def refuse_other(directory: str) -> None:
    """Raises UserError if a folder has files named like those of a run, but no result.json."""
    if result.exists_in(directory):
        return
    for path in contents(directory):
        raise UserError(
            f"{directory} has {os.path.basename(path)}, but no result.json, so it is not a run "
            "folder; name another --run_dir"
        )


def free_directory(root: str, style: str, script: str) -> str:
    """Returns ROOT/STYLE/SCRIPT, with a number at the end if that folder exists."""
    base = os.path.join(root, style, script)
    names = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
    return next(name for name in names if not os.path.lexists(name))


def new_directory(root: str, style: str, script: str) -> str:
    """Creates the folder that `free_directory` names; returns its path."""
    while True:
        directory = free_directory(root, style, script)
        try:
            os.makedirs(directory)
            return directory
        except FileExistsError:  # another process was faster
            pass


class FolderLock:
    """Locks a run folder until this process ends, even if it is killed.

    The lock is on the folder itself, so it leaves no file. Before each write it also checks that
    the folder was not moved or removed. Otherwise this process would create a new folder, or write
    into the folder of another run.
    """

    def __init__(self, directory: str):
        """Takes the lock.

        Raises
        ------
        UserError : another process has it.
        """
        self._directory = directory
        self._handle = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise UserError(
                f"another process works in {directory}; wait until it ends, or name another "
                "--run_dir"
            )
        except OSError:  # a file system without locks, such as some network file systems
            pass
        files.before_writing.append(self.check)

    def check(self) -> None:
        """Raises UserError if the locked folder is no longer at its path."""
        try:
            now = os.stat(self._directory)
        except OSError:
            now = None
        if now is None or not os.path.samestat(now, os.fstat(self._handle)):
            raise UserError(
                f"{self._directory} was moved or removed while the run was writing to it; resume "
                "the run from where the folder is now, or start it again"
            )

    def release(self) -> None:
        """Unlocks the folder."""
        if self.check in files.before_writing:
            files.before_writing.remove(self.check)
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
