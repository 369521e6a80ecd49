"""Climbs from one perceptron to 99.5 %: every rung in both styles, held to its source's figure.

    python -m compare ladder
    python -m compare ladder --quick
    python -m compare ladder --rung=convnet --rung='convnet, dropout' --style=both

Of each rung the twins' first 500 steps are held against each other, bit for bit; then it is trained
to its end with every seed, in one style or in both. Leaves table.md, results.json and ladder.png in
runs/ladder, beside the runs themselves. A ladder that was stopped goes on by the same command. Exit
1 if a rung is not within its bar, a run failed, or the styles differ.

With --quick both styles train to the end once, on the digits, and are held against each other at
every step; that takes a few minutes, and leaves no picture.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console

from compare import parity, parting, runner
from compare.bars import Bar
from compare.experiments import cases, drawing, tables
from compare.experiments.cases import Case
from compare.experiments.rungs import RUNGS, Rung
from shared import files
from shared.console import StopRun, UserError

STEPS_HELD = 500  # of each pair, step by step
# What these have to say they print, and they leave no folder; with the flags that they take.
PLAIN = {
    "perceptron": ("train", "epochs"),
    "tape_basics": (),
    "mnist_naive": ("dataset", "data_dir", "epochs", "max_steps"),
}
NOTE = (
    "Swing: how far the validation accuracy moves from an epoch to the next, in points, on average "
    "over the last five. Climb: how far the last validation loss is above the lowest."
)


@dataclass(frozen=True)
class Outcome:
    """What came of one run of a rung.

    Attributes
    ----------
    accuracy : on the test set, or of the few examples that a perceptron has; None if it failed.
    says : what it shows besides.
    swing, climb : see NOTE; None where nothing was held out.
    minutes : how long it trained, if that is known.
    fault : how it failed; empty if it did not.
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
        help="default: every rung; the table holds those that are named: "
        + ", ".join(map(repr, titles)),
    )
    cases.add_arguments(parser, os.path.join("runs", "ladder"), seeds="0-2")


def main(arguments: argparse.Namespace) -> int:
    console = tables.console()
    directory = cases.output(arguments, "ladder")
    rungs = [rung for rung in RUNGS if rung.case.title in (arguments.rung or [rung.case.title])]
    chosen = [_override(rung.case, arguments) for rung in rungs]
    for case in chosen:  # all data is at hand from here on
        cases.training_examples(case.flags["dataset"], case.flags.get("data_dir", ""))
    rows = []
    try:
        for rung, case in zip(rungs, chosen):
            rows.append(_climb(rung, case, arguments, directory, console))
    except KeyboardInterrupt:
        raise StopRun("stopped by SIGINT; the same command goes on from there", 130)
    device = next((row["device"] for row in rows if row["device"]), "")
    title, notes = "The ladder, on the digits", []
    if not arguments.quick:
        title, notes = "The ladder", [tables.of_seeds(arguments.seeds), NOTE]
        _draw(rows, os.path.join(directory, "ladder.png"))
    table = tables.Table(title, [_row(row) for row in rows], notes)
    tables.write(table, rows, device, directory, console)
    return int(any(row["faults"] for row in rows))


def _override(case: Case, arguments: argparse.Namespace) -> Case:
    """Returns a case with the flags that the command line gives to all."""
    given = {name: getattr(arguments, name) for name in cases.HANDED_ON}
    given = {name: value for name, value in given.items() if value is not None}
    quick = {"dataset": "digits"} if arguments.quick else {}
    return replace(case, flags={**case.flags, **quick, **given})


def _climb(
    rung: Rung, case: Case, arguments: argparse.Namespace, directory: str, console: Console
) -> dict:
    """Runs one rung; returns what there is to say of it."""
    held = _hold(case, arguments, directory, console)
    is_as_in_source = not (arguments.dataset or arguments.epochs)
    if arguments.quick:
        outcomes = {style: [_told(lines)] for style, lines in held["lines"].items()}
    elif case.script in PLAIN:
        outcomes = _run_plain(case, arguments, directory, console)
    else:
        outcomes = {}
        for run in cases.run_all([case], arguments, directory, console):
            outcomes.setdefault(run.style, []).append(_outcome(run))
    found = next(iter(outcomes.values()))
    row = {
        "rung": case.title,
        "script": case.script,
        "flags": case.flags,
        "source": rung.says,
        "source_accuracy": rung.case.source if is_as_in_source else None,
        "bar": str(rung.bar),
        "accuracies": [run.accuracy for run in found if run.accuracy is not None],
        "says": found[0].says,
        "swing": _mean(run.swing for run in found),
        "climb": _mean(run.climb for run in found),
        "twins": held["verdict"],
        "styles": list(outcomes),
        "minutes": _mean(run.minutes for run in found),
        "device": held["device"],
    }
    faults = [run.fault for runs in outcomes.values() for run in runs]
    faults += [] if held["is_same"] else [held["verdict"]]
    if is_as_in_source:
        faults += _judge(rung, row, arguments.quick)
    return {**row, "faults": [fault for fault in dict.fromkeys(faults) if fault]}


