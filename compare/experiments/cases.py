"""The cases of an experiment: their command lines, their run folders, their results.

A case is one setting of a program's flags. It has one run for each style and seed, a shell command
with the run folder DIRECTORY/STYLE/TITLE-seedN. The same command resumes an interrupted experiment:
complete runs are not repeated, and an incomplete run resumes from its newest checkpoint.
"""

import argparse
import functools
import itertools
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from rich.console import Console

from compare import options, reading, runner
from shared import datasets
from shared.console import StopRun, UserError

SHARED_FLAGS = ("dataset", "data_dir", "epochs", "threads", "device")
QUICK = {"dataset": "digits", "epochs": 3, "batch_size": 32, "hidden": "64,32"}
SAME = "bit-identical"


@dataclass(frozen=True)
class Case:
    """One setting of a program.

    Attributes
    ----------
    title : the name of the case in tables and folders.
    flags : the program's flags, without those that differ from run to run.
    source : the accuracy that the experiment's source reports; None if it reports none.
    """

    title: str
    flags: dict[str, object]
    source: float | None = None
    script: str = "mnist_mlp"


@dataclass(frozen=True)
class CaseRun:
    """One run of a case and its results; a failed run has neither result nor evaluation.

    Attributes
    ----------
    exit_code : 0 if it succeeded; 3 if the loss was not finite; another number for another failure.
    fault : how it failed, in one line; empty if it succeeded.
    result : the contents of result.json.
    evaluation : the arrays of evaluation.npz, see `shared.evaluation.save`.
    twin : the comparison with the same run in the first style; empty if there is no such run.
    """

    case: Case
    style: str
    seed: int
    directory: str
    exit_code: int = 0
    fault: str = ""
    result: dict = field(default_factory=dict)
    evaluation: dict[str, np.ndarray] = field(default_factory=dict)
    twin: str = ""

    @property
    def minutes(self) -> float | None:
        """The time of all steps at the run's speed; None if unknown.

        A resumed run trains only some of the steps, so its own time would be too short.
        """
        pace = self.result["steps_per_second"]
        return self.result["step"] / pace / 60 if pace else None

    @property
    def history(self) -> np.ndarray:
        """The rows of history.csv, one an epoch; see `reading.history`."""
        return reading.history(self.directory)


def add_arguments(parser: argparse.ArgumentParser, output_dir: str, seeds: str = "0") -> None:
    """Defines the options of all experiments.

    Parameters
    ----------
    output_dir : the default of --output_dir, as --help shows it.
    seeds : the default of --seeds.
    """
    parser.add_argument(
        "--style",
        choices=runner.STYLES_OF,
        default="tf2",
        help="default: %(default)s",
    )
    parser.add_argument(
        "--seeds",
        type=parse_seeds,
        default=seeds,
        metavar="N,N-N",
        help="seeds, such as 0-4 or 0,2,7 (default: %(default)s)",
    )
    parser.add_argument("--dataset", choices=datasets.NAMES, help="default: the experiment's own")
    parser.add_argument(
        "--epochs", type=options.at_least(1), metavar="N", help="default: the experiment's own"
    )
    parser.add_argument(
        "--quick", action="store_true", help="try the command with short runs on the digits"
    )
    for name in ("data_dir", "threads", "device"):
        parser.add_argument(f"--{name}", help="passed to the programs; see their --help")
    parser.add_argument(
        "--output_dir",
        metavar="DIR",
        help=f"folder for the runs, tables and pictures (default: {output_dir})",
    )


def parse_seeds(text: str) -> list[int]:
    """Returns the seeds that a text such as 0,3-5 lists, without repetitions."""
    wrong = argparse.ArgumentTypeError(
        f"got {text!r}, expected seeds below 2**31, such as 0-4 or 0,2,7"
    )
    seeds = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part, re.ASCII)
        if not match:
            raise wrong
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < min(2**31, first + 1000):
            raise wrong
        seeds += range(first, last + 1)
    return list(dict.fromkeys(seeds))


def override(case: Case, arguments: argparse.Namespace) -> Case:
    """Returns a case with the flags that the command line sets for all cases.

    If a flag changes, the source's figure does not apply any more, so this removes it.
    """
    given = {name: getattr(arguments, name) for name in SHARED_FLAGS}
    quick = {name: QUICK[name] for name in QUICK if name in (*SHARED_FLAGS, *case.flags)}
    flags = {
        **case.flags,
        **(quick if arguments.quick else {}),
        **{name: value for name, value in given.items() if value is not None},
    }
    is_as_in_source = all(flags[name] == value for name, value in case.flags.items())
    return replace(case, flags=flags, source=case.source if is_as_in_source else None)


def folder_name(case: Case) -> str:
    """Returns the title as a name that is valid on every file system."""
    return re.sub(r"[^\w.]+", "-", case.title)


def run(
    case: Case,
    style: str,
    seed: int,
    directory: str,
    follow: runner.Follow = lambda unit, number: None,
) -> CaseRun:
    """Runs a case once, unless a complete run is there already.

    Parameters
    ----------
    style : tf1_style or tf2_style.
    directory : the experiment's folder, which contains the run folders.
    follow : as in `runner.run`.

    Raises
    ------
    UserError : the program refuses its flags, its data or the folder; a retry would not help.
    """
    folder = os.path.join(directory, style, f"{folder_name(case)}-seed{seed}")
    flags = {**case.flags, "seed": seed, "run_dir": folder}
    command = [str(runner.ROOT / style / f"{case.script}.py"), "--nolog"]
    command += [f"--{name}={value}" for name, value in flags.items()]
    if not _is_complete(folder, command):
        outcome = runner.run([sys.executable, *command], None, follow)
        if outcome.exit_code == 2:
            raise UserError(f"{case.title}, seed {seed}, {style}: {outcome.error}")
        if outcome.exit_code:
            fault = f"exit {outcome.exit_code}: {outcome.error}"
            return CaseRun(case, style, seed, folder, outcome.exit_code, fault)
    found = reading.read(folder)
    return CaseRun(case, style, seed, folder, result=found.result, evaluation=found.evaluation)


