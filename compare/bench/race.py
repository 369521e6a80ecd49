"""Programs that take turns: each is stopped while another is measured.

A program prints `step N` as it goes along; its pace is measured between two of those lines. It is
known by nothing else, so a stranger's program can take part.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence

from compare import runner


class Ended(Exception):
    """A program has come to its end, good or bad, before it was expected to."""


class Program:
    """A program that was started, and that goes on only while it is waited for.

    Attributes
    ----------
    step : that of the last line it printed.
    printed : its last line, of whatever kind.
    """

    def __init__(self, command: Sequence[str]):
        self.step, self.printed = 0, ""
        self._stderr = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            start_new_session=True,  # a group of its own, which is stopped and goes on as a whole
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            errors="replace",
        )

    def run_to(self, step: int) -> None:
        """Lets it go on to the first line of at least that step.

        Raises
        ------
        Ended : it printed no such line; the message is the last line of what it wrote to stderr.
        """
        self._signal(signal.SIGCONT)
        self._read()
        while self.step < step:
            self._read()
        self._signal(signal.SIGSTOP)

    def run_to_end(self) -> None:
        """Lets it go on to its end.

        Raises
        ------
        Ended : with another exit code than 0.
        """
        self._signal(signal.SIGCONT)
        try:
            while True:
                self._read()
        except Ended:
            if self._process.returncode:
                raise

    def pace(self, seconds: float = 0, steps: int = 1) -> float:
        """Returns the seconds a step, over so many seconds and steps or a little more.

        The line at which it was stopped is not the one that it begins with: the program may have
        gone on a little before it was stopped.
        """
        self._signal(signal.SIGCONT)
        self._read()
        first, started = self.step, time.perf_counter()
        elapsed = 0
        while elapsed < seconds or self.step - first < steps:
            self._read()
            elapsed = time.perf_counter() - started
        self._signal(signal.SIGSTOP)
        return elapsed / (self.step - first)

    def _read(self) -> None:
        """Waits for the next line with a step."""
        for line in self._process.stdout:
            self.printed = line.rstrip("\n")
            match = runner.STEP.match(line)
            if match:
                self.step = int(match[1])
                return
        self._process.wait()
        self._stderr.seek(0)
        lines = self._stderr.read().strip().splitlines()
        raise Ended(lines[-1] if lines else f"it ended with exit code {self._process.returncode}")

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()
        self._stderr.close()