def _judge(rung: Rung, row: dict, is_quick: bool) -> list[str]:
    """Returns what a rung lacks of what is expected of it."""
    if not row["accuracies"]:
        return []
    faults = [(Bar(0, rung.quick) if is_quick else rung.bar).fault(np.mean(row["accuracies"]))]
    if rung.swing and not is_quick and row["swing"] < rung.swing:
        faults.append(f"swings by {row['swing']:.2f} points only, expected {rung.swing:g}")
    return faults


def _hold(case: Case, arguments: argparse.Namespace, directory: str, console: Console) -> dict:
    """Holds the twins against each other, unless that is done already.

    Returns
    -------
    dict with `verdict`, in words; `is_same`; `lines`, what each style printed; `device`.
    """
    folder = os.path.join(directory, "held", cases.folder_name(case))
    flags = dict(case.flags) if arguments.quick else {**case.flags, "max_steps": STEPS_HELD}
    commands = {
        style: _command(case, flags, style, os.path.join(folder, style, "run"), arguments.seeds[0])
        for style in runner.STYLES
    }
    path = os.path.join(folder, "held.json")
    held = _read(path)
    if held.get("commands") == commands:
        return held
    lines, device = {}, ""
    for style, command in commands.items():
        title = f"{case.title}, held to its twin: {style}"
        trace = os.path.abspath(os.path.join(folder, style, "trace.npz"))
        os.makedirs(os.path.dirname(trace), exist_ok=True)
        outcome = _run(command, title, console, TWINS_TRACE_FILE=trace)
        lines[style] = outcome.lines
        device = _read(os.path.join(folder, style, "run", "result.json")).get("device", device)
        if outcome.exit_code:
            verdict = f"{style}: exit {outcome.exit_code}: {outcome.error}"
            lines = {style: lines.get(style, []) for style in commands}
            return {"verdict": verdict, "is_same": False, "lines": lines, "device": device}
    verdict, is_same = _compare(folder, lines)
    held = {"verdict": verdict, "is_same": is_same, "lines": lines, "device": device}
    files.write_json(path, {**held, "commands": commands})
    return held


def _command(case: Case, flags: dict, style: str, folder: str, seed: int = 0) -> list[str]:
    """Returns the command line of one run; `folder` is where a script that leaves one has it."""
    command = [sys.executable, str(runner.ROOT / style / f"{case.script}.py")]
    if case.script in PLAIN:
        takes = PLAIN[case.script]
        flags = {name: value for name, value in flags.items() if name in takes}
    else:
        flags = {**flags, "save_every": 0, "restart": True, "log": False, "run_dir": folder}
    if case.script != "tape_basics":
        flags["seed"] = seed
    return [*command, *(f"--{name}={value}" for name, value in flags.items())]


def _run(command: list[str], title: str, console: Console, **settings: str) -> runner.Outcome:
    """Runs a script to its end, with `settings` in its environment, and says what came of it.

    Raises
    ------
    UserError : it refuses its flags or its data: so it will the next time.
    """
    with runner.progress(console, title) as on_step:
        outcome = runner.run(command, None, on_step, settings)
    if outcome.exit_code == 2:
        raise UserError(f"{title}: {outcome.error}")
    said = f"exit {outcome.exit_code}: {outcome.error}" if outcome.exit_code else outcome.lines[-1]
    console.print(f"{title}: {said}", soft_wrap=True)
    return outcome


def _compare(folder: str, lines: dict[str, list[str]]) -> tuple[str, bool]:
    """Returns what the twins' traces say of each other, or what they printed where none is left."""
    folders = [os.path.join(folder, style) for style in runner.STYLES]
    if not os.path.exists(os.path.join(folders[0], "trace.npz")):
        first, second = lines.values()
        return ("the same lines", True) if first == second else ("they print other lines", False)
    report = parity.of_runs(*folders)
    if "parting" in report or report["faults"]:
        return "; ".join(parity.sentences(report)), False
    steps = report["steps"]
    return f"{parting.IDENTICAL}, {steps} steps" if steps > 1 else parting.IDENTICAL, True


