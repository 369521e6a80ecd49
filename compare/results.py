"""Lists the measured figures of the documentation; --check finds those older than their programs.

    python -m compare results
    python -m compare results --check

Above each table or paragraph of figures, a page has a comment with the day of the measurement (UTC,
with or without the time) and the programs that were measured:

    <!-- measured 2026-11-27 14:05: mnist_deep compare/experiments/rungs.py -->

The comment is valid down to the next one or the next heading. A program stands for both styles and
all modules of the project that they import; a path is one file and what it imports. --check
compares these files at the last commit before the measurement with the files as they are now.
Comments, docstrings, the messages of errors and modules that only show or store numbers do not
count. The version of TensorFlow does. Exit 1 if a figure is older than a change, was never measured
("measured never:"), or a table of numbers has no such comment.
"""

import argparse
import ast
import functools
import itertools
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from compare import runner
from shared.console import UserError

NEVER = "never"
_COMMENT = re.compile(r"<!-- measured(?P<text>.*?)-->")
_TEXT = re.compile(r" (never|\d{4}-\d\d-\d\d(?: \d\d:\d\d)?): (\S.*) ")
_NUMBERS = re.compile(r"\|[-:| ]*---:[-:| ]*\|")  # the second line of a table with such a column
_FOLDERS = (*runner.STYLES, "shared")  # imports are followed into these
# Modules that show, name, check or store numbers. tests/test_recording_bits.py and others show that
# a run with summaries, traces, checkpoints and pictures has the same bits as a run without.
_WITHOUT_NUMBERS = re.compile(
    r"shared/(runs/\w+|answering|checkpoint_files|checkpoints|cluster|console|files|graphs|npz|"
    r"outputs|picture_reading|pictures|plot|predicting|predictions|recorder|repair|summaries|trace|"
    r"user_lines)\.py|tf[12]_style/training/(checkpoints|export|replicas|summaries)\.py"
)
_MOST_FILES = 4  # in a line of the output
_VERSIONS = re.compile(r"^(?:tensorflow|numpy)==\S+", re.MULTILINE)

Read = Callable[[str], str | None]  # returns the text of a file by its path, None if there is none


@dataclass(frozen=True)
class Figures:
    """The figures below one comment.

    Attributes
    ----------
    place : page, line and heading.
    date : of the measurement, as the page has it; "never"; empty if the table has no comment.
    files : the files of the programs, as paths below the project's folder.
    """

    place: str
    date: str
    files: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check", action="store_true", help="ask git which figures are older than their programs"
    )


def main(arguments: argparse.Namespace) -> int:
    found = list(_all_figures())
    if not arguments.check:
        for figures in found:
            print(f"{figures.place}: {figures.date or 'no date'}: {' '.join(figures.files)}")
        return 0
    _require_checkout()
    faults = 0
    for figures in found:
        fault = _fault(figures)
        if fault:
            faults += 1
            print(f"{figures.place}: {fault}")
    print(f"{faults} of {len(found)} are older than their programs, or have no date")
    return int(faults > 0)


def _all_figures() -> Iterator[Figures]:
    """Yields the figures of all pages that have a comment.

    Raises
    ------
    UserError : a comment that cannot be read.
    """
    for page in [runner.ROOT / "README.md", *sorted((runner.ROOT / "docs").rglob("*.md"))]:
        text = page.read_text() if page.exists() else ""
        if _COMMENT.search(text):
            yield from _figures(text, str(page.relative_to(runner.ROOT)))


def _figures(text: str, page: str) -> Iterator[Figures]:
    heading, has_comment, is_code = "", False, False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            is_code = not is_code
        elif is_code:
            continue
        place = f"{page}:{number}, {heading}"
        if line.startswith("#"):
            heading, has_comment = line.lstrip("# "), False
        elif _COMMENT.search(line):
            has_comment = True
            yield _parsed(_COMMENT.search(line)["text"], place)
        elif _NUMBERS.fullmatch(line) and not has_comment:
            yield Figures(place, "")


def _parsed(comment: str, place: str) -> Figures:
    match = _TEXT.fullmatch(comment)
    try:
        date = match[1]
        if date != NEVER:
            datetime.fromisoformat(date)
    except (TypeError, ValueError):
        raise UserError(
            f"{place}: got <!-- measured{comment}-->, expected a comment such as "
            "<!-- measured 2026-11-27 14:05: mnist_deep --> with a date, or never"
        )
    files = [_files(word, place) for word in match[2].split()]
    return Figures(place, date, tuple(itertools.chain(*files)))


def _files(word: str, place: str) -> list[str]:
    """Returns the files that a word of a comment stands for."""
    paths = [word] if re.search("[./]", word) else [f"{style}/{word}.py" for style in runner.STYLES]
    if not all((runner.ROOT / path).is_file() for path in paths):
        raise UserError(
            f"{place}: there is no {' and no '.join(paths)}; expected a program such as "
            "mnist_deep, or a file such as compare/experiments/rungs.py"
        )
    return paths