def _is_complete(folder: str, command: list[str]) -> bool:
    """Says whether a folder contains a complete run of exactly this command."""
    try:
        result = reading.read(folder).result
    except UserError:  # the program itself reports what is wrong with the folder
        return False
    return result["command"][1:] == command[1:]


def run_all(
    cases: list[Case], arguments: argparse.Namespace, directory: str, console: Console
) -> list[CaseRun]:
    """Runs all cases with all seeds and styles of the command line.

    Raises
    ------
    UserError : as in `run`, or a dataset is missing.
    StopRun : Ctrl-C.
    """
    for case in cases:  # fails now, not after hours, if the dataset is missing
        training_examples(case.flags["dataset"], case.flags.get("data_dir", ""))
    wanted = list(itertools.product(cases, arguments.seeds, runner.STYLES_OF[arguments.style]))
    runs = []
    try:
        for number, (case, seed, style) in enumerate(wanted, 1):
            count = f"{number} of {len(wanted)}: " if len(wanted) > 1 else ""
            title = f"{count}{case.title}, seed {seed}, {style}"
            with runner.progress(console, title, **totals(case)) as follow:
                found = run(case, style, seed, directory, follow)
            if style != wanted[0][-1]:
                found = replace(found, twin=_compare_with(runs[-1], found))
            runs.append(found)
            result = found.fault or f"test accuracy {found.result['test_accuracy']:g}"
            console.print(f"{title}: {result}", soft_wrap=True)
    except KeyboardInterrupt:
        raise StopRun("stopped by SIGINT; run the same command again to resume", 130)
    return runs


def totals(case: Case) -> dict[str, int | None]:
    """Returns the total `steps` and `epochs` of a run, if they are known.

    If the case's flags do not set them, the program's defaults are used.
    """
    flags = case.flags
    if not {"batch_size", "epochs"} <= set(flags):
        own = runner.defaults(runner.STYLES[-1], case.script)
        if {"max_steps", "epochs"} & set(flags):  # each disables the default of the other
            own = {name: own[name] for name in own if name not in ("max_steps", "epochs")}
        flags = {**own, **flags}
    max_steps, epochs, batch_size = (
        _number(flags.get(name)) for name in ("max_steps", "epochs", "batch_size")
    )
    steps = [max_steps] if max_steps else []
    if epochs and batch_size:
        data = datasets.load(
            flags["dataset"], flags.get("data_dir", ""), _number(flags.get("validation_size"))
        )
        steps.append(epochs * -(-len(data.train) // batch_size))
    return {"steps": min(steps, default=None), "epochs": epochs}


def _number(flag: object) -> int | None:
    text = str(flag)
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else None


@functools.lru_cache
def training_examples(dataset: str, data_dir: str = "") -> int:
    """Returns the number of training and validation examples; downloads a missing dataset."""
    data = datasets.load(dataset, data_dir)
    return len(data.train) + len(data.validation)


def _compare_with(first: CaseRun, second: CaseRun) -> str:
    """Says how the test logits of both styles compare; empty if both runs failed."""
    if first.fault or second.fault:
        return "" if first.fault and second.fault else f"{first.style} ended differently"
    one, other = first.evaluation["logits"], second.evaluation["logits"]
    if one.tobytes() == other.tobytes():
        return SAME
    return f"logits differ by up to {np.abs(one - other).max():.2g} from {first.style}"


def groups(
    runs: list[CaseRun], name: Callable[[CaseRun], object] = lambda run: run.case.title
) -> list[list[CaseRun]]:
    """Groups runs by name and style; each group is a row of a table."""
    found = {}
    for run in runs:
        found.setdefault((name(run), run.style), []).append(run)
    return list(found.values())


def mean_minutes(runs: list[CaseRun]) -> float | None:
    """Returns the mean training time; None if unknown."""
    known = [run.minutes for run in runs if run.minutes]
    return sum(known) / len(known) if known else None


def points_from(source: float | None, accuracies: list[float]) -> str:
    """Returns by how many percentage points the mean differs from the source; empty if unknown."""
    return f"{100 * (np.mean(accuracies) - source):+.2f}" if source and accuracies else ""


def device(runs: list[CaseRun]) -> str:
    """Returns the device or devices of the runs."""
    return ", ".join(dict.fromkeys(run.result["device"] for run in runs if not run.fault))


def note(runs: list[CaseRun]) -> str:
    """Returns the faults of runs and the comparisons of styles, without repetitions."""
    return "; ".join(dict.fromkeys(filter(None, (run.fault or run.twin for run in runs))))


def differ(runs: list[CaseRun]) -> bool:
    """Says whether any run differs from its twin."""
    return any(run.twin not in ("", SAME) for run in runs)


def exit_code(runs: list[CaseRun]) -> int:
    """Returns 1 if a run failed or the styles differ, else 0."""
    return int(differ(runs) or any(run.fault for run in runs))
