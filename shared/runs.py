"""What a run leaves: a folder with result.json, checkpoints/ and what TensorBoard shows."""

from __future__ import annotations

import fcntl
import glob
import itertools
import json
import math
import os
import platform
import signal
import sys
import time

import numpy as np
from absl.flags import FlagValues

from shared import checkpoints, files, flags, machine, trace
from shared.console import Signals, StopRun, UserError
from shared.datasets import Dataset
from shared.schedules import Schedule
from shared.trace import Trace

# What lies in a run's folder besides result.json; summaries have their file names from TensorFlow.
CONTENTS = (
    "activations",
    "best",
    "checkpoints",
    "evaluation.npz",
    "events.out.tfevents.*",
    "history.csv",
    "projector",
    "projector_config.pbtxt",
)

RUNNING, COMPLETE, STOPPED, DIVERGED = "running", "complete", "stopped", "diverged"


class Run:
    """One run of a script, new or gone on with.

    Attributes
    ----------
    directory : str, the run's folder; empty until `begin` where --run_dir names none.
    result : dict, what result.json holds.
    is_complete : bool, whether an earlier run in --run_dir has done all that is asked for.
    checkpoint : str, the checkpoint to go on from, of either style; None to begin afresh.
    is_restored : bool, whether that is --restore's, which lies outside the run.
    log_dir : str, the folder of the summaries, from `begin` on; None where --nolog asks for none.
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
        flags.count_steps(values, len(data.train))
        for name in ("keep_best", "early_stopping", "reduce_on_plateau"):
            if values[name].value and not data.validation:
                raise UserError(
                    f"--{name} goes by the validation loss, and --validation_size=0 leaves no "
                    "validation examples; hold some out"
                )
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
        self._before = self._lock = self.checkpoint = self.log_dir = None
        self.is_complete = self.is_restored = False
        if os.path.isdir(self.directory):
            self._take_lock()
        try:
            self._look()
        except BaseException:
            self.release()
            raise

    def _look(self) -> None:
        """Finds out what is there, what of it fits, and where to go on from."""
        values = self._values
        self._refuse_other_folders()
        self._check_outputs()
        self._before = before = None if values.restart else self._read(self.directory)
        if before:
            self._check_same(before)
            self.checkpoint = checkpoints.newest(self.directory)
            if before["step"] and not self.checkpoint and not values.restore:
                raise UserError(
                    f"no checkpoint in {self.directory}, expected that of step {before['step']}; "
                    "--restart begins afresh"
                )
            if before["status"] == COMPLETE and (
                before["step"] == values.max_steps or before.get("stopped_early")
            ):
                self.is_complete = True
                if before.get("best_step") is not None:
                    self.checkpoint = checkpoints.best(self.directory, before["best_step"])
                self.result = before
                if values.trace_file:
                    raise UserError(
                        f"--trace_file: the run in {self.directory} is complete, no step is left "
                        "to trace; --restart it, or name another --run_dir"
                    )
        if values.restore and not self.checkpoint:
            self.is_restored = True
            self.checkpoint = checkpoints.find(values.restore)
            self._before = self._read_beside(self.checkpoint)

    def _take_lock(self) -> None:
        """Keeps other processes out of the folder until this one ends, however it ends.

        The lock is on the folder itself, so that no file is left over.
        """
        self._lock = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another process is at work in {self.directory}; wait for its end, or name "
                "another --run_dir"
            )
        except OSError:  # a file system that has no locks, such as some of a network's
            pass

    def release(self) -> None:
        """Lets other processes into the folder, as the end of this one does."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _refuse_other_folders(self) -> None:
        if self._is_run():
            return
        for path in self._contents():
            raise UserError(
                f"{self.directory} has {os.path.basename(path)}, but no result.json, so it is not "
                "that of a run; name another --run_dir"
            )

    def _check_outputs(self) -> None:
        """Refuses to write over what is not a run's, before anything is trained."""
        path = self._values.trace_file
        if os.path.isdir(path):
            raise UserError(
                f"--trace_file={path}: a folder, expected the path of a file, such as trace.npz in "
                "it"
            )
        if path and os.path.exists(path):
            trace.load(path)
        folder = self._values.export_dir
        if not folder:
            return
        directory = os.path.realpath(self.directory or self._free("runs"))
        log_dir = self._values.log_dir
        own = [directory, os.path.realpath(self._free(log_dir) if log_dir else directory)]
        folders = ("activations", "best", "checkpoints", "projector")
        own += [os.path.join(directory, name) for name in folders]
        inside = os.path.realpath(folder) + os.sep
        if any((path + os.sep).startswith(inside) for path in own) or inside.startswith(
            tuple(path + os.sep for path in own[2:])
        ):
            raise UserError(
                f"--export_dir={folder}: there lies the run itself; name a folder of its own, such "
                f"as {os.path.join(self.directory or 'runs', 'export')}"
            )
        if not os.path.lexists(folder) or os.path.exists(os.path.join(folder, "saved_model.pb")):
            return
        if not os.path.isdir(folder) or os.listdir(folder):
            raise UserError(
                f"--export_dir={folder}: something else is there, expected nothing or a "
                "SavedModel, which is replaced; name another folder"
            )

    def _contents(self) -> list[str]:
        folder = glob.escape(self.directory)
        return [path for name in CONTENTS for path in glob.glob(os.path.join(folder, name))]

    def _free(self, root: str) -> str:
        return free_directory(root, self.result["style"], self.result["script"])

    def _is_run(self) -> bool:
        return os.path.lexists(os.path.join(self.directory, "result.json"))

    def _read(self, directory: str) -> dict | None:
        """Returns the result.json of a run, or None where there is none."""
        path = os.path.join(directory, "result.json")
        if not directory or not os.path.lexists(path):
            return None
        try:
            with open(path) as file:
                before = json.load(file)
        except (OSError, ValueError, RecursionError):
            before = None
        if not self._is_result(before):
            raise UserError(f"{path}: not the result of a run; --restart begins afresh over it")
        return before

    def _read_beside(self, checkpoint: str) -> dict | None:
        """Returns the result.json of the run that a checkpoint is of, if it is of one."""
        folder = os.path.join(os.path.dirname(checkpoint), os.pardir, os.pardir)
        try:
            return self._read(os.path.normpath(folder))
        except UserError:
            return None

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
        differing = self._differing(before)
        if before["script"] != self.result["script"]:
            differing.insert(0, f"script {before['script']}, not {self.result['script']}")
        if differing:
            raise UserError(
                f"the run in {self.directory} has {'; '.join(differing)}; give it the same, "
                "--restart it, or name another --run_dir"
            )
        self._check_step(before["step"], self.directory)

    def _differing(self, before: dict) -> list[str]:
        """Lists the flags that the numbers depend on and that a run before had otherwise."""
        pairs = [
            (name, before["flags"].get(name), value) for name, value in self.result["flags"].items()
        ]
        return [f"--{name} {was}, not {now}" for name, was, now in pairs if was != now]

    def _check_step(self, step: int, source: str) -> None:
        if step < 0:
            raise UserError(f"{source} is at step {step}, expected one of at least 0; take another")
        if step > self._values.max_steps:
            raise UserError(
                f"{source} is at step {step}, past --max_steps={self._values.max_steps}; ask for "
                "more steps, or begin afresh"
            )

    def checkpoints(self, folder: str = "checkpoints") -> str:
        """Returns the folder of the style's checkpoints, such as checkpoints/tf1 or best/tf1."""
        return os.path.join(self.directory, folder, self.result["style"].split("_")[0])

    def begin(self, step: int, device: str, **versions: str) -> None:
        """Makes the run's folder, empty of an earlier run where --restart asks for it.

        Parameters
        ----------
        step : that of the checkpoint that has been restored; 0 if there is none.
        device : what it runs on.
        versions : of the packages that its numbers depend on.
        """
        self._check_step(step, self.checkpoint)
        if self.is_complete:
            return
        try:
            self._make_directory()
        except OSError as error:
            raise UserError(
                f"{error.filename}: {error.strerror or error}; expected a folder that can be made "
                "and written, name another with --run_dir, --log_dir, --trace_file or --export_dir"
            )
        self.result.update(
            device=device,
            versions=dict(versions, numpy=np.__version__, python=platform.python_version()),
            onednn=os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
            command=sys.argv,
            restored=self.checkpoint,
            started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        )
        self.save(step=step)
        if self.checkpoint:
            self._say_where_from(step)

    def _make_directory(self) -> None:
        values = self._values
        parents = [os.path.dirname(path) for path in (values.trace_file, values.export_dir)]
        for folder in filter(None, [values.log and values.log_dir, *parents]):
            os.makedirs(folder, exist_ok=True)
        if not self.directory:
            self.directory = new_directory("runs", self.result["style"], self.result["script"])
        os.makedirs(self.directory, exist_ok=True)
        if self._lock is None:
            self._take_lock()
        result = os.path.join(self.directory, "result.json")
        evaluated = os.path.join(self.directory, "evaluation.npz")
        history = os.path.join(self.directory, "history.csv")
        own = [result, evaluated, history]
        for path in filter(None, [*own, values.trace_file, values.export_dir]):
            files.remove_temporaries(path)
        if self.is_restored or not self.checkpoint:  # what is there is of another beginning
            for path in self._contents():
                files.remove(path)
            if self._is_run():  # or a start that fails would leave it as complete
                os.unlink(result)
        self.log_dir = self._find_log_dir()

    def _find_log_dir(self) -> str | None:
        """Makes and returns the folder of the summaries: the run's own, or one in --log_dir.

        A run that goes on writes where it has written; `result` knows of a folder outside the run.
        """
        before = None if self.is_restored or not self._before else self._before.get("log_dir")
        self.result["log_dir"] = before
        if not self._values.log:
            return None
        root = self._values.log_dir
        if root and not (before or "").startswith(os.path.realpath(root) + os.sep):
            before = new_directory(root, self.result["style"], self.result["script"])
            self.result["log_dir"] = before = os.path.realpath(before)
        os.makedirs(before or self.directory, exist_ok=True)
        return before or self.directory

    def _say_where_from(self, step: int) -> None:
        own = os.path.abspath(self.checkpoint).startswith(os.path.abspath(self.directory) + os.sep)
        where = f"in {self.directory}" if own else f"of {self.checkpoint}"
        print(f"going on from step {step} {where}", flush=True)
        before = self._before
        if not before:
            return
        differing = self._differing(before)
        if self.result["threads"] != before["threads"]:
            differing.append(f"--threads {before['threads']}, not {self.result['threads']}")
        if differing:
            print(
                f"that run had {'; '.join(differing)}: the numbers will differ from those of an "
                "unbroken run",
                flush=True,
            )

    def trace(self, first_step: int) -> Trace:
        """Returns the recording of this run, as --trace_file and its like ask for it."""
        values = self._values
        values_at = values.trace_values_at
        recorder = Trace(
            values.trace_file,
            values.trace_every,
            None if values_at is None else map(int, values_at),
            first_step,
            values.max_steps,
        )
        # From the run's folder, which may be moved.
        self.result["trace_file"] = recorder.path and os.path.relpath(recorder.path, self.directory)
        return recorder

    def schedule(self, data: Dataset, first_step: int) -> Schedule:
        """Returns what decides after each epoch, with what is known of those before."""
        held_out = "validation" if data.validation else "test"
        path = os.path.join(self.directory, "history.csv")
        return Schedule(self._values, len(data.train), held_out, path, first_step)

    def save_activations(self, epoch: int, image: np.ndarray, arrays: dict) -> None:
        """Writes what each layer puts out for an image [784] to activations/epoch-0001.npz.

        Parameters
        ----------
        arrays : by the names of the layers, [1, units] or [1, h, w, channels].
        """
        folder = os.path.join(self.directory, "activations")
        path = os.path.join(folder, f"epoch-{epoch:04d}.npz")
        with files.writing(path):
            os.makedirs(folder, exist_ok=True)
            files.remove_temporaries(path)
            with files.replacing(path) as file:
                np.savez(file, image=image, **arrays)

    def check_loss(self, step: int, loss: float) -> None:
        """Ends the run, exit 3, if the loss at `step` is not a finite number."""
        if not math.isfinite(loss):
            self.save(status=DIVERGED)
            step_saved = self.result["step"]
            saved = (
                f"the last checkpoint is of step {step_saved}" if step_saved else "none is saved"
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
        """Writes the results of a run that has done all its steps.

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
            stopped_early=self.result["step"] < self._values.max_steps,
        )

    def save(self, **changes: object) -> None:
        """Writes result.json, after some changes to it."""
        self.result.update(changes, peak_memory_mib=round(machine.peak_memory_mib(), 1))
        path = os.path.join(self.directory, "result.json")
        with files.writing(path):
            files.write_json(path, self.result)


def trained(values: FlagValues) -> str:
    """Returns the checkpoint that --predict goes by: the best of a run that keeps it, or the last.

    Where it is a run's, the flags that its model depends on are set to those of the run.

    Raises
    ------
    UserError : --run_dir and --restore name none.
    """
    path = values.restore or values.run_dir
    if not path:
        raise UserError(
            "--predict without a trained model; name the folder of its run by --run_dir, or a "
            "checkpoint by --restore"
        )
    checkpoint = checkpoints.find(path)
    run_dir = os.path.normpath(os.path.join(os.path.dirname(checkpoint), os.pardir, os.pardir))
    try:
        with open(os.path.join(run_dir, "result.json")) as file:
            result = json.load(file)
        before, best_step = result["flags"], result.get("best_step")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return checkpoint
    for name in ("optimizer", *flags.MODEL):
        if name in values and name in before:
            values[name].value = before[name]
    is_run = os.path.isdir(path) and os.path.samefile(path, run_dir)
    return checkpoints.best(run_dir, best_step) if is_run and best_step is not None else checkpoint


def free_directory(root: str, style: str, script: str) -> str:
    """Returns ROOT/STYLE/SCRIPT, with a number behind it if that is taken."""
    base = os.path.join(root, style, script)
    names = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
    return next(name for name in names if not os.path.lexists(name))


def new_directory(root: str, style: str, script: str) -> str:
    """Makes and returns a folder of that name."""
    while True:
        directory = free_directory(root, style, script)
        try:
            os.makedirs(directory)
            return directory
        except FileExistsError:  # another process was faster
            pass
