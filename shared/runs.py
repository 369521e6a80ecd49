"""What a run leaves: a folder with result.json, checkpoints/ and tensorboard/."""

from __future__ import annotations

import contextlib
import glob
import itertools
import json
import math
import os
import platform
import re
import shutil
import signal
import sys
import tempfile
import time
from typing import Iterator

import numpy as np
from absl.flags import FlagValues

from shared import flags, machine
from shared.console import Signals, StopRun, UserError
from shared.datasets import Dataset

RUNNING, COMPLETE, STOPPED, DIVERGED = "running", "complete", "stopped", "diverged"


def write_json(path: str, value: object) -> None:
    """Writes a JSON file whole or not at all."""
    folder, name = os.path.split(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=name + ".")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(value, file, indent=2)
            file.write("\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


@contextlib.contextmanager
def writing(path: str, *error_classes: type[Exception]) -> Iterator[None]:
    """Turns a failed write into a UserError.

    Parameters
    ----------
    path : what the paths of all the files being written begin with.
    error_classes : what TensorFlow raises where the system would raise OSError.
    """
    try:
        yield
    except (OSError,) + error_classes as error:
        cause = _cause(error).split("; ")[-1]
        raise UserError(f"could not write {path}: {cause}; make room, or name another folder")


def _cause(error: Exception) -> str:
    """Returns the line that matters: TensorFlow's errors begin with where the graph was built."""
    if getattr(error, "strerror", None):
        return error.strerror
    text = re.sub(r"\AGraph execution error:.*?\nNode: [^\n]*\n", "", str(error), flags=re.DOTALL)
    first = (text.splitlines() or [repr(error)])[0]
    return re.sub(r"{{.*?}} | \[Op:.*", "", first)


@contextlib.contextmanager
def writing_whole(path: str, *error_classes: type[Exception]) -> Iterator[None]:
    """Does what `writing` does, and removes what a failed write has left."""
    try:
        with writing(path, *error_classes):
            yield
    except UserError:
        for left in glob.glob(glob.escape(path) + "[._]*"):
            shutil.rmtree(left) if os.path.isdir(left) else os.unlink(left)
        raise


@contextlib.contextmanager
def restoring(path: str, *error_classes: type[Exception]) -> Iterator[None]:
    """Turns what TensorFlow raises for a damaged or foreign checkpoint into a UserError."""
    try:
        yield
    except (
        OSError,
        ValueError,
        LookupError,
        RuntimeError,
        AssertionError,
    ) + error_classes as error:
        raise UserError(
            f"could not restore {path}: {_cause(error)}; expected the state of this run; "
            "--restart begins afresh over it"
        )


class Run:
    """One run of a script, new or gone on with.

    Attributes
    ----------
    directory : str, the run's folder; empty until `start` where --run_dir names none.
    result : dict, what result.json holds.
    is_complete : bool, whether an earlier run in --run_dir has done all that is asked for.
    signals : console.Signals, a context; while it is entered, `stop_if_asked` heeds them.
    """

    def __init__(self, script: str, style: str, values: FlagValues, data: Dataset):
        """Looks at the run that is in --run_dir, if any; changes nothing.

        Parameters
        ----------
        script, style : str, as in tf1_style/mnist_deep.py.
        values : the parsed flags.
        data : shared.datasets.Dataset

        Raises
        ------
        UserError : flags or data do not fit the run that is there, or each other.
        """
        if values.batch_size > len(data.train):
            raise UserError(
                f"--batch_size={values.batch_size}: expected at most {len(data.train)}, the "
                f"training examples of {data.name}"
            )
        self._values = values
        self.directory = values.run_dir
        self.signals = Signals()
        self.result = {
            "script": script,
            "style": style,
            "status": RUNNING,
            "step": 0,
            "threads": values.threads or machine.cores(),
            "flags": {name: values[name].value for name in flags.NUMBERS if name in values},
        }
        self.result["flags"]["validation_size"] = len(data.validation)
        before = None if values.restart else self._read()
        self._threads_before = before["threads"] if before else None
        self.is_complete = False
        if before:
            self._check_same(before)
            self.result["step"] = before["step"]
            if before["status"] == COMPLETE and before["step"] == values.max_steps:
                self.is_complete = True
                self.result = before

    def _read(self) -> dict | None:
        """Returns the result.json that is there, or None where there is no run."""
        path = os.path.join(self.directory, "result.json")
        if not self.directory or not os.path.lexists(path):
            return None
        try:
            with open(path) as file:
                before = json.load(file)
        except (OSError, ValueError, RecursionError):
            before = None
        if not self._is_result(before):
            raise UserError(f"{path}: not the result of a run; --restart begins afresh over it")
        return before

    def _is_result(self, before: object) -> bool:
        return (
            isinstance(before, dict)
            and set(before) >= set(self.result)
            and isinstance(before["flags"], dict)
            and type(before["step"]) is int
            and before["step"] >= 0
            and (before["status"] != COMPLETE or isinstance(before.get("test_accuracy"), float))
        )

    def _check_same(self, before: dict) -> None:
        """Refuses to go on with a run if the numbers would not be those of one unbroken run."""
        pairs = [(key, before[key], self.result[key]) for key in ("script", "style")]
        for name, value in self.result["flags"].items():
            pairs.append(("--" + name, before["flags"].get(name), value))
        differing = [f"{name} {was}, not {now}" for name, was, now in pairs if was != now]
        if differing:
            raise UserError(
                f"the run in {self.directory} has {'; '.join(differing)}; give it the same, "
                "--restart it, or name another --run_dir"
            )
        self._check_step(before["step"])

    def _check_step(self, step: int) -> None:
        if step > self._values.max_steps:
            raise UserError(
                f"the run in {self.directory} is at step {step}, past "
                f"--max_steps={self._values.max_steps}; ask for more steps, or --restart it"
            )

    @property
    def checkpoints(self) -> str:
        """The folder of the style's checkpoints, such as checkpoints/tf1."""
        return os.path.join(self.directory, "checkpoints", self.result["style"].split("_")[0])

    @property
    def tensorboard(self) -> str | None:
        """The folder of the summaries, or None where --nolog asks for none."""
        if not self._values.log:
            return None
        return self._values.log_dir or os.path.join(self.directory, "tensorboard")

    def start(self, device: str, **versions: str) -> None:
        """Makes the run's folder, empty of an earlier run where --restart asks for it.

        Parameters
        ----------
        device : str, what it runs on.
        versions : of the packages that its numbers depend on.
        """
        is_run = os.path.lexists(os.path.join(self.directory, "result.json"))
        try:
            if self.tensorboard and self._values.log_dir:
                os.makedirs(self._values.log_dir, exist_ok=True)
            if self.directory:
                os.makedirs(self.directory, exist_ok=True)
            else:
                self.directory = new_directory(self.result["script"], self.result["style"])
            for folder in ("checkpoints", "tensorboard"):
                if os.path.lexists(os.path.join(self.directory, folder)):
                    if not is_run:  # then it is somebody else's
                        raise UserError(
                            f"{self.directory} has {folder}, but no result.json, so it is not that "
                            "of a run; name another --run_dir"
                        )
                    if self._values.restart:
                        shutil.rmtree(os.path.join(self.directory, folder))
            if is_run and self._values.restart:  # or a start that fails would leave it as complete
                os.unlink(os.path.join(self.directory, "result.json"))
        except OSError as error:
            raise UserError(
                f"{error.filename}: {error.strerror or error}; expected a folder that can be made "
                "and written, name another with --run_dir or --log_dir"
            )
        self.result.update(
            device=device,
            versions=dict(versions, numpy=np.__version__, python=platform.python_version()),
            onednn=os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
            command=sys.argv,
            started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        )

    def begin(self, step: int) -> None:
        """Writes that the run is under way, and says so if it goes on from a checkpoint.

        Parameters
        ----------
        step : that of the checkpoint; 0 if there is none.
        """
        if self.result["step"] and not step:
            raise UserError(
                f"no checkpoint in {self.checkpoints}, expected that of step "
                f"{self.result['step']}; --restart begins afresh"
            )
        self._check_step(step)
        self.save(step=step)
        if not step:
            return
        print(f"going on from step {step} in {self.directory}", flush=True)
        threads = self.result["threads"]
        if threads != self._threads_before:
            print(
                f"--threads={threads}, before {self._threads_before}: the numbers will differ "
                "from those of an unbroken run",
                flush=True,
            )

    def check_loss(self, step: int, loss: float) -> None:
        """Ends the run, exit 3, if the loss at `step` is not a finite number."""
        if not math.isfinite(loss):
            self.save(status=DIVERGED)
            step_saved = self.result["step"]
            saved = (
                f"the checkpoint of step {step_saved} is good" if step_saved else "none is saved"
            )
            raise StopRun(
                f"the loss is {loss:g} at step {step}; try a --learning_rate below "
                f"{self._values.learning_rate:g} ({saved})",
                exit_code=3,
            )

    def stop_if_asked(self) -> None:
        """Ends the run if a signal has come: exit 130 or 143. Its state must be saved by then."""
        number = self.signals.received
        if number:
            self.save(status=STOPPED)
            raise StopRun(
                f"stopped by {signal.Signals(number).name} after step {self.result['step']}; "
                f"--run_dir={self.directory} goes on from there",
                exit_code=128 + number,
            )

    def finish(
        self,
        steps: int,
        seconds: float,
        test: tuple[float, float],
        validation: tuple[float, float] | None,
    ) -> None:
        """Writes the result of a run that has done all its steps.

        Parameters
        ----------
        steps, seconds : what this process trained, and how long it took.
        test, validation : (loss, accuracy); validation may be None.
        """
        self.save(
            status=COMPLETE,
            test_loss=test[0],
            test_accuracy=test[1],
            validation_loss=validation and validation[0],
            validation_accuracy=validation and validation[1],
            train_seconds=round(seconds, 3),
            steps_per_second=round(steps / seconds, 2) if steps else None,
        )

    def save(self, **changes: object) -> None:
        """Writes result.json, after some changes to it."""
        self.result.update(changes, peak_memory_mib=round(machine.peak_memory_mib(), 1))
        path = os.path.join(self.directory, "result.json")
        with writing(path):
            write_json(path, self.result)


def new_directory(script: str, style: str) -> str:
    """Makes and returns runs/SCRIPT/STYLE/DATE-TIME, with a number behind it if that is taken."""
    base = os.path.join("runs", script, style, time.strftime("%Y-%m-%d_%H-%M-%S"))
    for number in itertools.count(1):
        directory = base if number == 1 else f"{base}-{number}"
        try:
            os.makedirs(directory)
            return directory
        except FileExistsError:
            pass
