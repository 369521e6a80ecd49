"""Trains models from a single perceptron to 99.5 % on MNIST and checks each against its source.

    python -m compare ladder
    python -m compare ladder --quick
    python -m compare ladder --rung=convnet --rung='convnet, dropout' --style=both

For each rung, the first 500 steps of both styles are compared bit for bit. Then the rung is trained
to its end with every seed, in one style or in both, and its mean test accuracy is checked. Writes
table.md, results.json and ladder.png to runs/ladder, beside the runs. Run the same command again to
resume an interrupted ladder. Exit 1 if a rung misses its threshold, a run failed, or the styles
differ.

With --quick, both styles train once on the digits, and every step is compared. The test accuracy
must reach a threshold for the digits. --quick does not use the sources' figures, which are for
MNIST. It takes a few minutes and draws no picture.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console

from compare import drawing, options, parity, reading, runner, tables
from compare.experiments import cases
from compare.experiments.cases import Case, CaseRun
from compare.experiments.rungs import RUNGS, Rung
from compare.parity import first_difference
from compare.thresholds import Threshold
from shared import files
from shared.console import StopRun, UserError

STEPS_COMPARED = 500  # of each pair, one by one
# The programs that print their results and have no run folder, with the flags that they accept.
WITHOUT_RUN_FOLDER = {
    "perceptron": ("train", "epochs"),
    "tape_basics": (),
    "mnist_naive": ("dataset", "data_dir", "epochs", "max_steps"),
}
NOTE = (
    "Swing: the mean change of the validation accuracy from one epoch to the next, over the last "
    "five, in points. Climb: how far the last validation loss is above the lowest."
)
QUICK_NOTE = (
    "A quick ladder trains on the digits. The column `checked` says what each verdict tests; "
    "the sources' figures are for MNIST."
)


@dataclass(frozen=True)
class RungResult:
    """The result of one run of a rung.

    Attributes
    ----------
    accuracy : on the test set, or on the four examples of a perceptron; None if the run failed.
    says : the printed results other than a test accuracy.
    swing, climb : see NOTE; None if there is no validation set.
    minutes : the training time; None if unknown.
    fault : how the run failed; empty if it did not.
    """

    accuracy: float | None = None
    says: str = ""
    swing: float | None = None
    climb: float | None = None
    minutes: float | None = None
    fault: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    titles = [rung.case.title for rung in RUNGS]
    parser.add_argument(
        "--rung",
        action="append",
        choices=titles,
        metavar="TITLE",
        help="default: every rung. One of " + ", ".join(map(repr, titles)),
    )
    cases.add_arguments(parser, os.path.join("runs", "ladder"), seeds="0-2")


def add_parity(parser: argparse.ArgumentParser) -> None:
    """Defines the option of experiments that compare the styles of each case first."""
    parser.add_argument(
        "--parity",
        action="store_true",
        help=f"first compare {STEPS_COMPARED} steps of both styles, for each case bit by bit",
    )


def parity_of_cases(
    chosen: list[Case], arguments: argparse.Namespace, directory: str, console: Console
) -> dict[str, tuple[str, bool]]:
    """Returns {title of a case: (the verdict on its styles, whether they are equal)}.

    Empty without --parity. What an earlier call has compared is not compared again.

    Raises
    ------
    StopRun : Ctrl-C.
    """
    try:
        found = {
            case.title: compare_styles(case, arguments, directory, console)
            for case in (chosen if arguments.parity else [])
        }
    except KeyboardInterrupt:
        raise StopRun("stopped by SIGINT; run the same command again to resume", 130)
    return {title: (each["verdict"], each["is_same"]) for title, each in found.items()}


def main(arguments: argparse.Namespace) -> int:
    console = tables.console()
    directory = options.output_dir(arguments, "ladder")
    rungs = [rung for rung in RUNGS if rung.case.title in (arguments.rung or [rung.case.title])]
    chosen = [_override(rung.case, arguments) for rung in rungs]
    for case in chosen:  # fails now, not after hours, if the dataset is missing
        cases.training_examples(case.flags["dataset"], case.flags.get("data_dir", ""))
    rows = []
    try:
        for number, (rung, case) in enumerate(zip(rungs, chosen), 1):
            console.print(f"rung {number} of {len(rungs)}: {case.title}")
            rows.append(_climb(rung, case, arguments, directory, console))
    except KeyboardInterrupt:
        raise StopRun("stopped by SIGINT; run the same command again to resume", 130)
    device = next((row["device"] for row in rows if row["device"]), "")
    title, notes = "The ladder, on the digits", [QUICK_NOTE]
    if not arguments.quick:
        title, notes = "The ladder", [tables.of_seeds(arguments.seeds), NOTE]
        _draw(rows, os.path.join(directory, "ladder.png"))
    table = tables.Table(title, [_row(row) for row in rows], notes)
    tables.write(table, rows, device, directory, console)
    return int(any(row["faults"] for row in rows))


def _override(case: Case, arguments: argparse.Namespace) -> Case:
    """Returns a case with the flags that the command line sets for all cases."""
    given = {name: getattr(arguments, name) for name in cases.SHARED_FLAGS}
    given = {name: value for name, value in given.items() if value is not None}
    quick = {"dataset": "digits"} if arguments.quick else {}
    return replace(case, flags={**case.flags, **quick, **given})


def _climb(
    rung: Rung, case: Case, arguments: argparse.Namespace, directory: str, console: Console
) -> dict:
    """Runs one rung; returns its row of results.json."""
    compared = compare_styles(case, arguments, directory, console)
    if arguments.quick:
        results = {style: [_printed(lines)] for style, lines in compared["lines"].items()}
    elif case.script in WITHOUT_RUN_FOLDER:
        results = _run_without_folder(case, arguments, directory, console)
    else:
        results = {}
        for run in cases.run_all([case], arguments, directory, console):
            results.setdefault(run.style, []).append(_result(run))
    found = next(iter(results.values()))
    threshold = _threshold(rung, arguments)
    is_of_source = not (arguments.dataset or arguments.epochs) and not (
        arguments.quick and _has_dataset(case)
    )
    row = {
        "rung": case.title,
        "script": case.script,
        "flags": case.flags,
        "source": rung.says if is_of_source else "",
        "source_accuracy": rung.case.source if is_of_source else None,
        "threshold": str(threshold or ""),
        "accuracies": [run.accuracy for run in found if run.accuracy is not None],
        "says": found[0].says,
        "swing": _mean(run.swing for run in found),
        "climb": _mean(run.climb for run in found),
        "twins": compared["verdict"],
        "styles": list(results),
        "minutes": _mean(run.minutes for run in found),
        "device": compared["device"],
    }
    faults = [run.fault for runs in results.values() for run in runs]
    faults += [] if compared["is_same"] else [compared["verdict"]]
    faults += _judge(rung, row, threshold, arguments.quick)
    return {**row, "faults": [fault for fault in dict.fromkeys(faults) if fault]}


def _has_dataset(case: Case) -> bool:
    return "dataset" in WITHOUT_RUN_FOLDER.get(case.script, ("dataset",))


def _threshold(rung: Rung, arguments: argparse.Namespace) -> Threshold | None:
    """Returns the threshold of the accuracy; None if only the styles are compared."""
    if arguments.dataset or arguments.epochs:
        return None
    if arguments.quick:
        return Threshold(0, rung.quick) if rung.quick else None
    return rung.threshold


def _judge(rung: Rung, row: dict, threshold: Threshold | None, is_quick: bool) -> list[str]:
    """Returns the ways in which a rung misses its expected result."""
    if not row["accuracies"] or not threshold:
        return []
    faults = [threshold.fault(np.mean(row["accuracies"]))]
    if rung.swing and not is_quick and row["swing"] < rung.swing:
        faults.append(f"swings by {row['swing']:.2f} points only, expected {rung.swing:g}")
    return faults


def compare_styles(
    case: Case, arguments: argparse.Namespace, directory: str, console: Console
) -> dict:
    """Runs both styles and compares their traces, unless an earlier ladder has already done this.

    Returns
    -------
    dict with `verdict`, in words; `is_same`; `lines`, what each style printed; `device`.
    """
    folder = os.path.join(directory, "parity", cases.folder_name(case))
    flags = dict(case.flags) if arguments.quick else {**case.flags, "max_steps": STEPS_COMPARED}
    commands = {
        style: _command(case, flags, style, os.path.join(folder, style, "run"), arguments.seeds[0])
        for style in runner.STYLES
    }
    path = os.path.join(folder, "parity.json")
    before = reading.read_json(path)
    if before.get("commands") == commands:
        return before
    lines, device = {}, ""
    for style, command in commands.items():
        title = f"{case.title}, parity, {style}"
        trace = os.path.abspath(os.path.join(folder, style, "trace.npz"))
        os.makedirs(os.path.dirname(trace), exist_ok=True)
        totals = cases.totals(replace(case, flags=flags))
        outcome = _run(command, title, console, totals, TWINS_TRACE_FILE=trace)
        lines[style] = outcome.lines
        device = reading.result_so_far(os.path.join(folder, style, "run")).get("device", device)
        if outcome.exit_code:
            verdict = f"{style}: exit {outcome.exit_code}: {outcome.error}"
            lines = {style: lines.get(style, []) for style in commands}
            return {"verdict": verdict, "is_same": False, "lines": lines, "device": device}
    verdict, is_same = _compare(folder, lines)
    found = {"verdict": verdict, "is_same": is_same, "lines": lines, "device": device}
    files.write_json(path, {**found, "commands": commands})
    return found


def _command(case: Case, flags: dict, style: str, folder: str, seed: int = 0) -> list[str]:
    """Returns the command line of one run; `folder` is its run folder, if it has one."""
    command = [sys.executable, str(runner.ROOT / style / f"{case.script}.py")]
    if case.script in WITHOUT_RUN_FOLDER:
        takes = WITHOUT_RUN_FOLDER[case.script]
        flags = {name: value for name, value in flags.items() if name in takes}
    else:
        flags = {**flags, "save_every": 0, "restart": True, "log": False, "run_dir": folder}
    if case.script != "tape_basics":
        flags["seed"] = seed
    return [*command, *(f"--{name}={value}" for name, value in flags.items())]


def _run(
    command: list[str], title: str, console: Console, totals: dict, **settings: str
) -> runner.Outcome:
    """Runs a program to its end and prints its last line.

    Parameters
    ----------
    totals : the totals for `runner.progress`.
    settings : environment variables of the program.

    Raises
    ------
    UserError : the program refuses its flags or its data; a retry would not help.
    """
    with runner.progress(console, title, **totals) as follow:
        outcome = runner.run(command, None, follow, settings)
    if outcome.exit_code == 2:
        raise UserError(f"{title}: {outcome.error}")
    last = f"exit {outcome.exit_code}: {outcome.error}" if outcome.exit_code else outcome.lines[-1]
    console.print(f"{title}: {last}", soft_wrap=True)
    return outcome


def _compare(folder: str, lines: dict[str, list[str]]) -> tuple[str, bool]:
    """Compares the traces of both styles, or what they printed if they leave no trace.

    Returns
    -------
    The verdict in words, and whether the styles agree.
    """
    folders = [os.path.join(folder, style) for style in runner.STYLES]
    if not os.path.exists(os.path.join(folders[0], "trace.npz")):
        first, second = lines.values()
        is_same = first == second
        return ("the same lines" if is_same else "the styles print different lines"), is_same
    report = parity.of_runs(*folders)
    if "first_difference" in report or report["faults"]:
        return "; ".join(parity.sentences(report)), False
    steps = report["steps"]
    return (
        f"{first_difference.IDENTICAL}, {steps} steps" if steps > 1 else first_difference.IDENTICAL,
        True,
    )


def _run_without_folder(
    case: Case, arguments: argparse.Namespace, directory: str, console: Console
) -> dict[str, list[RungResult]]:
    """Runs a program that has no run folder, once for each seed without a saved result."""
    results, printed = {}, {}
    has_seed = case.script == "mnist_naive" or "train" in case.flags
    for style in runner.STYLES_OF[arguments.style]:
        for seed in arguments.seeds if has_seed else arguments.seeds[:1]:
            folder = os.path.join(directory, style)
            path = os.path.join(folder, f"{cases.folder_name(case)}-seed{seed}.json")
            command = _command(case, case.flags, style, folder, seed)
            done = reading.read_json(path)
            if done.get("command") != command:
                title = f"{case.title}, seed {seed}, {style}"
                run = _run(command, title, console, cases.totals(case))
                done = {"command": command, "lines": run.lines, "minutes": run.seconds / 60}
                if run.exit_code:
                    fault = RungResult(fault=f"exit {run.exit_code}: {run.error}")
                    results.setdefault(style, []).append(fault)
                    continue
                os.makedirs(folder, exist_ok=True)
                files.write_json(path, done)
            lines = printed.setdefault(seed, done["lines"])
            fault = (
                "" if lines == done["lines"] else f"seed {seed}: the styles print different lines"
            )
            result = replace(_printed(done["lines"]), minutes=done["minutes"], fault=fault)
            results.setdefault(style, []).append(result)
    return results


def _printed(lines: list[str]) -> RungResult:
    """Returns the result that a program has printed."""
    text = "\n".join(lines)
    accuracy = re.search(r"^test accuracy ([\d.]+)$", text, re.MULTILINE)
    if accuracy:
        return RungResult(float(accuracy[1]))
    right = re.search(r"^(\d+) of (\d+) right$", text, re.MULTILINE)
    losses = re.findall(r"loss ([\d.]+)", text)
    if right:
        says = ", ".join(re.findall(r"-> (\S+)", text))
        says = f"loss {losses[0]} to {losses[-1]}" if losses else says
        return RungResult(int(right[1]) / int(right[2]), says)
    slopes = re.findall(r"^d\(2x\+3\).*?\], (.*)$", text, re.MULTILINE | re.IGNORECASE)
    is_two = [set(re.findall(r"[\d.]+", slope)) == {"2.0"} for slope in slopes]
    return RungResult(float(is_two == [True, True]), "; ".join(slopes))


def _result(run: CaseRun) -> RungResult:
    """Returns the result of a run, with its swing and climb."""
    if run.fault:
        return RungResult(fault=run.fault)
    swing = climb = None
    if "validation_loss" in (run.history.dtype.names or ()):
        accuracy, loss = run.history["validation_accuracy"], run.history["validation_loss"]
        swing = 100 * float(np.abs(np.diff(accuracy[-6:])).mean()) if len(accuracy) > 5 else None
        climb = float(loss[-1] / loss.min() - 1)
    fault = "" if run.twin in ("", cases.SAME) else run.twin
    return RungResult(run.result["test_accuracy"], "", swing, climb, run.minutes, fault)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _row(row: dict) -> dict[str, str]:
    """Returns one row of the table."""
    accuracies = row["accuracies"]
    ours = row["says"] or tables.spread(accuracies)
    return {
        "rung": row["rung"],
        "source says": row["source"],
        "ours": ours,
        "swing": tables.number(row["swing"], ".2f"),
        "climb": tables.number(row["climb"], ".1%"),
        "twins": row["twins"],
        "checked": _checked(row),
        "style": ", ".join(style.split("_")[0] for style in row["styles"]),
        "minutes": tables.number(row["minutes"], ".1f"),
        "verdict": "; ".join(row["faults"]) or "ok",
    }


def _checked(row: dict) -> str:
    """Says what the verdict of a row tests."""
    threshold = f"accuracy {row['threshold']}, " if row["threshold"] else ""
    return f"{threshold}styles equal"


def _draw(rows: list[dict], path: str) -> None:
    """Draws the share of wrong test images of each rung, beside that of its source."""
    rows = [row for row in rows if row["accuracies"] and not row["says"]]
    if not rows:
        return
    with drawing.picture(path, 8, 1.2 + 0.32 * len(rows)) as figure:
        axes = figure.subplots()
        for place, row in enumerate(rows):
            errors = 100 * (1 - np.array(row["accuracies"]))
            axes.plot([errors.min(), errors.max()], [place, place], color=drawing.COLORS[0])
            axes.plot(errors.mean(), place, "o", color=drawing.COLORS[0], label="ours, mean")
            if row["source_accuracy"]:
                source = 100 * (1 - row["source_accuracy"])
                marker = {"marker": "D", "markerfacecolor": "none", "label": "source"}
                axes.plot(source, place, color=drawing.COLORS[1], linestyle="", **marker)
        axes.set_xscale("log")
        axes.set_xlabel("wrong test images (%), logarithmic")
        ticks = [0.5, 1, 2, 5, 10, 20, 50, 100]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_yticks(range(len(rows)), [row["rung"] for row in rows])
        drawing.legend(figure, axes)
