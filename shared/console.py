"""A program's output and exit: quiet import, progress, one-line errors, signals."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import signal
import sys
import threading
import time
from typing import Iterator, Mapping


def _open_standard_streams() -> None:
    """Opens /dev/null for each standard stream that the shell has closed (`<&- >&- 2>&-`).

    Otherwise the next file that is opened would become the standard output, and `sys.stdout` would
    be None.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free descriptor is `number`
            os.set_inheritable(number, True)
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


_open_standard_streams()  # before anything else opens a file


LONGEST = 300  # characters of one word of an error; a value may have thousands of digits


class StopRun(Exception):
    """Ends a program with `exit_code`, after its message in one line on stderr."""

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code


class UserError(StopRun):
    """A mistake of the user. The message says what was given, what is expected, how to fix it."""

    def __init__(self, message: str):
        super().__init__(message, exit_code=2)


@contextlib.contextmanager
def quiet_import(needs_keras: bool = False) -> Iterator[None]:
    """Imports TensorFlow without the lines that it logs while it loads.

    Its C++ code writes a few of them to file descriptor 2 at any log level, so the descriptor is
    redirected. Until `one_line_errors` starts, Ctrl-C ends the process at once, because there is
    nothing to save.

    TensorFlow loads Keras at the end of its import, in a quarter of the time, and does without if
    there is none. So Keras is hidden meanwhile, unless `needs_keras`. Later imports find it.
    """
    is_hidden = not needs_keras and "keras" not in sys.modules
    if is_hidden:
        sys.modules["keras"] = None  # type: ignore[assignment]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow enables oneDNN only on processors with AVX512-VNNI. On other processors, too,
    # oneDNN makes a step of the CNN faster: 40 instead of 60 ms.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.stderr.flush()
    stderr = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"{error} for {sys.executable}; ./run_all.sh installs what is needed into .venv"
    else:
        message = None
    finally:
        if is_hidden:
            del sys.modules["keras"]
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
        # TensorFlow logs deprecations and hints that do not help the user. Errors still raise.
        logging.getLogger("tensorflow").setLevel(logging.CRITICAL)
    if message:
        sys.exit(_print_error(message, 2))


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends a program that fails or is stopped with one line on stderr and an exit code.

    The exit code is 2 for errors of the user and of the system; 129, 130 and 143 for SIGHUP, SIGINT
    (Ctrl-C) and SIGTERM; 141 if the reader of the output has exited. A `StopRun` has its own code.
    Any other exception is a bug of this project and keeps its traceback.
    """

    def stop(number, frame):
        raise StopRun(f"stopped by {signal.Signals(number).name}", 128 + number)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in _ending_signals():
        if number != signal.SIGINT:
            signal.signal(number, stop)
    _silence_summary_thread()
    try:
        yield
        sys.stdout.flush()
    except StopRun as stopped:
        sys.exit(_print_error(stopped, stopped.exit_code))
    except KeyboardInterrupt:
        sys.exit(_print_error("stopped by SIGINT", 130))
    except BrokenPipeError:  # the reader has exited, as in `script | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        sys.exit(_print_error(error, 2))


def _ending_signals() -> list[int]:
    """Returns the signals that end a program. Under `nohup`, SIGHUP is not one of them."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers


def _silence_summary_thread() -> None:
    """Hides the traceback of TF1's thread that writes summaries; the loop reports the error."""
    report = getattr(threading, "excepthook", None)  # Python 3.7 has none

    def hook(args):
        if type(args.thread).__name__ != "_EventLoggerThread":
            report(args)

    threading.excepthook = hook


def _print_error(message: object, exit_code: int) -> int:
    # A second signal while Python exits would print a traceback.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # An object that a signal left half-made, such as a ZipFile, may fail when Python removes it.
    sys.unraisablehook = lambda unraisable: None
    words = str(message).split()
    words = [f"{word[:LONGEST]}..." if len(word) > LONGEST else word for word in words]
    print_line(" ".join(words), sys.stderr)
    return exit_code


def print_line(line: str, file=None) -> None:
    """Prints a line to `file` (default: sys.stdout), unless its terminal is closed.

    When its terminal closes, a run also gets SIGHUP, and saves its state before it ends.
    """
    file = file or sys.stdout
    try:
        print(line, file=file, flush=True)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


