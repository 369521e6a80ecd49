"""Cleans up after a process that was killed: half-written files, lost checkpoints."""

from __future__ import annotations

import glob
import os
import re
import shutil
from typing import Iterable

TEMPORARY = ".tmp-"  # a file that is being written has its name, this, and eight letters
# The files of a checkpoint, and TensorFlow's temporary files while it saves one.
_CHECKPOINT_FILE = re.compile(r"(model\.ckpt-\d+)\.(index|meta|data-\d+-of-\d+)")
_CHECKPOINT_TEMPORARY = re.compile(
    _CHECKPOINT_FILE.pattern + r"\.(tmp|tempstate)\w+|model\.ckpt-\d+_temp|checkpoint\.tmp\w+"
)


def remove_temporaries(path: str) -> None:
    """Removes what an interrupted write of `path` has left, and restores the older folder.

    `files.replacing_folder` moves the old folder into its temporary folder, then the new one to
    `path`. If the process is killed between the two, the old folder is in the temporary folder.
    """
    for temporary in glob.glob(glob.escape(os.path.abspath(path)) + TEMPORARY + "?" * 8):
        before = os.path.join(temporary, "before")
        if os.path.lexists(before) and not os.path.lexists(path):
            os.rename(before, path)
        remove(temporary)


def remove(path: str) -> None:
    """Removes a file, or a folder with its contents."""
    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def remove_lost_checkpoints(folder: str, listed: Iterable[str]) -> None:
    """Removes half-written checkpoints, and those that TensorFlow no longer lists.

    A Saver removes a checkpoint from its list before it removes the files. A kill between the two
    leaves files that TensorFlow never removes.

    Parameters
    ----------
    folder : a style's folder, such as run/checkpoints/tf1.
    listed : the checkpoints that TensorFlow's state file lists.
    """
    names = {os.path.basename(path) for path in listed}
    is_known = bool(names) or not os.path.exists(os.path.join(folder, "checkpoint"))
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        match = _CHECKPOINT_FILE.fullmatch(name)
        is_lost = is_known and match and match.group(1) not in names
        if is_lost or _CHECKPOINT_TEMPORARY.fullmatch(name):
            remove(os.path.join(folder, name))
