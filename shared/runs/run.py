"""One run: its start, its signals, and its state in result.json."""

from __future__ import annotations

import math
import os
import platform
import signal
import sys
import time
from typing import Iterable

import numpy as np
from absl.flags import FlagValues

from shared import files, history, machine, outputs, repair
from shared.console import Signals, StopRun, UserError
from shared.datasets import Dataset
from shared.flags import NUMBERS, count_steps
from shared.runs import folder, result, resume
from shared.schedules import Schedule
from shared.trace import Trace


class Run:
    """One run of a program, new or resumed.

    Attributes
    ----------
    directory : str, the run folder; empty until `begin` if --run_dir is not given.
    result : dict, the contents of result.json.
    start : resume.Start, how the run starts and from which checkpoint.
    log_dir : str, the folder of the summaries, from `begin` on; None with --nolog.
    signals : console.Signals, a context manager; in it, `stop_if_asked` ends the run on a signal.
    """

    def __init__(self, script: str, style: str, flags: FlagValues, data: Dataset):
        """Reads the run in --run_dir, if there is one; changes no file.

        Parameters
        ----------
        script, style : str, as in tf1_style/mnist_deep.py.
        flags : the parsed flags.
        data : shared.datasets.Dataset

        Raises
        ------
        UserError : flags, data and the run in --run_dir do not fit together.
        """
        self._flags = flags
        self.directory = flags.run_dir
        self.signals = Signals()
        self.log_dir = self._lock = None
        self._command = list(sys.argv)
        if os.path.isdir(self.directory):
            self._lock = folder.FolderLock(self.directory)
        try:
            self._reuse_step_limits()
            count_steps(flags, len(data.train))
            _check_data(flags, data)
            self.result = {
                "script": script,
                "style": style,
                "status": result.RUNNING,
                "step": 0,
                "threads": flags.threads or machine.cores(),
                "flags": {name: flags[name].value for name in NUMBERS if name in flags},
            }
            if "replicas" in flags and (flags.replicas or 1) > 1:
                self.result["flags"]["replicas"] = flags.replicas  # of the process or the cluster
                if flags.sync_batch_norm:
                    self.result["flags"]["sync_batch_norm"] = True
            if "validation_size" in flags:
                self.result["flags"]["validation_size"] = len(data.validation)
            folder.refuse_other(self.directory)
            self._check_outputs()
            self.start = resume.find_start(flags, self.result)
            if self.start.kind == resume.COMPLETE:
                self.result = self.start.before
                self._check_trace_is_there()
        except BaseException:
            self.release()
            raise

    def _reuse_step_limits(self) -> None:
        """Reuses the step limits of the run to resume, unless the command line gives any.

        They are added to the recorded command, so that the next resume finds them again.
        """
        flags = self._flags
        if flags.restart or any(flags[name].present for name in ("max_steps", "epochs")):
            return
        if self.directory and result.exists_in(self.directory):
            for name, value in resume.step_limits(self.directory).items():
                flags[name].value = value
                flags[name].present += 1
                self._command.append(f"--{name}={value}")

    def _check_trace_is_there(self) -> None:
        """Refuses --trace_file for a complete run that did not write that file."""
        asked, written = self._flags.trace_file, self.result.get("trace_file")
        if asked and not (
            written
            and os.path.exists(asked)
            and os.path.realpath(os.path.join(self.directory, written)) == os.path.realpath(asked)
        ):
            raise UserError(
                f"--trace_file: the run in {self.directory} is complete, no step is left to "
                "record; begin a new run with --restart, or name another --run_dir"
            )

    def release(self) -> None:
        """Unlocks the run folder. It is also unlocked when this process ends."""
        if self._lock:
            self._lock.release()
            self._lock = None

    def _check_outputs(self) -> None:
        """Refuses output paths at which the run would replace anything but its own outputs."""
        outputs.check_flags(self._flags)
        export_dir = self._flags.export_dir
        if not export_dir:
            return
        directory = os.path.realpath(self.directory or self._free_directory("runs"))
        log_dir = self._flags.log_dir
        own = [directory, os.path.realpath(self._free_directory(log_dir) if log_dir else directory)]
        names = ("activations", "best", "checkpoints", "projector")
        own += [os.path.join(directory, name) for name in names]
        inside = os.path.realpath(export_dir) + os.sep
        if any((path + os.sep).startswith(inside) for path in own) or inside.startswith(
            tuple(path + os.sep for path in own[2:])
        ):
            raise UserError(
                f"--export_dir={export_dir}: the run itself is there; name another folder, "
                f"such as {os.path.join(self.directory or 'runs', 'export')}"
            )
        outputs.check_export(export_dir)

    def _free_directory(self, root: str) -> str:
        return folder.free_directory(root, self.result["style"], self.result["script"])

    def checkpoints(self, name: str = "checkpoints") -> str:
        """Returns the folder of the style's checkpoints, such as checkpoints/tf1 or best/tf1."""
        return os.path.join(self.directory, name, self.result["style"].split("_")[0])

    def begin(self, step: int, device: str, **versions: str) -> None:
        """Creates the run folder; with --restart, removes the earlier run from it.

        Parameters
        ----------
        step : the step of the restored checkpoint; 0 without one.
        device : the name of the device.
        versions : versions of the packages that the numbers depend on.
        """
        resume.check_step(step, self.start.checkpoint, self._flags.max_steps)
        try:
            self._make_folder()
        except OSError as error:
            raise UserError(
                f"{error.filename}: {error.strerror or error}; expected a folder that can be made "
                "and written, name another with --run_dir, --log_dir, --trace_file or --export_dir"
            )
        self.result.update(
            device=device,
            versions=dict(versions, numpy=np.__version__, python=platform.python_version()),
            onednn=os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
            command=self._command,
            restored=self.start.checkpoint,
            started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        )
        self.save(step=step)
        if self.start.checkpoint:
            self._print_start(step)

    def _make_folder(self) -> None:
        flags = self._flags
        parents = [os.path.dirname(path) for path in (flags.trace_file, flags.export_dir)]
        for parent in filter(None, [flags.log and flags.log_dir, *parents]):
            os.makedirs(parent, exist_ok=True)
        if not self.directory:
            self.directory = folder.new_directory(
                "runs", self.result["style"], self.result["script"]
            )
        os.makedirs(self.directory, exist_ok=True)
        if not self._lock:
            self._lock = folder.FolderLock(self.directory)
        names = (result.NAME, "evaluation.npz", history.NAME, "pictures.png")
        own = [os.path.join(self.directory, name) for name in names]
        for path in filter(None, [*own, flags.trace_file, flags.export_dir]):
            repair.remove_temporaries(path)
        if self.start.kind in (resume.NEW, resume.RESTORED):  # the files belong to another run
            for path in folder.contents(self.directory):
                repair.remove(path)
            if result.exists_in(self.directory):  # or a failed start leaves it "complete"
                os.unlink(result.path_in(self.directory))
        self.log_dir = self._make_log_dir()

    def _make_log_dir(self) -> str | None:
        """Creates and returns the folder of the summaries: the run folder, or one in --log_dir.

        A resumed run keeps its folder. `result` records the folder only if it is in --log_dir.
        """
        before = None
        if self.start.kind != resume.RESTORED and self.start.before:
            before = self.start.before.get("log_dir")
        self.result["log_dir"] = before
        if not self._flags.log:
            return None
        root = self._flags.log_dir
        if root and not (before or "").startswith(os.path.realpath(root) + os.sep):
            before = folder.new_directory(root, self.result["style"], self.result["script"])
            self.result["log_dir"] = before = os.path.realpath(before)
        os.makedirs(before or self.directory, exist_ok=True)
        return before or self.directory

    def _print_start(self, step: int) -> None:
        is_own = self.start.kind == resume.RESUMED
        where = f"in {self.directory}" if is_own else f"of {self.start.checkpoint}"
        print(f"resumed from step {step} {where}", flush=True)
        before = self.start.before
        if not before:
            return
        differing = resume.differing_flags(before, self.result)
        if self.result["threads"] != before["threads"]:
            differing.append(f"--threads {before['threads']}, not {self.result['threads']}")
        if differing:
            print(
                f"that run had {'; '.join(differing)}: the numbers will differ from those of an "
                "uninterrupted run",
                flush=True,
            )

    def trace(self, first_step: int) -> Trace:
        """Returns the Trace that --trace_file and the other --trace flags describe."""
        flags = self._flags
        values_at = flags.trace_values_at
        recorder = Trace(
            flags.trace_file,
            flags.trace_every,
            None if values_at is None else map(int, values_at),
            first_step,
            flags.max_steps,
        )
        # The path is relative to the run folder, because that folder may be moved.
        self.result["trace_file"] = recorder.path and os.path.relpath(recorder.path, self.directory)
        return recorder

    def schedule(self, data: Dataset, metrics: Iterable[str], first_step: int) -> Schedule:
        """Returns the Schedule, which decides the learning rate and what happens after an epoch."""
        held_out = "validation" if data.validation else "test"
        path = history.path_in(self.directory)
        return Schedule(self._flags, len(data.train), held_out, metrics, path, first_step)

    def save_activations(self, epoch: int, batch: dict, activations: dict) -> None:
        """Writes the activations of each layer for one image to activations/epoch-0001.npz.

        Parameters
        ----------
        batch : a batch of one example.
        activations : by the names of the layers, [1, units] or [1, h, w, channels].
        """
        directory = os.path.join(self.directory, "activations")
        path = os.path.join(directory, f"epoch-{epoch:04d}.npz")
        with files.writing(path):
            os.makedirs(directory, exist_ok=True)
            repair.remove_temporaries(path)
            with files.replacing(path) as file:
                np.savez(file, image=batch["images"][0], **activations)

    def check_loss(self, step: int, loss: float) -> None:
        """Ends the run with exit 3 if the loss at `step` is not a finite number."""
        if not math.isfinite(loss):
            self.save(status=result.DIVERGED)
            saved = self.result["step"]
            last = f"the last checkpoint is of step {saved}" if saved else "no checkpoint is saved"
            raise StopRun(
                f"the loss is {loss:g} at step {step}; try a --learning_rate below "
                f"{self._flags.learning_rate:g} ({last})",
                exit_code=3,
            )

    def stop_if_asked(self) -> None:
        """Ends the run with exit code 128 + N if signal N was received. Save the state before."""
        number = self.signals.received
        if number:
            self.save(status=result.STOPPED)
            raise StopRun(
                f"stopped by {signal.Signals(number).name} after step {self.result['step']}; "
                f"--run_dir={self.directory} resumes it",
                exit_code=128 + number,
            )

    def finish(
        self,
        steps: int,
        seconds: float,
        test: dict[str, float],
        validation: dict[str, float] | None,
    ) -> None:
        """Writes the results of a run that has done all its steps and written all its files.

        Parameters
        ----------
        steps, seconds : how many steps this process trained, and how long they took.
        test, validation : figures by name, such as loss and accuracy; validation may be None.
        """
        self.save(
            status=result.COMPLETE,
            **{f"test_{name}": figure for name, figure in test.items()},
            **{f"validation_{name}": validation and validation[name] for name in test},
            train_seconds=round(seconds, 3),
            steps_per_second=round(steps / seconds, 2) if steps else None,
            stopped_early=self.result["step"] < self._flags.max_steps,
        )

    def save(self, **changes: object) -> None:
        """Adds `changes` to the result, and writes result.json."""
        self.result.update(changes, peak_memory_mib=round(machine.peak_memory_mib(), 1))
        result.write(self.directory, self.result)


def _check_data(flags: FlagValues, data: Dataset) -> None:
    """Raises UserError if the dataset has too few examples for the flags."""
    for name in ("keep_best", "early_stopping", "reduce_on_plateau"):
        if flags[name].value and not data.validation:
            raise UserError(
                f"--{name} needs the validation loss, and --validation_size=0 leaves no "
                "validation examples; use a larger --validation_size"
            )
    if flags.batch_size > len(data.train):
        raise UserError(
            f"--batch_size={flags.batch_size}: expected at most {len(data.train)}, the "
            f"training examples of {data.name}"
        )
