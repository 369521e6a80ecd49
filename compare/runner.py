"""Starts a script as a shell command, follows it, reads what it leaves."""

import collections
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
STYLES = ("tf1_style", "tf2_style")

STEP = re.compile(r"step (\d+)\b")


@dataclass
class Outcome:
    """What came of a command."""

    exit_code: int
    error: str  # the last line it wrote to stderr
    seconds: float
    result: dict  # its result.json; empty if it left none
    lines: list[str]  # the last that it wrote to stdout


def run(
    command: list[str] | str,
    run_dir: str | None,
    on_step: Callable[[int], None],
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Runs a command to its end; if this process is stopped meanwhile, so is the command.

    Parameters
    ----------
    command : a program and its arguments, or a line for the shell.
    run_dir : where it leaves its result.json, if it does.
    on_step : called with N for each line "step N, ..." that the command prints.
    environment : variables it is to have besides this process's.
    """
    started = time.perf_counter()
    is_line = isinstance(command, str)
    printed = collections.deque(maxlen=1000)
    with tempfile.TemporaryFile("w+", errors="replace") as stderr:
        with subprocess.Popen(
            command,
            shell=is_line,
            # A group of its own, so that what a shell has started can be stopped with it.
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
                    match = STEP.match(line)
                    if match:
                        on_step(int(match[1]))
                exit_code = process.wait()
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM) if is_line else process.terminate()
                process.wait()
        seconds = time.perf_counter() - started
        stderr.seek(0)
        lines = stderr.read().strip().splitlines()
    path = Path(run_dir or "", "result.json")
    result = json.loads(path.read_text()) if run_dir and path.exists() else {}
    return Outcome(exit_code, lines[-1] if lines else "", seconds, result, list(printed))


@contextmanager
def progress(
    console: Console, title: str, steps: int | None = None
) -> Iterator[Callable[[int], None]]:
    """Shows how far a run is: a bar on a terminal, a line every 2,000 steps elsewhere."""
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=steps)

        def on_step(step: int) -> None:
            bar.update(task, completed=step)
            if not console.is_terminal and step and step % 2000 == 0:
                console.print(f"{title}: step {step}" + (f" of {steps}" if steps else ""))

        yield on_step
