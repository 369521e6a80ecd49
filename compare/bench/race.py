"""Programs that take turns: while one is measured, the others are paused.

A program must print lines `step N`; its speed is measured between two of them. So any program that
prints such lines can take part.
"""

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence

from compare import runner


class Ended(Exception):
    """A program ended too early, with or without an error."""


class Program:
    """A running program that is paused unless a method waits for it.

    Attributes
    ----------
    step : N of the last `step N` line.
    printed : the last printed line of any kind.
    """

    def __init__(self, command: Sequence[str]):
        self.step, self.printed = 0, ""
        self._stderr = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            start_new_session=True,  # a process group of its own, to signal its children as well
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            bufsize=0,  # all that is read is in _unread
        )
        self._unread = b""

    def run_to(self, step: int) -> None:
        """Lets the program run to its first line of at least that step.

        Raises
        ------
        Ended : it printed no such line; the message is the last line of its stderr.
        """
        self._signal(signal.SIGCONT)
        self._read()
        while self.step < step:
            self._read()
        self._signal(signal.SIGSTOP)

    def run_to_end(self) -> None:
        """Lets the program run to its end.

        Raises
        ------
        Ended : the exit code is not 0.
        """
        self._signal(signal.SIGCONT)
        try:
            while True:
                self._read()
        except Ended:
            if self._process.returncode:
                raise

    def pace(self, seconds: float = 0, steps: int = 1) -> float:
        """Returns the seconds a step, measured over at least that many seconds and steps.

        The measurement begins at the next line that the program prints, not at the line where it
        was paused: it may have run further before the signal arrived, and printed more lines.
        """
        while self._has_line():
            self._read()
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
        """Waits for the next `step N` line."""
        while self._has_line() or self._receive():
            line, end, rest = self._unread.partition(b"\n")
            if not end:
                continue
            self._unread, self.printed = rest, line.decode(errors="replace")
            match = runner.PROGRESS.match(self.printed)
            if match and match[1] == "step":
                self.step = int(match[2])
                return
        self._process.wait()
        self._stderr.seek(0)
        lines = self._stderr.read().strip().splitlines()
        raise Ended(lines[-1] if lines else f"exit code {self._process.returncode}")

    def _has_line(self) -> bool:
        """Says whether the program has printed a whole line that was not read yet."""
        while select.select([self._process.stdout], [], [], 0)[0] and self._receive():
            pass
        return b"\n" in self._unread

    def _receive(self) -> bool:
        """Waits until the program prints something; returns False if it has ended."""
        received = os.read(self._process.stdout.fileno(), 2**16)
        self._unread += received
        return bool(received)

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
