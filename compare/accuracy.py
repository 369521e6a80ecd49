"""Trains the twins and holds their test accuracies to bars.

Every script runs in every style as a shell command. The twins' accuracies must be equal, and
within the bar of the dataset. With --parity each run leaves a trace as well, and every step of the
twins has to be the same to the bit. Exit 1 if not; the table says more, and in runs/ a JSON file
and a report do.
"""

import argparse
import os
import shlex
import sys
import time
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from compare import parting, report, runner
from compare.bars import FULL, QUICK, Bar
from compare.parity import of_runs as parity_of_runs
from compare.runner import STYLES
from shared import datasets, files, runs
from shared.console import UserError

SCRIPTS = ("mnist_softmax", "mnist_deep")
HANDED_ON = ("data_dir", "seed", "device", "threads")

# Measured on two cores of an AMD EPYC (Zen 3), for the estimate before the start.
SECONDS_TO_START_AND_TEST = {"mnist_softmax": 6, "mnist_deep": 10}
SECONDS_PER_STEP = {"mnist_softmax": 0.001, "mnist_deep": 0.04}


@dataclass
class Row:
    """One run and what is said of it."""

    script: str
    style: str
    dataset: str
    steps: int
    bar: str
    test_accuracy: float | None
    seconds: float
    steps_per_second: float | None
    peak_memory_mib: float | None
    run_dir: str
    parity: str  # to the first style's run of the script; empty where it was not asked for
    verdict: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dataset",
        choices=datasets.NAMES,
        help="default: mnist, or digits where mnist is not to be had",
    )
    parser.add_argument("--quick", action="store_true", help="fewer steps, against their own bars")
    parser.add_argument("--script", action="append", choices=SCRIPTS, help="default: every script")
    parser.add_argument("--style", action="append", choices=STYLES, help="default: both styles")
    parser.add_argument(
        "--parity", action="store_true", help="hold the twins to the same bits, step by step"
    )
    for name in HANDED_ON:
        parser.add_argument(f"--{name}", help="handed on to the scripts")


def main(arguments: argparse.Namespace) -> int:
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False, markup=False)
    dataset = _choose_dataset(arguments, console)
    bars = {
        script: (QUICK if arguments.quick else FULL)[dataset, script]
        for script in arguments.script or SCRIPTS
    }
    styles = arguments.style or STYLES
    seconds = sum(
        SECONDS_TO_START_AND_TEST[script] + SECONDS_PER_STEP[script] * bar.steps
        for script, bar in bars.items()
    )
    minutes = f"{len(styles) * seconds / 60:.1f}"
    console.print(f"{len(bars) * len(styles)} runs, about {minutes} minutes on two cores")

    path = f"runs/accuracy_{time.strftime('%Y-%m-%d_%H-%M-%S')}.json"
    rows, device = [], ""
    for script, bar in bars.items():
        for style in styles:
            run_dir = runs.new_directory("runs", style, script)
            command = _command(arguments, script, style, dataset, bar.steps, run_dir)
            settings = {"TWINS_TRACE_FILE": _trace(run_dir) if arguments.parity else ""}
            with runner.progress(console, f"{style}/{script}", bar.steps) as on_step:
                outcome = runner.run(command, run_dir, on_step, settings)
            twins = [row for row in rows if row.script == script]
            parity = _parity(twins[0].run_dir, run_dir) if arguments.parity and twins else ""
            rows.append(_judge(script, style, dataset, bar, run_dir, outcome, twins, parity))
            device = outcome.result.get("device", device)
            files.write_json(path, {"device": device, "rows": [asdict(row) for row in rows]})
    console.print(_table(rows, device))
    _say_where_to_look(rows, path, console)
    return 0 if all(row.verdict == "ok" for row in rows) else 1


def _say_where_to_look(rows: list[Row], path: str, console: Console) -> None:
    """Writes the report beside the JSON file, and names it and what opens TensorBoard."""
    finished = [row.run_dir for row in rows if row.test_accuracy is not None]
    if finished:
        page = os.path.splitext(path)[0] + ".html"
        try:
            report.write(finished, page)
            console.print(f"report: {page}", soft_wrap=True)
        except UserError as error:  # the table stands without it
            console.print(f"no report: {error}", soft_wrap=True)
        # Beside the Python that has it; one on PATH may be that of another installation.
        tensorboard = os.path.join(os.path.dirname(sys.executable), "tensorboard")
        command = shlex.join([tensorboard, "--logdir", "runs"])
        console.print(f"TensorBoard: {command}", soft_wrap=True)


def _choose_dataset(arguments: argparse.Namespace, console: Console) -> str:
    """Returns the dataset to run on, which is at hand from then on, and says which it is."""
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
    for name in HANDED_ON:
        if getattr(arguments, name) is not None:
            command.append(f"--{name}={getattr(arguments, name)}")
    return command


def _trace(run_dir: str) -> str:
    return os.path.abspath(os.path.join(run_dir, "trace.npz"))


def _parity(reference: str, candidate: str) -> str:
    """Returns what the traces of two runs say of each other, in a few words."""
    try:
        found = parity_of_runs(reference, candidate)
    except UserError as error:
        return str(error)
    if "parting" in found:
        return f"parts at step {found['parting']['step']}"
    return "; ".join(found["faults"]) or parting.IDENTICAL


def _judge(
    script: str,
    style: str,
    dataset: str,
    bar: Bar,
    run_dir: str,
    outcome: runner.Outcome,
    twins: list[Row],
    parity: str,
) -> Row:
    """Returns the row of a run, held to its bar and to the rows of its twins."""
    result = outcome.result if outcome.exit_code == 0 else {}
    accuracy = result.get("test_accuracy")
    faults = []
    if accuracy is None:
        faults.append(f"exit {outcome.exit_code}: {outcome.error}")
    elif bar.fault(accuracy):
        faults.append(bar.fault(accuracy))
    for twin in twins:
        if None not in (accuracy, twin.test_accuracy) and accuracy != twin.test_accuracy:
            faults.append(f"{accuracy - twin.test_accuracy:+.4f} from {twin.style}")
    if parity not in ("", parting.IDENTICAL):
        faults.append(parity)
    return Row(
        script,
        style,
        dataset,
        bar.steps,
        str(bar),
        accuracy,
        round(outcome.seconds, 1),
        result.get("steps_per_second"),
        result.get("peak_memory_mib"),
        run_dir,
        parity,
        "; ".join(faults) or "ok",
    )


def _table(rows: list[Row], device: str) -> Table:
    table = Table(title=f"Test accuracy on {device or 'an unknown device'}")
    for name in ("script", "style", "dataset"):
        table.add_column(name)
    for name in ("steps", "test accuracy", "bar", "seconds", "steps/s", "peak MiB"):
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
            row.bar,
            _text(row.seconds, ".0f"),
            _text(row.steps_per_second, ".0f"),
            _text(row.peak_memory_mib, ".0f"),
            row.parity or "-",
            row.verdict,
        )
    return table


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
