"""Finds a run's checkpoints and checks them against the model; each style reads and writes them.

The path of a checkpoint is the common prefix of its files, such as
run/checkpoints/tf1/model.ckpt-500.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections import Counter
from typing import Iterable, Iterator, Mapping

from shared import files, repair
from shared.console import StopRun, UserError

NAME = "model.ckpt"
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
SAVE_COUNTER = "save_counter"  # TensorFlow's count of its saves, not a variable of the program
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def newest(run_dir: str) -> str | None:
    """Returns the newest checkpoint of a run, whichever style wrote it; None if there is none."""
    folders = (os.path.join(run_dir, "checkpoints", kind) for kind in ("tf1", "tf2"))
    return max(filter(None, map(_newest_in, folders)), key=step_of, default=None)


def best(run_dir: str, step: int) -> str:
    """Returns the checkpoint that --keep_best saved, the one with the lowest validation loss.

    Parameters
    ----------
    run_dir : the run's folder.
    step : the checkpoint's step, which the run's result.json names.

    Raises
    ------
    UserError : it is missing.
    """
    for kind in ("tf1", "tf2"):
        path = os.path.join(run_dir, "best", kind, f"{NAME}-{step}")
        if _exists(path):
            return path
    raise UserError(
        f"no checkpoint of step {step} in {os.path.join(run_dir, 'best')}, expected the one with "
        "the lowest validation loss; --restart begins a new run"
    )


def _newest_in(folder: str) -> str | None:
    """Returns the newest complete checkpoint that TensorFlow's state file lists.

    TensorFlow 1 lists a checkpoint before it has written the graph that belongs to it.
    """
    try:
        with open(os.path.join(folder, "checkpoint"), encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    paths = []
    for name in re.findall(r'^(?:all_)?model_checkpoint_paths?: "(.+)"$', text, re.MULTILINE):
        path = os.path.join(folder, name)  # os.path.join drops the folder before an absolute path
        # The file may hold the old path of a folder that was moved.
        paths.append(path if _exists(path) else os.path.join(folder, os.path.basename(path)))
    whole = [path for path in paths if _exists(path)]
    return max(whole, key=step_of) if whole else next(iter(paths), None)


def _exists(path: str) -> bool:
    return os.path.isfile(path + ".index")


def step_of(path: str) -> int:
    """Returns the step in the name of a checkpoint, such as 500 of model.ckpt-500."""
    number = path.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def find(path: str) -> str:
    """Returns the checkpoint that a user names.

    Parameters
    ----------
    path : a run's folder, a folder of checkpoints, or a checkpoint.

    Raises
    ------
    UserError : there is no checkpoint at `path`.
    """
    prefix = path[: -len(".index")] if path.endswith(".index") else path
    if os.path.isdir(path):
        found = newest(path) or _newest_in(path)
        if found:
            return found
    elif _exists(prefix) or os.path.isfile(path):  # TensorFlow before 0.12 wrote a single file
        return prefix
    raise UserError(
        f"no checkpoint at {path}; expected a run's folder, a folder with TensorFlow's file "
        "`checkpoint`, or a path that ends before .index"
    )


def tensors(reader, object_graph_class) -> dict[str, str]:
    """Maps the names of a checkpoint's variables to their keys, for either style.

    The keys of a Saver's checkpoint are the names. The keys of a `tf.train.Checkpoint` are paths
    through objects; its graph of objects holds the names.

    Parameters
    ----------
    reader : the object that `tf.train.load_checkpoint` returns.
    object_graph_class : the protocol buffer TrackableObjectGraph.

    Raises
    ------
    ValueError : the graph of objects is damaged.
    """
    keys = reader.get_variable_to_shape_map()
    if OBJECT_GRAPH not in keys:
        return {key: key for key in keys}
    try:
        graph = object_graph_class.FromString(reader.get_tensor(OBJECT_GRAPH))
    except Exception as error:  # noqa: BLE001 (protobuf's error, or another type of tensor)
        raise ValueError(f"its graph of objects is damaged ({error})")
    names = {
        attribute.checkpoint_key: attribute.full_name
        for node in graph.nodes
        for attribute in node.attributes
        if attribute.full_name
    }
    keys = [key for key in keys if key not in (OBJECT_GRAPH, SAVE_COUNTER + VALUE)]
    # If a variable has no name, or the same name as another, its path is used instead.
    count = Counter(names.get(key, path_of(key)) for key in keys)
    unique = {key for key in keys if key in names and count[names[key]] == 1}
    found = {names[key] if key in unique else path_of(key): key for key in keys}
    return found if len(found) == len(keys) else {path_of(key): key for key in keys}


def path_of(key: str) -> str:
    """Returns the object path in a key of a `tf.train.Checkpoint`."""
    return key[: -len(VALUE)] if key.endswith(VALUE) else key


def restorable(
    path: str,
    saved: Mapping[str, Iterable[int]],
    variables: Mapping[str, Iterable[int]],
    partial: bool,
) -> list[str]:
    """Returns the names of the variables that a checkpoint has values for.

    Parameters
    ----------
    path : the checkpoint.
    saved : names to shapes of the checkpoint's tensors.
    variables : names to shapes of the program's variables.
    partial : whether the two may differ in some names.

    Raises
    ------
    StopRun : exit 1: a name is in only one of the two.
    UserError : the two have no name in common, or a shape differs.
    """
    common = [name for name in variables if name in saved]
    for name in common:
        if tuple(saved[name]) != tuple(variables[name]):
            raise UserError(
                f"{path}: {name} has the shape {list(saved[name])}, expected "
                f"{list(variables[name])}; restore a checkpoint of the same model"
            )
    if not common:
        raise UserError(
            f"{path}: no variable of this program is in it; it holds {_listed(saved)}, expected "
            f"{_listed(variables)}; python -m compare checkpoint convert --map renames"
        )
    missing = sorted(set(variables) - set(saved))
    surplus = sorted(set(saved) - set(variables))
    parts = []
    if missing:
        parts.append(f"it lacks {_listed(missing)}")
    if surplus:
        parts.append(f"it also holds {_listed(surplus)}")
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


@contextlib.contextmanager
def writing(path: str, *error_classes: type[Exception]) -> Iterator[None]:
    """Works like `files.writing`; if the save fails, also removes the checkpoint's files."""
    with files.writing(path, *error_classes):
        try:
            yield
        except (OSError,) + error_classes:
            for left in glob.glob(glob.escape(path) + "[._]*"):
                repair.remove(left)
            raise


@contextlib.contextmanager
def restoring(path: str, *error_classes: type[Exception]) -> Iterator[None]:
    """Turns the errors of a damaged or foreign checkpoint into a UserError about the run."""
    advice = "restore another in another --run_dir, or begin a new run with --restart"
    with _in_one_line(f"could not restore {path}", advice, error_classes):
        yield


@contextlib.contextmanager
def reading(path: str, *error_classes: type[Exception]) -> Iterator[None]:
    """Turns the errors of a damaged or foreign checkpoint into a UserError."""
    with _in_one_line(f"could not read {path}", "name another", error_classes):
        yield


@contextlib.contextmanager
def _in_one_line(
    failure: str, advice: str, error_classes: tuple[type[Exception], ...]
) -> Iterator[None]:
    try:
        yield
    except (
        OSError,
        ValueError,
        LookupError,
        RuntimeError,
        AssertionError,
    ) + error_classes as error:
        raise UserError(f"{failure}: {files.cause(error)}; expected a whole checkpoint; {advice}")
