"""Explains a message of an old program: finds the entry of the migration guide about it.

  python -m compare explain "module 'tensorflow' has no attribute 'placeholder'"
  python old.py 2>&1 | python -m compare explain

Takes a message, a traceback or a symptom in your own words, as arguments or on the standard input.
"""

import argparse
import os
import re
import shlex
import sys

from rich.console import Console
from rich.markdown import Markdown
from rich.padding import Padding
from rich.text import Text

from compare import guide
from compare.entry_search import moved, replaced, search
from compare.parity import strangers
from compare.tracebacks import Report, read
from shared.console import UserError

LONGEST = 200_000  # characters that are read, from the end: where a traceback stands
OTHERS = 2  # entries that are named besides the best

_AS_IT_IS = "to run the program as it is, unchanged: ./run_all.sh old"
_COLOURS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\a\x1b]*(?:\a|\x1b\\))")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("message", nargs="*", help="without one, the standard input is read")


def main(arguments: argparse.Namespace) -> int:
    text = " ".join(arguments.message)
    if not arguments.message:
        if sys.stdin.isatty():
            raise UserError(
                "got no message, expected one as an argument, or a program's output: "
                "python old.py 2>&1 | python -m compare explain"
            )
        text = sys.stdin.buffer.read().decode("utf-8", "replace")
    text = clean(text[-LONGEST:])
    if not text.strip():
        raise UserError("got an empty text, expected a message, a traceback or a symptom")
    report = read(text)
    found = search(report.message, report.code) if report.message else []
    if not found and not report.is_error and not (arguments.message and report.message):
        raise UserError("no error was found in the text, nor a warning that the guide knows")
    if not found:
        is_here = os.path.isfile(report.program) and is_old(report)
        raise UserError(
            f"the guide knows nothing about {report.headline[:200]!r}; docs/migration.md lists its "
            "entries" + (f", and {_AS_IT_IS} {_old_program(report)}" if is_here else "")
        )
    width = None if sys.stdout.isatty() else 100
    show(report, found, Console(highlight=False, width=width))
    return 0


def clean(text: str) -> str:
    """Returns a text without colours and control characters; a progress bar's turns are lines."""
    text = _COLOURS.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text)


def show(report: Report, found: list[guide.Entry], console: Console) -> None:
    """Prints what is there instead, the names of the next entries, and the best, which may be long.

    Last is how to run the program as it is.
    """
    entry, *others = found
    if report.place:
        console.print(Text(f"{report.place}  {report.code[:300]}", style="bold"))
    console.print(Text(report.headline[:300]), end="\n\n")
    for old, new in moved(report.message, report.code).items():
        console.print(Text(f"{old} is now {new}"), end="\n\n")
    rows = replaced(entry, report.message, report.code)
    for old, new in rows.items():
        console.print(Text(f"{old} -> {new}"), soft_wrap=True, end="\n\n")
    heading = Text(entry.title, style="bold").append(f" ({entry.address})", style="not bold dim")
    console.print(heading, soft_wrap=True)
    for other in others[:OTHERS]:
        console.print(Text(f"see also: {other.title} ({other.address})"), soft_wrap=True)
    console.print(Padding(Markdown(_short(entry, not rows)), (1, 0, 1, 2)))
    if is_old(report):
        console.print(Text(f"{_AS_IT_IS} {_old_program(report)}"), soft_wrap=True)


def is_old(report: Report) -> bool:
    """Says whether the program may be one of TensorFlow 1: by its text, if its file is here."""
    if not os.path.isfile(report.program):
        return True
    return strangers.program("candidate", report.program).style == "tf1"


def _old_program(report: Report) -> str:
    return shlex.quote(report.program or "old.py")


def _short(entry: guide.Entry, has_tables: bool) -> str:
    """Returns an entry without the lines of the twins, the lines before, and what makes it be said.

    Nor has it a table if the rows that count are printed.
    """
    text = re.sub(
        r"\n\*\*The twins\.\*\*.*?(?=\n\*\*(?:Keras|Why)\.)", "", entry.text, flags=re.DOTALL
    )
    text = re.sub(r"```(?:text|python fails)\n.*?```\n", "", text, flags=re.DOTALL)
    text = re.sub(r"Before:\n\n```python before\n.*?```\n", "", text, flags=re.DOTALL)
    text = text if has_tables else re.sub(r"^\|.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^(```\w+) \w+$", r"\1", text, flags=re.MULTILINE)
    folder = os.path.dirname(entry.address)
    text = re.sub(
        r"^\[(.+?)\]\(([^)\s]+)\)\.$", rf"See \1 ({folder}/\2).", text, flags=re.MULTILINE
    )
    return re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", r"\1", text)
