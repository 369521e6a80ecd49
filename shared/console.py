"""What a script shows: a quiet import, progress, errors in one line."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from typing import Iterator, Mapping

import numpy as np

# Where the shell has closed one of them (>&-), Python has None in its place.
sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115


class StopRun(Exception):
    """Ends a script with `exit_code`, after its message in one line on stderr."""

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code


class UserError(StopRun):
    """What the user can mend: the message says what was got, what was expected, how to mend it."""

    def __init__(self, message: str):
        super().__init__(message, exit_code=2)


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Imports TensorFlow without the lines it logs while it loads.

    The C++ side writes a few of them straight to file descriptor 2 whatever its log level, so the
    descriptor itself is turned away. From here to `one_line_errors` Ctrl-C ends the process at
    once, as nothing is begun yet.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow leaves oneDNN off on processors without AVX512-VNNI; there too it takes a step of
    # the CNN from 60 to 40 ms.
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
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
        # Deprecations and hints that a user of a script can do nothing about; what goes wrong is
        # raised as well.
        logging.getLogger("tensorflow").setLevel(logging.CRITICAL)
    if message:
        sys.exit(_say(message, 2))


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turns what ends a script early into one line on stderr and its exit code.

    2 for what the user can mend and for what the system refuses, 130 and 143 for Ctrl-C and
    SIGTERM, 141 for a reader of the output who has gone, the code of a `StopRun`. Anything else is
    a defect of ours and keeps its traceback.
    """

    def terminate(number, frame):
        raise StopRun("stopped by SIGTERM", 128 + number)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, terminate)
    _silence_summary_thread()
    try:
        yield
        sys.stdout.flush()
    except StopRun as stop:
        sys.exit(_say(stop, stop.exit_code))
    except KeyboardInterrupt:
        sys.exit(_say("stopped by SIGINT", 130))
    except BrokenPipeError:  # the reader has gone, as in `script | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        sys.exit(_say(error, 2))


def _silence_summary_thread() -> None:
    """TF1's thread that writes summaries hands its error on to the loop; one report is enough."""
    report = getattr(threading, "excepthook", None)  # Python 3.7 has none

    def hook(args):
        if type(args.thread).__name__ != "_EventLoggerThread":
            report(args)

    threading.excepthook = hook


def _say(message: object, exit_code: int) -> int:
    # A second signal, while Python winds up, would add a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(" ".join(str(message).split()), file=sys.stderr, flush=True)
    return exit_code


class Signals:
    """SIGINT and SIGTERM as a wish that the loop grants at the end of its step.

    Use as a context; `received` is the signal's number once one came, else None.
    """

    def __enter__(self):
        self.received = None
        self._before = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *exc_info):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        self.received = self.received or number


class Progress:
    """Shows where a run is: a bar on a terminal, the tutorial's lines elsewhere."""

    def __init__(self, first_step: int, max_steps: int):
        self._accuracy = ""
        self._steps, self._since = 0, None
        self._bar = None
        if sys.stderr.isatty() and sys.stdout.isatty():
            from tqdm import tqdm

            # A terminal that does not know its width gives 0, and dynamic_ncols would draw nothing.
            self._bar = tqdm(
                total=max_steps,
                initial=first_step,
                unit="step",
                dynamic_ncols=os.get_terminal_size(2).columns > 0,
            )

    def training_accuracy(self, step: int, accuracy: float) -> None:
        """Reports the accuracy on the batch of `step`, measured before its update."""
        self._accuracy = f"{accuracy:g}"
        if not self._bar:
            print(f"step {step}, training accuracy {accuracy:g}", flush=True)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Reports what was measured after an epoch: a row of history.csv."""
        numbers = [
            f"{name.replace('_', ' ')} {value:.4g}"
            for name, value in row.items()
            if name.endswith(("_loss", "_accuracy"))
        ]
        line = f"epoch {row['epoch']}: {', '.join(numbers)}"
        self._bar.write(line) if self._bar else print(line, flush=True)

    def pace(self) -> float | None:
        """Returns the steps per second since it was last asked; the first time None."""
        now = time.perf_counter()
        pace = self._since and self._steps / (now - self._since)
        self._steps, self._since = 0, now
        return pace

    def step(self, loss: float) -> None:
        """Reports that one more step is done, and its loss."""
        self._steps += 1
        if self._bar:
            # refresh=False: tqdm redraws by its own clock, ten times a second at most.
            self._bar.set_postfix(
                {"loss": f"{loss:.4f}", "accuracy": self._accuracy}, refresh=False
            )
            self._bar.update()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self._bar:
            self._bar.close()


def summary(outputs: Mapping[str, list], variables: Mapping[str, object]) -> None:
    """Prints the layers of a model: what each puts out, its variables, how many numbers they hold.

    Parameters
    ----------
    outputs : layers to shapes, whose first number is the size of the batch.
    variables : names such as conv1/W_conv1 to TensorFlow's variables.
    """
    counts = {name: np.prod(v.shape.as_list(), dtype=int) for name, v in variables.items()}
    rows = [("layer", "puts out", "parameters", "")]
    for layer, output in outputs.items():
        own = [name for name in variables if name.startswith(layer + "/")]
        held = [f"{name[len(layer) + 1 :]} {_shape(variables[name].shape)}" for name in own]
        count = sum(counts[name] for name in own)
        rows.append((layer, _shape(output[1:]), f"{count:,}", ", ".join(held)))
    rows.append(("", "", f"{sum(counts.values()):,}", "in all"))
    for layer, output, count, held in rows:
        print(f"{layer:8}  {output:12}  {count:>10}  {held}".rstrip())
    untrained = sum(counts[name] for name, variable in variables.items() if not variable.trainable)
    if untrained:
        print(f"{'':22}  {untrained:>10,}  of them not trained: moving averages")


def _shape(shape) -> str:
    return " x ".join(str(size) for size in shape)
