"""Checks all output paths, so that no command replaces a file of the user.

Every command checks its output paths here before it trains or computes anything. A path is accepted
if nothing is there, or an older output of the same kind, which the command then replaces. The
content of a file decides its kind, not its name. A command also replaces an empty file, because
nothing is lost.
"""

from __future__ import annotations

import fnmatch
import glob
import json
import os
import re
import zipfile
from typing import Callable, Iterable, Mapping, NamedTuple

from shared.console import UserError

# Each PNG file of this project contains this text as a mark.
PNG_TEXT = {"Software": "tf-twins"}

_HEAD = 1 << 20  # bytes; enough to recognize most kinds
_MOST_JSON = 1 << 26  # bytes; ours are far smaller
_TEMPORARY = 20  # bytes; a temporary name may be longer than the file's by this many


class _Kind(NamedTuple):
    """A kind of file that the project writes."""

    description: str
    is_ours: Callable[[str], bool]  # takes the path; may raise any error for another kind


def _npz(*names: str) -> Callable[[str], bool]:
    def is_ours(path: str) -> bool:
        with zipfile.ZipFile(path) as archive:
            return {f"{name}.npy" for name in names} <= set(archive.namelist())

    return is_ours


def _json(*keys: str) -> Callable[[str], bool]:
    def is_ours(path: str) -> bool:
        if os.path.getsize(path) > _MOST_JSON:
            return False
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        return isinstance(content, dict) and set(keys) <= set(content)

    return is_ours


def _text(pattern: bytes) -> Callable[[str], bool]:
    def is_ours(path: str) -> bool:
        with open(path, "rb") as file:
            return re.match(pattern, file.read(_HEAD), re.DOTALL) is not None

    return is_ours


_PNG = rb"\x89PNG\r\n\x1a\n.*"
KINDS = {
    "activations": _Kind("activations of an epoch", _npz("image")),
    "accuracy": _Kind("results of compare accuracy", _json("device", "rows")),
    "bench": _Kind("results of compare bench", _json("command", "rows", "causes")),
    "database": _Kind("a study of Optuna's", _text(rb"SQLite format 3\0.*CREATE TABLE studies")),
    "evaluation": _Kind("an evaluation of a run", _npz("labels", "logits", "mistakes")),
    "parity": _Kind("a comparison of compare ladder", _json("verdict", "is_same", "commands")),
    "drawing": _Kind("an SVG file of --plot", _text(rb"<\?xml .*<title>tf_twins ")),
    "history": _Kind("a history of a run", _text(rb"epoch,step,learning_rate,")),
    "picture": _Kind("a PNG file of this project", _text(_PNG + rb"tEXtSoftware\0tf-twins")),
    # Plots have fixed names in the project's folders. Older plots have only Matplotlib's mark.
    "plot": _Kind("a plot of ours", _text(_PNG + rb"tEXtSoftware\0(tf-twins|Matplotlib)")),
    "printed": _Kind("lines of compare ladder", _json("command", "lines")),
    "projector": _Kind("settings of the projector", _text(rb"embeddings \{.*projector/embedding")),
    "report": _Kind("a report", _text(rb"(?i:<!DOCTYPE html>).*<title>Twins: ")),
    "result": _Kind("a result of a run", _json("script", "style", "status", "step", "flags")),
    "results": _Kind("results of an experiment", _json("command", "date", "device", "rows")),
    "saved_model": _Kind("a SavedModel", _text(rb"\x08\x01\x12")),  # schema 1, then a graph
    "symbols": _Kind(
        "a report of tf1_style.run",
        _text(
            rb"(<!DOCTYPE html>.*<title>|\{\s*\"title\": \"|\d+ symbols?: [^\n]*\n)"
            rb"TensorFlow 1 symbols of "
        ),
    ),
    "table": _Kind("a table of compare", _text(rb"# .*\n`[^\n]*\bcompare\b[^\n]*`, \d{4}-\d\d-")),
    "trace": _Kind("a trace", _npz("format", "steps", "names", "digests", "recorded")),
    "verdict": _Kind("a parity.json", _json("verdict", "reference", "candidate")),
}

_CHECKPOINTS = [
    "tf[12]",
    "tf[12]/checkpoint",
    "tf[12]/checkpoint.tmp*",
    "tf[12]/model.ckpt-[0-9]*",  # also matches `_temp` folders
]
# Folders that are replaced or removed as a whole, with patterns of all that they may contain.
FOLDERS = {
    "activations": ["epoch-*.npz*"],
    "best": _CHECKPOINTS,
    "checkpoints": _CHECKPOINTS,
    "projector": ["embedding.bytes", "labels.tsv", "sprite.png"],
    "export": [
        "saved_model.pb",
        "fingerprint.pb",
        "keras_metadata.pb",
        "variables",
        "variables/variables.*",
        "assets",
        "assets/*",
    ],
}

