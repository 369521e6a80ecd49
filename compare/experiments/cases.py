"""Cases of an experiment: their command lines, the folders of their runs, what these leave.

A case is one setting of a script's flags. Each of its runs, one for a style and a seed, is a shell
command with a folder of its own, DIRECTORY/STYLE/TITLE-seedN. So an experiment that was stopped
goes on by the same command: a run that is complete there is not run again, and one that was cut
short goes on from its newest checkpoint.
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

from compare import runner
from compare.report import reading
from shared import datasets
from shared.console import StopRun, UserError

STYLES = {"tf1": runner.STYLES[:1], "tf2": runner.STYLES[1:], "both": runner.STYLES}
HANDED_ON = ("dataset", "data_dir", "epochs", "threads", "device")
QUICK = {"dataset": "digits", "epochs": 3, "batch_size": 32, "hidden": "64,32"}
SAME = "same bits"


@dataclass(frozen=True)
class Case:
    """One setting of a script, which `title` names in tables and in the names of folders."""

    title: str
    flags: dict[str, object]
    source: float | None = None  # the accuracy that the experiment's source reports
    script: str = "mnist_mlp"


@dataclass(frozen=True)
class Run:
    """What came of one run of a case; of one that failed there is neither result nor evaluation.

    Attributes
    ----------
    exit_code : 0, 3 if the loss was not finite, another if it failed otherwise.
    fault : how it failed, in one line; empty if it did not.
    result : what result.json holds.
    evaluation : what evaluation.npz holds, see `shared.evaluation.save`.
    twin : whether it left what the same run in the first style did; empty if that did not run.
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
        """The time that all its steps take at its pace; the last start may have made a few only."""
        pace = self.result["steps_per_second"]
        return self.result["step"] / pace / 60 if pace else None

    @property
    def history(self) -> np.ndarray:
        """The rows of history.csv, one an epoch, with a field for each column.

        Raises
        ------
        UserError : the file is missing or damaged.
        """
        path = os.path.join(self.directory, "history.csv")
        try:
            rows = np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True))
            if len(rows) and not np.isnan(rows["epoch"]).any():
                return rows
        except (OSError, ValueError, IndexError, TypeError):
            pass
        raise UserError(f"{path}: expected a row for each epoch; remove {self.directory}")


def add_arguments(parser: argparse.ArgumentParser, output: str, seeds: str = "0") -> None:
    """Defines the options that all experiments share.

    Parameters
    ----------
    output : what --help says of the default of --output.
    seeds : the default of --seeds.
    """
    parser.add_argument(
        "--style", choices=STYLES, default="tf2", help="which twin runs (default: %(default)s)"
    )
    parser.add_argument(
        "--seeds",
        type=parse_seeds,
        default=seeds,
        metavar="N,N-N",
        help="such as 0-4 or 0,2,7 (default: %(default)s)",
    )
    parser.add_argument("--dataset", choices=datasets.NAMES, help="default: the experiment's own")
    parser.add_argument(
        "--epochs", type=at_least(1), metavar="N", help="default: the experiment's own"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a trial run of under a minute, on the digits"
    )
    for name in ("data_dir", "threads", "device"):
        parser.add_argument(f"--{name}", help="handed on to the scripts")
    parser.add_argument(
        "--output", metavar="DIR", help=f"folder for all that it leaves (default: {output})"
    )


def parse_seeds(text: str) -> list[int]:
    """Returns the seeds that a text such as 0,3-5 names, each once."""
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


def at_least(lowest: int, highest: int = 10**6) -> Callable[[str], int]:
    """Returns a type for argparse: an integer from `lowest` to `highest`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(
                f"got {text!r}, expected a whole number from {lowest} to {highest}"
            )
        return int(text)

    return parse


def output(arguments: argparse.Namespace, name: str) -> str:
    """Returns the experiment's folder; a quick one has its own, as its runs are others."""
    return arguments.output or os.path.join("runs", name + ("-quick" if arguments.quick else ""))


def override(case: Case, arguments: argparse.Namespace) -> Case:
    """Returns a case with the flags that the command line gives to all cases.

    A figure of its source says nothing of other flags, and is left out then.
    """
    given = {name: getattr(arguments, name) for name in HANDED_ON}
    quick = {name: QUICK[name] for name in QUICK if name in (*HANDED_ON, *case.flags)}
    flags = {
        **case.flags,
        **(quick if arguments.quick else {}),
        **{name: value for name, value in given.items() if value is not None},
    }
    is_as_in_source = all(flags[name] == value for name, value in case.flags.items())
    return replace(case, flags=flags, source=case.source if is_as_in_source else None)


def folder_name(case: Case) -> str:
    """Returns the title as a name that every file system takes."""
    return re.sub(r"[^\w.]+", "-", case.title)