def _run_plain(
    case: Case, arguments: argparse.Namespace, directory: str, console: Console
) -> dict[str, list[Outcome]]:
    """Runs a script that leaves no folder with every seed, but for what is done already."""
    outcomes, printed = {}, {}
    has_seed = case.script == "mnist_naive" or "train" in case.flags
    for style in cases.STYLES[arguments.style]:
        for seed in arguments.seeds if has_seed else arguments.seeds[:1]:
            folder = os.path.join(directory, style)
            path = os.path.join(folder, f"{cases.folder_name(case)}-seed{seed}.json")
            command = _command(case, case.flags, style, folder, seed)
            done = _read(path)
            if done.get("command") != command:
                run = _run(command, f"{case.title}, seed {seed}, {style}", console)
                done = {"command": command, "lines": run.lines, "minutes": run.seconds / 60}
                if run.exit_code:
                    fault = Outcome(fault=f"exit {run.exit_code}: {run.error}")
                    outcomes.setdefault(style, []).append(fault)
                    continue
                os.makedirs(folder, exist_ok=True)
                files.write_json(path, done)
            lines = printed.setdefault(seed, done["lines"])
            fault = "" if lines == done["lines"] else f"seed {seed}: the styles print other lines"
            outcome = replace(_told(done["lines"]), minutes=done["minutes"], fault=fault)
            outcomes.setdefault(style, []).append(outcome)
    return outcomes


def _told(lines: list[str]) -> Outcome:
    """Returns what a script has printed of its result."""
    text = "\n".join(lines)
    accuracy = re.search(r"^test accuracy ([\d.]+)$", text, re.MULTILINE)
    if accuracy:
        return Outcome(float(accuracy[1]))
    right = re.search(r"^(\d+) of (\d+) right$", text, re.MULTILINE)
    losses = re.findall(r"loss ([\d.]+)", text)
    if right:
        says = ", ".join(re.findall(r"-> (\S+)", text))
        says = f"loss {losses[0]} to {losses[-1]}" if losses else says
        return Outcome(int(right[1]) / int(right[2]), says)
    slopes = re.findall(r"^d\(2x\+3\).*?\], (.*)$", text, re.MULTILINE | re.IGNORECASE)
    is_two = [set(re.findall(r"[\d.]+", slope)) == {"2.0"} for slope in slopes]
    return Outcome(float(is_two == [True, True]), "; ".join(slopes))


def _outcome(run: cases.Run) -> Outcome:
    """Returns what a run has left, and how its validation went."""
    if run.fault:
        return Outcome(fault=run.fault)
    swing = climb = None
    if "validation_loss" in (run.history.dtype.names or ()):
        accuracy, loss = run.history["validation_accuracy"], run.history["validation_loss"]
        swing = 100 * float(np.abs(np.diff(accuracy[-6:])).mean()) if len(accuracy) > 5 else None
        climb = float(loss[-1] / loss.min() - 1)
    fault = "" if run.twin in ("", cases.SAME) else run.twin
    return Outcome(run.result["test_accuracy"], "", swing, climb, run.minutes, fault)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _read(path: str) -> dict:
    """Returns what a JSON file holds; nothing where there is none that is whole."""
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def _row(row: dict) -> dict[str, str]:
    """Returns the texts of one row of the table."""
    accuracies = row["accuracies"]
    ours = row["says"] or tables.spread(accuracies)
    return {
        "rung": row["rung"],
        "source says": row["source"],
        "ours": ours,
        "swing": tables.number(row["swing"], ".2f"),
        "climb": tables.number(row["climb"], ".1%"),
        "twins": row["twins"],
        "style": ", ".join(style.split("_")[0] for style in row["styles"]),
        "minutes": tables.number(row["minutes"], ".1f"),
        "verdict": "; ".join(row["faults"]) or "ok",
    }


def _draw(rows: list[dict], path: str) -> None:
    """Draws how many test images each rung gets wrong, beside what its source says."""
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
                marker = {"marker": "D", "markerfacecolor": "none", "label": "its source"}
                axes.plot(source, place, color=drawing.COLORS[1], linestyle="", **marker)
        axes.set_xscale("log")
        axes.set_xlabel("test images taken for another digit (%), logarithmic")
        ticks = [0.5, 1, 2, 5, 10, 20, 50, 100]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_yticks(range(len(rows)), [row["rung"] for row in rows])
        drawing.legend(figure, axes)
