"""Writes commands as a user would type them: without defaults and without paths of the machine."""

import ast
import os
import shlex
from collections.abc import Iterable

from absl.flags import FlagValues

from compare.runner import ROOT
from shared import flags
from shared.console import UserError

# These flags name files of the run, or belong to one. A repeated run chooses its own folder, and
# parity sets the flags of the trace itself.
_PLACES = ("data_dir", "run_dir", "restart", "log_dir", "export_dir", "trace")
# With these flags the parser would do something else than parse.
_ACTIONS = ("help", "flagfile")


def of_run(result: dict) -> str:
    """Returns the command that repeats a run.

    Parameters
    ----------
    result : the run's result.json, see `compare.reading`.
    """
    return _python(f"{result['style']}/{result['script']}.py", *_flags_of(result))


def of_parity(result: dict) -> str:
    """Returns the command that runs both styles and compares every step."""
    return _python("-m", "compare", "parity", result["script"], *_flags_of(result))


def of_report(run_dirs: Iterable[str], path: str, default: str) -> str:
    """Returns the command that writes a report to `path`."""
    output = [] if path == default else [f"--output={shown_path(path)}"]
    return _python("-m", "compare", "report", *map(shown_path, run_dirs), *output)


def shown_path(path: str) -> str:
    """Returns a path as a reader on another machine can understand it.

    A path below the current folder becomes relative to it. Any other absolute path is cut to
    its last part.
    """
    if not os.path.isabs(path):
        return path
    relative = os.path.relpath(path)
    if not relative.startswith(os.pardir):
        return relative
    return os.path.join("path", "to", os.path.basename(os.path.normpath(path)))


def _python(*words: str) -> str:
    return shlex.join(["python", *words])


def _flags_of(result: dict) -> list[str]:
    """Returns the flags of a run that differ from their defaults, in the order of --help."""
    typed = [str(word) for word in result["command"][1:]]
    typed = [word for word in typed if not word.lstrip("-").startswith(_ACTIONS)]
    try:
        parsed = flags.parse([result["script"], *typed], "", **_own_defaults(result))
    except UserError:  # a run of an earlier version, with other flags
        return [word for word in typed if not word.lstrip("-").startswith(_PLACES)]
    _set_steps(parsed, result)
    return [_text(parsed[name]) for name in parsed if _is_worth_typing(parsed[name])]


def _own_defaults(result: dict) -> dict:
    """Returns the defaults that a program sets for its flags: the keywords of its `main` call."""
    path = ROOT / result["style"] / f"{result['script']}.py"
    try:
        tree = ast.parse(path.read_text())
    except (OSError, SyntaxError, ValueError):
        return {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "main" and node.keywords:
            return {
                keyword.arg: ast.literal_eval(keyword.value)
                for keyword in node.keywords
                if not isinstance(
                    keyword.value, (ast.Name, ast.Attribute)
                )  # the function that loads the data
            }
    return {}


def _set_steps(parsed: FlagValues, result: dict) -> None:
    """Sets --max_steps to the steps of a run that was resumed without it."""
    has_length = parsed["epochs"].present or not parsed.max_steps or result.get("stopped_early")
    if not has_length and parsed.max_steps != result["step"]:
        parsed.max_steps = result["step"]


def _is_worth_typing(flag) -> bool:
    return flag.value != flag.default and not flag.name.startswith(_PLACES)


def _text(flag) -> str:
    if flag.name == "restore":
        return f"--restore={shown_path(flag.value)}"
    return flag.serialize()