def run(
    case: Case,
    style: str,
    seed: int,
    directory: str,
    on_step: Callable[[int], None] = lambda step: None,
) -> Run:
    """Brings one run of a case to its end, unless it is there already.

    Parameters
    ----------
    style : tf1_style or tf2_style.
    directory : the experiment's folder, which holds those of the runs.
    on_step : called with the number of each step that the script reports.

    Raises
    ------
    UserError : the script refuses its flags, its data or the folder: so it will the next time.
    """
    folder = os.path.join(directory, style, f"{folder_name(case)}-seed{seed}")
    flags = {**case.flags, "seed": seed, "run_dir": folder}
    command = [str(runner.ROOT / style / f"{case.script}.py"), "--nolog"]
    command += [f"--{name}={value}" for name, value in flags.items()]
    if not _is_there(folder, command):
        outcome = runner.run([sys.executable, *command], None, on_step)
        if outcome.exit_code == 2:
            raise UserError(f"{case.title}, seed {seed}, {style}: {outcome.error}")
        if outcome.exit_code:
            fault = f"exit {outcome.exit_code}: {outcome.error}"
            return Run(case, style, seed, folder, outcome.exit_code, fault)
    found = reading.read(folder)
    return Run(case, style, seed, folder, result=found.result, evaluation=found.evaluation)


def _is_there(folder: str, command: list[str]) -> bool:
    """Says whether a run is complete that this same command has made."""
    try:
        result = reading.read(folder).result
    except UserError:  # the script finds out what is there instead, and what to do about it
        return False
    return result["command"][1:] == command[1:]


def run_all(
    cases: list[Case], arguments: argparse.Namespace, directory: str, console: Console
) -> list[Run]:
    """Runs cases with every seed and in every style that the command line asks for.

    Raises
    ------
    UserError : as of `run`, or the data cannot be had.
    StopRun : Ctrl-C.
    """
    steps = {case.title: _steps(case.flags) for case in cases}  # all data is at hand from here on
    wanted = list(itertools.product(cases, arguments.seeds, STYLES[arguments.style]))
    runs = []
    try:
        for number, (case, seed, style) in enumerate(wanted, 1):
            count = f"{number} of {len(wanted)}: " if len(wanted) > 1 else ""
            title = f"{count}{case.title}, seed {seed}, {style}"
            with runner.progress(console, title, steps[case.title]) as on_step:
                found = run(case, style, seed, directory, on_step)
            if style != wanted[0][-1]:
                found = replace(found, twin=_hold_to(runs[-1], found))
            runs.append(found)
            said = found.fault or f"test accuracy {found.result['test_accuracy']:g}"
            console.print(f"{title}: {said}", soft_wrap=True)
    except KeyboardInterrupt:
        raise StopRun("stopped by SIGINT; the same command goes on from there", 130)
    return runs


def _steps(flags: dict[str, object]) -> int | None:
    """Returns how many steps a run takes, as far as its flags say it in numbers."""
    examples = training_examples(flags["dataset"], flags.get("data_dir", ""))
    sizes = [flags.get(name) for name in ("validation_size", "batch_size", "epochs")]
    if not all(isinstance(size, int) for size in sizes):
        return None
    held_out, batch_size, epochs = sizes
    return epochs * -(-(examples - held_out) // batch_size)


@functools.lru_cache
def training_examples(dataset: str, data_dir: str = "") -> int:
    """Returns how many a dataset has to train on or to hold out; it is at hand from then on."""
    data = datasets.load(dataset, data_dir)
    return len(data.train) + len(data.validation)


def _hold_to(first: Run, second: Run) -> str:
    """Says whether twins left the same logits of the test set; nothing if both failed."""
    if first.fault or second.fault:
        return "" if first.fault and second.fault else f"{first.style} ended otherwise"
    one, other = first.evaluation["logits"], second.evaluation["logits"]
    if one.tobytes() == other.tobytes():
        return SAME
    return f"logits up to {np.abs(one - other).max():.2g} from {first.style}"


def groups(
    runs: list[Run], name: Callable[[Run], object] = lambda run: run.case.title
) -> list[list[Run]]:
    """Returns the runs of each name in each style: the rows of a table."""
    found = {}
    for run in runs:
        found.setdefault((name(run), run.style), []).append(run)
    return list(found.values())


def mean_minutes(runs: list[Run]) -> float | None:
    """Returns how long a run took to train, on average."""
    known = [run.minutes for run in runs if run.minutes]
    return sum(known) / len(known) if known else None


def device(runs: list[Run]) -> str:
    """Returns what the runs ran on."""
    return ", ".join(dict.fromkeys(run.result["device"] for run in runs if not run.fault))


def note(runs: list[Run]) -> str:
    """Returns all that is to be said of some runs besides their numbers, each thing once."""
    return "; ".join(dict.fromkeys(filter(None, (run.fault or run.twin for run in runs))))


def differ(runs: list[Run]) -> bool:
    """Says whether a run did not leave what its twin did."""
    return any(run.twin not in ("", SAME) for run in runs)


def exit_code(runs: list[Run]) -> int:
    """Returns 1 if a run failed, or the styles differ, else 0."""
    return int(differ(runs) or any(run.fault for run in runs))
