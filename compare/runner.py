"""Starts a script as a shell command, follows it, reads what it leaves."""

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_STEP = re.compile(r"step (\d+)\b")


@dataclass
class Outcome:
    """What came of a command."""

    exit_code: int
    error: str  # the last line it wrote to stderr
    seconds: float
    result: dict  # its result.json; empty if it left none


def run(command: list[str], run_dir: str, on_step: Callable[[int], None]) -> Outcome:
    """Runs a command to its end; if this process is stopped meanwhile, so is the command.

    Parameters
    ----------
    command : a program and its arguments, which leaves its result.json in `run_dir`.
    on_step : called with N for each line "step N, ..." that the command prints.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as stderr:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
            try:
                for line in process.stdout:
                    match = _STEP.match(line)
                    if match:
                        on_step(int(match[1]))
                exit_code = process.wait()
            finally:
                process.terminate()
                process.wait()
        seconds = time.perf_counter() - started
        stderr.seek(0)
        lines = stderr.read().splitlines()
    path = Path(run_dir, "result.json")
    result = json.loads(path.read_text()) if path.exists() else {}
    return Outcome(exit_code, lines[-1] if lines else "", seconds, result)
