"""Trains the programs in both styles and checks their test accuracies.

Each program runs as a shell command. The accuracies of both styles must be equal and within the
thresholds of the dataset. Both styles record their steps, and the records must be bit-identical;
--noparity skips this check. Prints a table of the results, and writes them to a JSON file in runs/
with a report that shows the runs side by side. Exit 1 if any verdict is not "ok".
"""

import argparse
import os
import shlex
import sys
import time
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from compare import report, runner
from compare.parity import first_difference
from compare.parity import of_runs as parity_of_runs
from compare.thresholds import FULL, QUICK, Threshold
from shared import datasets, files, outputs, runs
from shared.console import UserError

SCRIPTS = ("mnist_softmax", "mnist_deep")
SCRIPT_FLAGS = ("data_dir", "seed", "device", "threads")

# Measured on two cores of an AMD EPYC (Zen 3), for the estimate before the start.
SECONDS_TO_START_AND_TEST = {"mnist_softmax": 6, "mnist_deep": 10}
SECONDS_PER_STEP = {"mnist_softmax": 0.001, "mnist_deep": 0.04}
# Record every N steps, so that recording takes less than 5 % of a run's time. The first and the
# last step are always recorded. Measured on two busy cores: all records of mnist_softmax take at
# most 4 % of the run, start included; one record of mnist_deep takes 9 to 18 % of a step.
RECORD_EVERY = {"mnist_softmax": 1, "mnist_deep": 20}


@dataclass
class AccuracyRow:
    """One run and its verdict.

    Attributes
    ----------
    threshold : the threshold of the test accuracy, as text.
    parity : the comparison with the other style's run; empty if there is none, or with --noparity.
    verdict : "ok", or a list of all faults.
    """

    script: str
    style: str
    dataset: str
    steps: int
    threshold: str
    test_accuracy: float | None
    seconds: float
    steps_per_second: float | None
    peak_memory_mib: float | None
    run_dir: str
    parity: str
    verdict: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dataset",
        choices=datasets.NAMES,
        help="default: mnist; digits if mnist cannot be found or downloaded",
    )
    parser.add_argument(
        "--quick", action="store_true", help="train fewer steps; the thresholds are lower"
    )
    parser.add_argument("--script", action="append", choices=SCRIPTS, help="default: all")
    parser.add_argument(
        "--style", choices=runner.STYLES_OF, default="both", help="default: %(default)s"
    )
    parser.add_argument(
        "--noparity",
        dest="parity",
        action="store_false",
        help="do not record and compare the steps",
    )
    for name in SCRIPT_FLAGS:
        parser.add_argument(f"--{name}", help="passed to the programs; see their --help")


def main(arguments: argparse.Namespace) -> int:
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False, markup=False)
    dataset = _choose_dataset(arguments, console)
    thresholds = {
        script: (QUICK if arguments.quick else FULL)[dataset, script]
        for script in arguments.script or SCRIPTS
    }
    styles = runner.STYLES_OF[arguments.style]
    _print_estimate(thresholds, len(styles), console)
    is_recorded = arguments.parity and len(styles) == 2
    path = f"runs/accuracy_{time.strftime('%Y-%m-%d_%H-%M-%S')}.json"
    outputs.check(path, "accuracy")
    rows, device = [], ""
    for script, threshold in thresholds.items():
        for style in styles:
            run_dir = runs.new_directory("runs", style, script)
            command = _command(arguments, script, style, dataset, threshold.steps, run_dir)
            settings = _trace_settings(script, run_dir if is_recorded else None)
            with runner.progress(console, f"{style}/{script}", threshold.steps) as follow:
                outcome = runner.run(command, run_dir, follow, settings)
            if outcome.exit_code == 2 and (arguments.device or "").startswith("gpu"):
                raise UserError(outcome.error)  # no such GPU: the other programs will not see one
            twin = next((row for row in rows if row.script == script), None)
            rows.append(_row(script, style, dataset, threshold, run_dir, outcome))
            _judge(rows[-1], twin, outcome, threshold, is_recorded)
            device = outcome.result.get("device", device)
            files.write_json(path, {"device": device, "rows": [asdict(row) for row in rows]})
    console.print(_table(rows, device))
    _print_where_to_look(rows, path, console)
    return 0 if all(row.verdict == "ok" for row in rows) else 1


def _print_estimate(thresholds: dict[str, Threshold], styles: int, console: Console) -> None:
    seconds = sum(
        SECONDS_TO_START_AND_TEST[script] + SECONDS_PER_STEP[script] * threshold.steps
        for script, threshold in thresholds.items()
    )
    runs = len(thresholds) * styles
    minutes = f"{styles * seconds / 60:.1f}"
    console.print(f"{runs} run{'s' if runs > 1 else ''}, about {minutes} minutes on two cores")