# What a run writes into its folder besides the folders above.
_RUN_FILES = {
    "result.json": "result",
    "evaluation.npz": "evaluation",
    "history.csv": "history",
    "pictures.png": "picture",
    "projector_config.pbtxt": "projector",
}
_RUN_FOLDERS = ("activations", "best", "checkpoints", "projector")

# What each experiment writes into its folder besides the folders of its runs.
_TABLES = {"table.md": "table", "results.json": "results"}
_PARITY = {"parity/*/parity.json": "parity", "parity/*/*/trace.npz": "trace"}
EXPERIMENT_FILES = {
    "bench": {"table.md": "table", "bench.json": "bench", "bench.png": "plot"},
    "crossval": {**_TABLES, **_PARITY, "boxplot.png": "plot"},
    "ensemble": {**_TABLES, "ensemble.png": "plot"},
    "ladder": {**_TABLES, **_PARITY, "ladder.png": "plot"},
    "sweep": {**_TABLES, **_PARITY, "curves.png": "plot"},
    "tune": {**_TABLES, "trials.png": "plot", "study.db": "database"},
}


def check(path: str, kind: str, option: str = "") -> None:
    """Refuses the path of an output file if anything but an older output of its kind is there.

    Parameters
    ----------
    path : the file to write.
    kind : the kind of the file, a key of KINDS.
    option : how the user named the path, such as "--trace_file"; empty for an argument.

    Raises
    ------
    UserError : something else is there, or no file can be written there.
    """
    name = _check_place(path, option)
    if os.path.isdir(path) or path.endswith(os.sep):
        raise UserError(
            f"{name}: a folder, expected the path of a file, such as {name.rstrip('/')}/file"
        )
    if os.path.lexists(path) and not _is_of_kind(path, KINDS[kind]):
        raise UserError(
            f"{name}: something else is there, expected nothing or {KINDS[kind].description}; "
            "name another file"
        )


def check_folder(path: str, option: str = "") -> None:
    """Refuses the path of an output folder if it is not a folder.

    Raises
    ------
    UserError : a file is there, or no folder can be made there.
    """
    name = _check_place(path, option)
    if os.path.lexists(path) and not os.path.isdir(path):
        raise UserError(f"{name}: a file, expected a folder; name another")


def check_whole_folder(path: str, kind: str, option: str = "") -> None:
    """Refuses a folder that the program would replace as a whole, if other files are in it.

    Parameters
    ----------
    kind : a key of FOLDERS.
    path, option : as for `check`.

    Raises
    ------
    UserError : a file is there, or the folder holds something that this kind does not have.
    """
    check_folder(path, option)
    for found in _contents(path):
        if not any(fnmatch.fnmatchcase(found, pattern) for pattern in FOLDERS[kind]):
            raise UserError(
                f"{_named(os.path.join(path, found), option)}: something else is there, and the "
                "folder would be replaced with all that is in it; move it, or name another folder"
            )


def check_export(path: str, option: str = "--export_dir") -> None:
    """Refuses a folder that holds anything but a SavedModel; parameters as for `check`."""
    check_folder(path, option)
    model = os.path.join(path, "saved_model.pb")
    is_there = os.path.lexists(model) and _is_of_kind(model, KINDS["saved_model"])
    if _contents(path) and not is_there:
        raise UserError(
            f"{_named(path, option)}: something else is there, expected nothing or a SavedModel; "
            "name another folder"
        )
    check_whole_folder(path, "export", option)


def check_run(directory: str, option: str = "--run_dir", is_restarted: bool = False) -> None:
    """Refuses a run folder if the run would replace files of the user in it.

    Parameters
    ----------
    directory : the run's folder; it need not exist.
    option : as for `check`.
    is_restarted : whether all files of an earlier run in it will be removed.

    Raises
    ------
    UserError : there is such a file.
    """
    check_folder(directory, option)
    for name, kind in _RUN_FILES.items():
        if name != "result.json" or is_restarted:  # its reader gives a better message
            check(os.path.join(directory, name), kind, option)
    for name in _RUN_FOLDERS:
        # The projector's folder is always replaced; the others only when the run is restarted.
        if name == "projector" or is_restarted:
            check_whole_folder(os.path.join(directory, name), name, option)
        else:
            check_folder(os.path.join(directory, name), option)


def check_experiment(directory: str, name: str, option: str = "--output_dir") -> None:
    """Refuses an experiment's folder if the experiment would replace files of the user in it.

    Parameters
    ----------
    directory : the experiment's folder; it need not exist.
    name : the experiment, such as "ladder" or "sweep/losses".

    Raises
    ------
    UserError : there is such a file.
    """
    check_folder(directory, option)
    folder = glob.escape(directory)
    for pattern, kind in EXPERIMENT_FILES[name.split(os.sep)[0]].items():
        for path in glob.glob(os.path.join(folder, pattern)):
            check(path, kind, option)
    for path in glob.glob(os.path.join(folder, "tf?_style", "*-seed[0-9]*")):
        if path.endswith(".json"):  # of a script without a run folder
            check(path, "printed", option)
        else:
            check_run(path, option)
    for path in glob.glob(os.path.join(folder, "parity", "*", "*", "run")):
        check_run(path, option, is_restarted=True)


