"""Which checkpoint a run goes on from, and whether it fits. Reading it is the styles' own.

A checkpoint is a prefix, such as run/checkpoints/tf1/model.ckpt-500, of the names of its files.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections import Counter
from typing import Iterable, Iterator, Mapping

from shared import files
from shared.console import StopRun, UserError

NAME = "model.ckpt"
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
SAVE_COUNTER = "save_counter"  # TensorFlow's own count of its saves, no state of the program
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
# What TensorFlow writes of a checkpoint, and on the way to it.
_FILE = re.compile(r"(model\.ckpt-\d+)\.(index|meta|data-\d+-of-\d+)")
_TEMPORARY = re.compile(
    _FILE.pattern + r"\.(tmp|tempstate)\w+|model\.ckpt-\d+_temp|checkpoint\.tmp\w+"
)


def newest(run_dir: str) -> str | None:
    """Returns the newest checkpoint of a run, whichever style wrote it; None if there is none."""
    folders = (os.path.join(run_dir, "checkpoints", kind) for kind in ("tf1", "tf2"))
    return max(filter(None, map(_newest_in, folders)), key=_step, default=None)


def best(run_dir: str, step: int) -> str:
    """Returns the checkpoint with the lowest validation loss, which --keep_best has kept.

    Parameters
    ----------
    run_dir : the run's folder.
    step : that of the checkpoint, as the run's result.json says.

    Raises
    ------
    UserError : it is not there.
    """
    for kind in ("tf1", "tf2"):
        path = os.path.join(run_dir, "best", kind, f"{NAME}-{step}")
        if _exists(path):
            return path
    raise UserError(
        f"no checkpoint of step {step} in {os.path.join(run_dir, 'best')}, expected it to be there "
        "as that of the lowest validation loss; --restart begins afresh"
    )


def _newest_in(folder: str) -> str | None:
    """Returns the newest whole checkpoint that TensorFlow's state file names.

    The file names one before all of it is written (TensorFlow 1's graph comes last).
    """
    try:
        with open(os.path.join(folder, "checkpoint"), encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    paths = []
    for name in re.findall(r'^(?:all_)?model_checkpoint_paths?: "(.+)"$', text, re.MULTILINE):
        path = os.path.join(folder, name)  # an absolute path takes the folder's place
        # The folder may have been moved since.
        paths.append(path if _exists(path) else os.path.join(folder, os.path.basename(path)))
    whole = [path for path in paths if _exists(path)]
    return max(whole, key=_step) if whole else next(iter(paths), None)


def _exists(path: str) -> bool:
    return os.path.isfile(path + ".index")


def _step(path: str) -> int:
    number = path.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def find(path: str) -> str:
    """Returns the checkpoint that a user names.

    Parameters
    ----------
    path : a run's folder, a folder of checkpoints, or a checkpoint.

    Raises
    ------
    UserError : there is none.
    """
    prefix = path[: -len(".index")] if path.endswith(".index") else path
    if os.path.isdir(path):
        found = newest(path) or _newest_in(path)
        if found:
            return found
    elif _exists(prefix) or os.path.isfile(path):  # a single file, as TensorFlow wrote before 0.12
        return prefix
    raise UserError(
        f"no checkpoint at {path}; expected a run's folder, a folder with TensorFlow's file "
        "`checkpoint`, or a path that ends before .index"
    )


def tensors(reader, object_graph_class) -> dict[str, str]:
    """Returns the tensors of a checkpoint of either style: names of variables to keys.

    The keys of a Saver's checkpoint are the names. Those of a `tf.train.Checkpoint` are paths
    through objects; the names of the variables stand in the graph of objects beside them.

    Parameters
    ----------
    reader : what `tf.train.load_checkpoint` returns.
    object_graph_class : the protocol buffer TrackableObjectGraph.
    """
    keys = reader.get_variable_to_shape_map()
    if OBJECT_GRAPH not in keys:
        return {key: key for key in keys}
    try:
        graph = object_graph_class.FromString(reader.get_tensor(OBJECT_GRAPH))
    except Exception as error:  # noqa: BLE001 (protobuf's own, and what it makes of other types)
        raise ValueError(f"its graph of objects is damaged ({error})")
    attributes = [attribute for node in graph.nodes for attribute in node.attributes]
    count = Counter(attribute.full_name for attribute in attributes)
    # A name that is nobody's, or that several variables share, tells less than the path.
    names = {
        attribute.checkpoint_key: attribute.full_name
        for attribute in attributes
        if attribute.full_name and count[attribute.full_name] == 1
    }
    return {
        names.get(key, path_of(key)): key
        for key in keys
        if key not in (OBJECT_GRAPH, SAVE_COUNTER + VALUE)
    }


def path_of(key: str) -> str:
    """Returns the path through objects that a key of a `tf.train.Checkpoint` begins with."""
    return key[: -len(VALUE)] if key.endswith(VALUE) else key


def matching(
    path: str,
    held: Mapping[str, tuple],
    wanted: Mapping[str, tuple],
    partial: bool,
) -> list[str]:
    """Returns the names of the variables that a checkpoint has values for.

    Parameters
    ----------
    path : the checkpoint.
    held, wanted : names to shapes, of the checkpoint's tensors and of the program's variables.
    partial : whether it may lack some, and hold others.

    Raises
    ------
    StopRun : something has no counterpart, exit 1.
    UserError : nothing has one, or a shape differs.
    """
    common = [name for name in wanted if name in held]
    for name in common:
        if tuple(held[name]) != tuple(wanted[name]):
            raise UserError(
                f"{path}: {name} has the shape {list(held[name])}, expected {list(wanted[name])}; "
                "restore a checkpoint of the same model"
            )
    if not common:
        raise UserError(
            f"{path}: no variable of this program is in it; it holds {_listed(held)}, expected "
            f"{_listed(wanted)}; python -m compare checkpoint convert --map renames"
        )
    lacking = sorted(set(wanted) - set(held))
    beyond = sorted(set(held) - set(wanted))
    parts = []
    if lacking:
        parts.append(f"it lacks {_listed(lacking)}")
    if beyond:
        parts.append(f"it also holds {_listed(beyond)}")
    if parts and not partial:
        raise StopRun(
            f"{path} does not fit: {'; '.join(parts)}; --partial restores the rest, python -m "
            "compare checkpoint convert --map renames",
            exit_code=1,
        )
    if parts:
        print(f"restored in part: {'; '.join(parts)}", flush=True)
    return common


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def tidy(folder: str, kept: Iterable[str]) -> None:
    """Removes what a process that was killed has left among a style's checkpoints.

    Parameters
    ----------
    folder : the style's folder, such as run/checkpoints/tf1.
    kept : the checkpoints that TensorFlow's state file lists. A Saver strikes a checkpoint off the
        list before it removes the files, so a kill between the two leaves files that nobody knows.
    """
    names = {os.path.basename(path) for path in kept}
    is_known = bool(names) or not os.path.exists(os.path.join(folder, "checkpoint"))
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        match = _FILE.fullmatch(name)
        is_orphan = is_known and match and match.group(1) not in names
        if is_orphan or _TEMPORARY.fullmatch(name):
            files.remove(os.path.join(folder, name))


@contextlib.contextmanager
def writing(path: str, *error_classes: type[Exception]) -> Iterator[None]:
    """Does what `files.writing` does, and removes what a failed save has left of a checkpoint."""
    try:
        with files.writing(path, *error_classes):
            yield
    except UserError:
        for left in glob.glob(glob.escape(path) + "[._]*"):
            files.remove(left)
        raise


@contextlib.contextmanager
def restoring(path: str, *error_classes: type[Exception]) -> Iterator[None]:
    """Turns what TensorFlow raises for a damaged or foreign checkpoint into a UserError."""
    try:
        yield
    except (
        OSError,
        ValueError,
        LookupError,
        RuntimeError,
        AssertionError,
    ) + error_classes as error:
        raise UserError(
            f"could not restore {path}: {files.cause(error)}; expected a whole checkpoint; "
            "restore another in another --run_dir, or begin this run afresh with --restart"
        )
