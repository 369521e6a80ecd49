"""Tables of results: on the screen, as Markdown and as JSON."""

import os
import shlex
import sys
import time
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from shared import files

_TEXT = (
    "case",
    "style",
    "optimizer",
    "hidden",
    "best by",
    "note",
    "rung",
    "source says",
    "twins",
    "verdict",
    "model",
    "precision",
    "program",
    "what",
    "checked",
    "threshold",
)  # columns of text, aligned to the left


@dataclass(frozen=True)
class Table:
    """Rows of text by column, and notes below; columns without any text are left out."""

    title: str
    rows: list[dict[str, str]]
    notes: list[str]

    @property
    def columns(self) -> list[str]:
        return [name for name in self.rows[0] if any(row[name] for row in self.rows)]


def number(value: float | None, form: str) -> str:
    """Returns a number as text; empty if there is none."""
    return "" if value is None else format(value, form)


def spread(values: list[float]) -> str:
    """Returns the mean of accuracies and, of two or more, the sample standard deviation."""
    deviation = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{deviation}" if values else ""


def of_seeds(seeds: list[int]) -> str:
    """Returns the note that explains `spread`; empty for one seed."""
    count = len(seeds)
    return f"The mean of {count} seeds ± the standard deviation." if count > 1 else ""


def console() -> Console:
    """Returns a console; if the output is not a terminal, it is wide enough for a table."""
    return Console(width=None if sys.stdout.isatty() else 150, highlight=False, markup=False)


def write(table: Table, numbers: list[dict], device: str, directory: str, screen: Console) -> None:
    """Writes table.md and results.json to a folder, and prints the table.

    Parameters
    ----------
    numbers : the rows of results.json.
    device : the device of the runs.
    directory : the folder.
    screen : where to print.
    """
    origin = {
        "command": shlex.join(["python", "-m", "compare", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "device": device,
    }
    with files.writing(directory):
        os.makedirs(directory, exist_ok=True)
        files.write_json(os.path.join(directory, "results.json"), {**origin, "rows": numbers})
    write_markdown([table], origin, directory)
    screen.print(rich(table))
    for note in filter(None, table.notes):
        screen.print(note, soft_wrap=True)
    screen.print(f"written: {directory}", soft_wrap=True)


def write_markdown(tables: list[Table], origin: dict[str, str], directory: str) -> None:
    """Writes table.md; `origin` has the `command`, the `date` and the `device` of the results."""
    end = f"`{origin['command']}`, {origin['date']}, on {origin['device'] or 'an unknown device'}\n"
    text = "\n\n".join([*map(_markdown, tables), end])
    path = os.path.join(directory, "table.md")
    with files.writing(path), files.replacing(path) as file:
        file.write(text.encode(errors="backslashreplace"))


def rich(table: Table) -> RichTable:
    """Returns the table for a terminal."""
    shown = RichTable(title=table.title, box=box.SIMPLE_HEAD)
    for name in table.columns:
        shown.add_column(name, justify="left" if name in _TEXT else "right")
    for row in table.rows:
        shown.add_row(*(row[name] for name in table.columns))
    return shown


def _markdown(table: Table) -> str:
    lines = [table.columns, ["---" if name in _TEXT else "---:" for name in table.columns]]
    lines += [[row[name].replace("|", "\\|") for name in table.columns] for row in table.rows]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n\n".join([f"# {table.title}", text, *filter(None, table.notes)])