def _fault(figures: Figures) -> str:
    """Says why figures cannot be relied on; empty if they can."""
    if not figures.date:
        return "a table of numbers without a date"
    if figures.date == NEVER:
        return "never measured"
    commit = _commit_before(figures.date)
    if not commit:
        raise UserError(
            f"{figures.place}: git has no commit of {figures.date} or before; in a shallow clone, "
            "`git fetch --unshallow` gets the older ones"
        )
    before = _reader(commit)
    changed = [
        (_last_change(path, commit), path)
        for path in sorted(_closure(figures.files))
        if _what_counts(path, before) != _what_counts(path, _read_now)
    ]
    if not changed:
        return ""
    changed.sort(key=lambda each: each[0], reverse=True)  # "not committed" comes first
    listed = ", ".join(f"{path} ({day})" for day, path in changed[:_MOST_FILES])
    more = f" and {len(changed) - _MOST_FILES} more" if len(changed) > _MOST_FILES else ""
    return f"measured {figures.date}, changed since: {listed}{more}"


def _closure(files: tuple[str, ...]) -> set[str]:
    """Returns the paths of the files and of all that they import, as far as numbers need them.

    A module that is gone has left the imports of another one, which is then listed itself.
    """
    waiting, found = list(files), {"requirements.txt"}
    while waiting:
        path = waiting.pop()
        text = _read_now(path)
        if text is not None and path not in found and not _WITHOUT_NUMBERS.fullmatch(path):
            found.add(path)
            waiting += _imports(text, path)
    return found


def _what_counts(path: str, read: Read) -> str | None:
    """Returns what can change a figure of a file's text; None if there is no file."""
    text = read(path)
    if text is None:
        return None
    if path == "requirements.txt":
        return "\n".join(_VERSIONS.findall(text))
    return _normalized(text) if path.endswith(".py") else text


@functools.cache
def _normalized(source: str) -> str:
    """Returns a program without its layout, comments, docstrings and messages of errors."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_text(each)]
        if isinstance(node, ast.Raise):
            node.exc = None
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@functools.cache
def _imports(source: str, path: str) -> list[str]:
    """Returns the paths that a module's imports may stand for, inside functions too."""
    if not path.endswith(".py"):
        return []
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = path.split("/")[: -node.level] if node.level else []
            module = ".".join([*package, *filter(None, [node.module])])
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    parents = {
        tuple(name.split(".")[:length])
        for name in names
        for length in range(1, name.count(".") + 2)
        if name.split(".")[0] in _FOLDERS
    }
    ends = (".py", "/__init__.py")
    return sorted("/".join(parts) + end for parts in parents for end in ends)


def _git(*arguments: str) -> str | None:
    """Returns what git prints; None if it fails."""
    try:
        process = subprocess.run(
            ["git", "-C", str(runner.ROOT), *arguments], capture_output=True, check=False
        )
    except FileNotFoundError:
        return None
    return process.stdout.decode(errors="replace") if process.returncode == 0 else None


def _require_checkout() -> None:
    top = _git("rev-parse", "--show-toplevel")
    if top is None or Path(top.rstrip("\n")) != runner.ROOT:
        raise UserError(
            f"results --check asks git for the dates, and {runner.ROOT} is no git checkout (or git "
            "is not installed); clone the project"
        )
    if _git("rev-parse", "HEAD") is None:
        raise UserError(f"results --check asks git for the dates, and {runner.ROOT} has no commit")


@functools.cache
def _commit_before(date: str) -> str:
    """Returns the last commit before the end of a day or minute; empty if there is none."""
    end = f"{date}:59" if ":" in date else f"{date} 23:59:59"
    return (_git("rev-list", "-1", f"--before={end} +0000", "HEAD") or "").strip()


def _reader(commit: str) -> Read:
    return lambda path: _at(commit, path)


@functools.cache
def _at(commit: str, path: str) -> str | None:
    return _git("show", f"{commit}:{path}")


@functools.cache
def _read_now(path: str) -> str | None:
    file = runner.ROOT / path
    return file.read_text(errors="replace") if file.is_file() else None


@functools.cache
def _last_change(path: str, since: str) -> str:
    """Returns the day of the last commit that changed what counts of a file."""
    now = _what_counts(path, _read_now)
    if _what_counts(path, _reader("HEAD")) != now:
        return "not committed"
    log = (_git("log", "--format=%H %cs", f"{since}..HEAD", "--", path) or "").split()
    day = ""
    for commit, day in zip(log[::2], log[1::2]):
        if _what_counts(path, _reader(f"{commit}^")) != now:
            break
    return day