class Signals:
    """Remembers SIGINT, SIGTERM and SIGHUP, so that the loop can end after its step.

    Use it as a context manager. `received` is the number of the first signal, or None.
    """

    def __enter__(self):
        self.received = None
        self._handlers = {number: signal.signal(number, self._note) for number in _ending_signals()}
        return self

    def __exit__(self, *exc_info):
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        self.received = self.received or number


class Progress:
    """Shows the progress of a run: a bar on a terminal, the tutorial's lines elsewhere."""

    def __init__(self, first_step: int, max_steps: int):
        self._metrics = {}
        self._steps, self._since = 0, None
        self._bar = None
        if sys.stderr.isatty() and sys.stdout.isatty():
            from tqdm import tqdm

            # A terminal of unknown width reports 0 columns; dynamic_ncols would draw nothing.
            self._bar = tqdm(
                total=max_steps,
                initial=first_step,
                unit="step",
                dynamic_ncols=os.get_terminal_size(2).columns > 0,
            )

    def training_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Reports the metrics on the batch of `step`, measured before its update."""
        self._metrics = {name: f"{metric:g}" for name, metric in metrics.items()}
        if not self._bar:
            listed = ", ".join(f"training {name} {text}" for name, text in self._metrics.items())
            print_line(f"step {step}, {listed}")

    def epoch(self, row: Mapping[str, float]) -> None:
        """Reports what was measured after an epoch: a row of history.csv."""
        numbers = [
            f"{name.replace('_', ' ')} {value:.4g}"
            for name, value in row.items()
            if name.startswith(("training_", "validation_", "test_"))
        ]
        line = f"epoch {row['epoch']}: {', '.join(numbers)}"
        with self._bar.external_write_mode() if self._bar else contextlib.nullcontext():
            print_line(line)

    def pace(self) -> float | None:
        """Returns the steps per second since the last call; None at the first call."""
        now = time.perf_counter()
        pace = self._since and self._steps / (now - self._since)
        self._steps, self._since = 0, now
        return pace

    def step(self, loss: float) -> None:
        """Reports the loss of one more step."""
        self._steps += 1
        if self._bar:
            # refresh=False: tqdm redraws at most ten times a second.
            self._bar.set_postfix({"loss": f"{loss:.4f}", **self._metrics}, refresh=False)
            self._bar.update()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self._bar:
            self._bar.close()


def summary(outputs: Mapping[str, list], variables: Mapping[str, object]) -> None:
    """Prints a table of a model's layers: output shape, number of parameters, variables.

    The scopes inside a layer, if any, have lines of their own below it.

    Parameters
    ----------
    outputs : {layer: output shape}; the first number of a shape is the batch size.
    variables : {name, such as conv1/W_conv1: TensorFlow's variable}.
    """
    counts = {name: variable.shape.num_elements() for name, variable in variables.items()}
    rows = [("layer", "output", "parameters", "")]
    for layer, output in outputs.items():
        parts: dict[str, list[str]] = {"": []}  # a large layer has scopes inside
        for name in variables:
            if name.startswith(layer + "/"):
                scope = name[len(layer) + 1 :].rpartition("/")[0]
                parts.setdefault(scope, []).append(name)
        count = sum(counts[name] for names in parts.values() for name in names)
        for scope in sorted(parts, key=_in_order):
            # Sorted, because the styles create the variables of a layer in different orders.
            names = sorted(parts[scope])
            listed = ", ".join(f"{n.split('/')[-1]} {_shape(variables[n].shape)}" for n in names)
            if scope:
                rows.append((f"  {scope}", "", f"{sum(counts[n] for n in names):,}", listed))
            else:
                rows.append((layer, _shape(output[1:]), f"{count:,}", listed))
    rows.append(("", "", f"{sum(counts.values()):,}", "in total"))
    untrained = sum(counts[name] for name, variable in variables.items() if not variable.trainable)
    if untrained:
        rows.append(("", "", f"{untrained:,}", "of them not trained: moving averages"))
    first, second = (max(len(row[k]) for row in rows) for k in (0, 1))
    for layer, output, count, listed in rows:
        print(f"{layer:{first}}  {output:{second}}  {count:>10}  {listed}".rstrip())


def _in_order(scope: str) -> list:
    """Returns a key that sorts block2 before block10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", scope)]


def _shape(shape) -> str:
    return " x ".join("?" if size is None else str(size) for size in shape)
