"""Runs a program as a shell command, follows its output, and returns the outcome."""

import collections
import functools
import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from compare import reading

ROOT = Path(__file__).resolve().parents[1]
STYLES = ("tf1_style", "tf2_style")
# The values of --style in every command, and the folders that they stand for.
STYLES_OF = {"tf1": STYLES[:1], "tf2": STYLES[1:], "both": STYLES}

# Lines such as "step 100, training accuracy 0.84" and "epoch 2: training loss 0.3".
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
PROGRESS = re.compile(r"(step|epoch) (\d+)\b")
# The name and the default of a flag in a program's --help.
_DEFAULT = re.compile(
    r"^  --(?:\[no\])?(\w+):(?:(?!^  --).)*?\(default: '([^']*)'\)", re.MULTILINE | re.DOTALL
)

Follow = Callable[[str, int], None]  # called with "step" or "epoch", and its number


def programs() -> list[str]:
    """Returns the names of the project's programs: the files that both styles have."""
    found = [{path.stem for path in (ROOT / style).glob("[!_]*.py")} for style in STYLES]
    return sorted(set.intersection(*found))


@functools.lru_cache
def defaults(style: str, program: str) -> dict[str, str]:
    """Returns the defaults of a program's flags, from its --help; this takes seconds."""
    command = [sys.executable, str(ROOT / style / f"{program}.py"), "--help"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    return dict(_DEFAULT.findall(process.stdout))


@dataclass
class Outcome:
    """The outcome of a command.

    Attributes
    ----------
    exit_code : 0 if it succeeded.
    error : the last line that it wrote to stderr; of an exception the line that tells.
    seconds : how long it ran.
    result : the content of its result.json; empty if it wrote none.
    lines : the last lines that it wrote to stdout.
    """

    exit_code: int
    error: str
    seconds: float
    result: dict
    lines: list[str]


def run(
    command: list[str] | str,
    run_dir: str | None,
    follow: Follow = lambda unit, number: None,
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Runs a command to its end. If a signal ends this process, it ends the command too.

    Parameters
    ----------
    command : a program and its arguments, or a command line for the shell.
    run_dir : the command's run folder; None if it has none.
    follow : called for each line "step N..." or "epoch N..." that the command prints.
    environment : variables to add to those of this process.
    """
    started = time.perf_counter()
    is_line = isinstance(command, str)
    printed = collections.deque(maxlen=1000)
    with tempfile.TemporaryFile("w+", errors="replace") as stderr:
        with subprocess.Popen(
            command,
            shell=is_line,
            # A new process group, so that a signal also reaches the children of the shell.
            start_new_session=is_line,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            errors="replace",
            env={**os.environ, **(environment or {})},
        ) as process:
            try:
                for line in process.stdout:
                    printed.append(line.rstrip("\n"))
                    match = PROGRESS.match(line)
                    if match:
                        follow(match[1], int(match[2]))
                exit_code = process.wait()
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM) if is_line else process.terminate()
                process.wait()
        seconds = time.perf_counter() - started
        stderr.seek(0)
        lines = stderr.read().strip().splitlines()
    result = reading.result_so_far(run_dir) if run_dir else {}
    return Outcome(exit_code, _reason(lines), seconds, result, list(printed))


def _reason(lines: list[str]) -> str:
    """Returns what a program's stderr says it failed of: of an exception with several lines the
    first, where that is a sentence; else the last line."""
    starts = [n for n, line in enumerate(lines) if line.startswith("Traceback (most recent")]
    below = lines[starts[-1] + 1 :] if starts else []
    # Python underlines a call of several lines from the first column, too.
    message = list(itertools.dropwhile(lambda line: re.match(r"\s|[~^]*$", line), below))
    message = [_COLOURS.sub("", line).strip() for line in message if line.strip()]
    if not message or message[0].endswith(":"):
        return lines[-1] if lines else ""
    if "Exception encountered when calling" in message[0]:  # Keras's; the next says what it was
        return " ".join(message[:2])
    return message[0]


@contextmanager
def progress(
    console: Console, title: str, steps: int | None = None, epochs: int | None = None
) -> Iterator[Follow]:
    """Shows the progress of a run: a bar on a terminal, elsewhere a line every 2,000 steps.

    Parameters
    ----------
    console : where to show it.
    title : the title of the run.
    steps, epochs : their total numbers, if known; if neither is known, the bar only shows that the
        program is running.
    """
    totals = {"step": steps, "epoch": epochs}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[place]}"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns,
        console=console,
        disable=not console.is_terminal,
        transient=True,
        speed_estimate_period=600,  # seconds: a program may print one line a minute
    ) as bar:
        is_known = steps or epochs
        task = bar.add_task(title, total=1.0 if is_known else None, place="starting")

        def follow(unit: str, number: int) -> None:
            total = totals[unit]
            place = f"{unit} {number:,}" + (f" of {total:,}" if total else "")
            bar.update(task, place=place)
            if total:
                bar.update(task, completed=number / total)
            if not console.is_terminal and unit == "step" and number and number % 2000 == 0:
                console.print(f"{title}: step {number}" + (f" of {total}" if total else ""))

        yield follow