def _print_where_to_look(rows: list[AccuracyRow], path: str, console: Console) -> None:
    """Writes the report beside the JSON file; prints its path and the command of TensorBoard."""
    finished = [row.run_dir for row in rows if row.test_accuracy is not None]
    if finished:
        page = os.path.splitext(path)[0] + ".html"
        try:
            report.write(finished, page)
            console.print(f"report: {page}", soft_wrap=True)
        except UserError as error:  # the table is complete without the report
            console.print(f"no report: {error}", soft_wrap=True)
        # Name the TensorBoard of this Python, because PATH may contain another one.
        tensorboard = os.path.join(os.path.dirname(sys.executable), "tensorboard")
        command = shlex.join([tensorboard, "--logdir", "runs"])
        console.print(f"TensorBoard: {command}", soft_wrap=True)


def _choose_dataset(arguments: argparse.Namespace, console: Console) -> str:
    """Prints and returns the dataset to train on; downloads it if it is missing."""
    dataset = arguments.dataset or "mnist"
    try:
        datasets.load(dataset, arguments.data_dir or "")
        console.print(f"dataset: {dataset}")
    except datasets.NotFound as error:
        if arguments.dataset:
            raise
        dataset = "digits"
        console.print(f"dataset: digits (1,797 small images), because {error}", soft_wrap=True)
    return dataset


def _command(
    arguments: argparse.Namespace, script: str, style: str, dataset: str, steps: int, run_dir: str
) -> list[str]:
    command = [sys.executable, str(runner.ROOT / style / f"{script}.py")]
    command += [f"--dataset={dataset}", f"--max_steps={steps}", f"--run_dir={run_dir}"]
    for name in SCRIPT_FLAGS:
        if getattr(arguments, name) is not None:
            command.append(f"--{name}={getattr(arguments, name)}")
    return command


def _trace_settings(script: str, run_dir: str | None) -> dict[str, str]:
    """Returns the environment variables that make a run record its steps; None: it records none."""
    path = os.path.abspath(os.path.join(run_dir, "trace.npz")) if run_dir else ""
    return {"TWINS_TRACE_FILE": path, "TWINS_TRACE_EVERY": str(RECORD_EVERY[script])}


def _parity(reference: str, candidate: str) -> str:
    """Returns the result of comparing the traces of two runs, in a few words."""
    try:
        found = parity_of_runs(reference, candidate)
    except UserError as error:
        return str(error)
    if "first_difference" in found:
        return f"differs at step {found['first_difference']['step']}"
    return "; ".join(found["faults"]) or first_difference.IDENTICAL


def _row(
    script: str,
    style: str,
    dataset: str,
    threshold: Threshold,
    run_dir: str,
    outcome: runner.Outcome,
) -> AccuracyRow:
    """Returns the row of a run, not judged yet."""
    result = outcome.result if outcome.exit_code == 0 else {}
    return AccuracyRow(
        script,
        style,
        dataset,
        threshold.steps,
        str(threshold),
        result.get("test_accuracy"),
        round(outcome.seconds, 1),
        result.get("steps_per_second"),
        result.get("peak_memory_mib"),
        run_dir,
        parity="",
        verdict="ok",
    )


def _judge(
    row: AccuracyRow,
    twin: AccuracyRow | None,
    outcome: runner.Outcome,
    threshold: Threshold,
    is_recorded: bool,
) -> None:
    """Sets the verdict of a row, compared with the threshold and the other style's row."""
    faults = []
    if row.test_accuracy is None:
        faults.append(f"exit {outcome.exit_code}: {outcome.error}")
    elif threshold.fault(row.test_accuracy):
        faults.append(threshold.fault(row.test_accuracy))
    if twin and None not in (row.test_accuracy, twin.test_accuracy):
        if row.test_accuracy != twin.test_accuracy:
            faults.append(f"{row.test_accuracy - twin.test_accuracy:+.4f} from {twin.style}")
        if is_recorded:
            row.parity = _parity(twin.run_dir, row.run_dir)
            if row.parity != first_difference.IDENTICAL:
                faults.append(row.parity)
    row.verdict = "; ".join(faults) or "ok"


def _table(rows: list[AccuracyRow], device: str) -> Table:
    table = Table(title=f"Test accuracy on {device or 'an unknown device'}")
    for name in ("script", "style", "dataset"):
        table.add_column(name)
    for name in ("steps", "test accuracy", "threshold", "seconds", "steps/s", "peak MiB"):
        table.add_column(name, justify="right")
    for name in ("parity", "verdict"):
        table.add_column(name)
    for row in rows:
        table.add_row(
            row.script,
            row.style,
            row.dataset,
            f"{row.steps:,}",
            _text(row.test_accuracy, ".4f"),
            row.threshold,
            _text(row.seconds, ".0f"),
            _text(row.steps_per_second, ".0f"),
            _text(row.peak_memory_mib, ".0f"),
            row.parity or "-",
            row.verdict,
        )
    return table


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