def check_flags(flags) -> None:
    """Refuses a program's output paths if one of them would replace a file of the user.

    Parameters
    ----------
    flags : the parsed flags. It reads --run_dir, --restart, --log_dir and --trace_file, or the
        environment's TWINS_TRACE_FILE. `check_export` checks --export_dir.

    Raises
    ------
    UserError : a file of the user would be replaced, or two paths are the same place.
    """
    if flags.run_dir:
        check_run(flags.run_dir, is_restarted=flags.restart)
    if flags.log_dir:
        check_folder(flags.log_dir, "--log_dir")
    trace = flags.trace_file or os.environ.get("TWINS_TRACE_FILE", "")
    if not trace:
        return
    option = "--trace_file" if flags.trace_file else "TWINS_TRACE_FILE"
    check(trace, "trace", option)
    folder, name = os.path.split(os.path.realpath(trace))
    is_of_run = folder == os.path.realpath(flags.run_dir) and name in _RUN_FILES
    export = os.path.realpath(flags.export_dir) + os.sep
    if is_of_run or (flags.export_dir and (folder + os.sep).startswith(export)):
        raise UserError(
            f"{option}={trace}: the run itself writes there, and would replace the trace; name "
            "another file"
        )


def check_new_checkpoint(path: str) -> None:
    """Refuses the path of a new checkpoint if anything is there already.

    Raises
    ------
    UserError : something is there, or no file can be written there.
    """
    name = _check_place(path, "")
    escaped = glob.escape(path)
    is_there = os.path.lexists(path) or glob.glob(escaped + ".index") + glob.glob(
        escaped + ".data-*"
    )
    if is_there or path.endswith(os.sep):
        raise UserError(
            f"{name}: a folder, or a file or checkpoint that is there; expected the path of a new "
            f"checkpoint, such as {os.path.join(name, 'model.ckpt-0')}"
        )


def check_texts(arguments: Iterable[str], environment: Mapping[str, str] = os.environ) -> None:
    """Refuses arguments that are empty or not UTF-8, and TWINS_ variables that are not UTF-8.

    An argument is empty if a variable of the shell is not set, as in --run_dir=$RUN.

    Parameters
    ----------
    arguments : of the command line, without the name of the program.
    environment : names to values.

    Raises
    ------
    UserError : there is such an argument or variable.
    """
    for argument in arguments:
        check_text(argument)
        if not argument or re.fullmatch(r"--?\w+=", argument):
            raise UserError(
                f"got an empty {argument[:-1] or 'argument'}; give it a value, or leave it out"
            )
    for name, value in environment.items():
        if name.startswith("TWINS_"):
            check_text(value, name)


def check_text(text: str, option: str = "") -> None:
    """Refuses a text that is not UTF-8, such as a path with other bytes."""
    try:
        text.encode("utf-8")
    except UnicodeError:
        raise UserError(f"{_named(text, option)}: not UTF-8; expected a path or a value that is")


def _named(path: str, option: str) -> str:
    """Returns a path as messages show it."""
    path = path.encode("utf-8", "backslashreplace").decode()
    return f"{option}={path}" if option else path


def _check_place(path: str, option: str) -> str:
    """Refuses a path where nothing can be written; returns it as messages show it."""
    check_text(path, option)
    name = _named(path, option)
    if not path or "\0" in path:
        raise UserError(f"{name!r}: expected a path; name one")
    whole = os.path.abspath(path)
    longest = max(len(os.fsencode(part)) for part in whole.split(os.sep))
    if longest > 255 - _TEMPORARY or len(os.fsencode(whole)) > 4095 - _TEMPORARY:
        raise UserError(f"{name}: a name that is too long; expected a shorter path")
    folder = whole if os.path.isdir(whole) else os.path.dirname(whole)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise UserError(f"{name}: {_named(folder, '')} is not a folder; name another path")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{name}: {_named(folder, '')} is not writable; name another path")
    return name


def _is_of_kind(path: str, kind: _Kind) -> bool:
    if not os.path.isfile(path):  # a device, a pipe, a link to nothing
        return False
    try:
        return os.path.getsize(path) == 0 or kind.is_ours(path)
    except Exception:  # noqa: BLE001 (other files raise many kinds of errors)
        return False


def _contents(folder: str) -> list[str]:
    """Returns the relative paths of all files and folders in a folder."""
    return [
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, folders, names in os.walk(folder)
        for name in folders + names
    ]
