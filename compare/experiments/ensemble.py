"""Averages the predictions of several runs and compares the average with the best run.

    python -m compare ensemble runs/tf2_style/mnist_mlp runs/tf2_style/mnist_deep
    python -m compare ensemble --script=mnist_mlp --seeds=0-4 --hidden=512

The first form reads complete runs. The second form first runs a program with several seeds, and
passes unknown flags to it. The command averages the probabilities of the ten classes twice: with
equal weights, and weighted by the runs' validation accuracies. Writes table.md, results.json and
ensemble.png to runs/ensemble. Exit 1 if a run failed or the styles differ.
"""

import argparse
import os
import re

import numpy as np

from compare import drawing, options, reading, runner, tables
from compare.experiments import cases
from compare.experiments.cases import Case, CaseRun
from shared.console import UserError
from shared.evaluation import probabilities

TAKES_PROGRAM_FLAGS = True  # unknown flags go to the program
_SEEDS = "0-4"
_OWN = ("run_dir", "seed", "restart")  # set here for each run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="*", metavar="RUN", help="a complete run folder")
    parser.add_argument("--script", help="program to run first, such as mnist_mlp")
    cases.add_arguments(parser, os.path.join("runs", "ensemble"), seeds=_SEEDS)


def main(arguments: argparse.Namespace, flags: list[str]) -> int:
    console = tables.console()
    directory = options.output_dir(arguments, "ensemble")
    if arguments.runs:
        _refuse_idle_options(arguments, flags)
        _at_least_two(arguments.runs)
        runs = [_read(folder) for folder in arguments.runs]
        teams = [runs]
    else:
        case = _case(arguments, flags)
        _at_least_two(arguments.seeds)
        runs = cases.run_all([case], arguments, directory, console)
        teams = cases.groups(runs)  # one of each style
    numbers = [_numbers(team) for team in teams]
    rows = [row for found in numbers for row in found]
    title = f"Averages of {len(teams[0])} runs on {teams[0][0].case.flags.get('dataset')}"
    _draw(title, numbers[0], os.path.join(directory, "ensemble.png"))
    gains = ", ".join(f"over the best run by {kind} accuracy" for kind in rows[-1]["gain"])
    table = tables.Table(title, [_row(row) for row in rows], [f"Gain: {gains}."])
    tables.write(table, rows, cases.device(runs), directory, console)
    return cases.exit_code(runs)


def _at_least_two(runs: list) -> None:
    if len(runs) < 2:
        raise UserError(
            f"{len(runs)} to average, expected at least 2; name more runs, or give more --seeds"
        )


def _refuse_idle_options(arguments: argparse.Namespace, flags: list[str]) -> None:
    """Refuses a command line with both run folders and options for a program."""
    unset = {"style": "tf2", "seeds": cases.parse_seeds(_SEEDS), "quick": False}
    names = ("script", "style", "seeds", "quick", *cases.SHARED_FLAGS)
    idle = [f"--{name}" for name in names if vars(arguments)[name] != unset.get(name)] + flags
    if idle:
        raise UserError(
            f"got {' '.join(idle)} beside {arguments.runs[0]}; either name the folders of runs, or "
            "--script and its flags (--name=value)"
        )


def _case(arguments: argparse.Namespace, flags: list[str]) -> Case:
    """Returns the case of --script with the flags of the command line."""
    script = arguments.script
    if not script:
        raise UserError("expected the folders of at least 2 runs, or --script=mnist_mlp")
    path = runner.ROOT / runner.STYLES[0] / f"{script}.py"
    if not path.exists():
        raise UserError(f"--script={script}: there is no {path}; expected one such as mnist_mlp")
    case = cases.override(Case(script, {"dataset": "mnist"}, script=script), arguments)
    for flag in flags:
        match = re.fullmatch(r"--(\w+)=(.*)", flag, re.DOTALL)
        if not match or match[1] in _OWN:
            raise UserError(
                f"got {flag}, expected flags of {script} as --name=value, without those that are "
                f"set for each run: {', '.join(_OWN)} (use --seeds)"
            )
        case.flags[match[1]] = match[2]
    return case


def _read(folder: str) -> CaseRun:
    """Returns the complete run in a folder."""
    found = reading.read(folder)
    seed = found.result["flags"].get("seed", 0)
    case = Case(folder, found.result["flags"])
    return CaseRun(
        case, found.style, seed, folder, result=found.result, evaluation=found.evaluation
    )


def _refuse_other_test_sets(team: list[CaseRun]) -> None:
    for run in team[1:]:
        if run.evaluation["labels"].tobytes() != team[0].evaluation["labels"].tobytes():
            names = [each.result["flags"].get("dataset") for each in (run, team[0])]
            raise UserError(
                f"{run.directory} was tested on {names[0]}, {team[0].directory} on {names[1]}; "
                "expected runs of the same test set"
            )


def _numbers(runs: list[CaseRun]) -> list[dict]:
    """Returns the results of each run, then of the averages of those that did not fail."""
    team = [run for run in runs if not run.fault]
    _at_least_two(team)
    _refuse_other_test_sets(team)
    rows = [
        {
            "case": f"{run.case.title}, seed {run.seed}",
            "style": run.style,
            "best_by": [],
            "validation_accuracy": run.result.get("validation_accuracy"),
            "test_accuracy": run.result.get("test_accuracy"),
            "gain": {},
            "note": cases.note([run]),
        }
        for run in runs
    ]
    members = [row for row, run in zip(rows, runs) if not run.fault]
    best = {}
    for kind in ("validation", "test"):
        if all(row[f"{kind}_accuracy"] is not None for row in members):
            best[kind] = max(members, key=lambda row: row[f"{kind}_accuracy"])
            best[kind]["best_by"].append(kind)
    weights = {"average": [1.0] * len(team)}
    if "validation" in best and best["validation"]["validation_accuracy"]:
        weights["weighted average"] = [row["validation_accuracy"] for row in members]
    return rows + [_average(name, weights[name], team, best) for name in weights]


def _average(name: str, weights: list[float], team: list[CaseRun], best: dict[str, dict]) -> dict:
    """Returns the results of the average of the runs' probabilities."""
    each = [probabilities(run.evaluation["logits"]) for run in team]
    classes = np.average(each, axis=0, weights=weights).argmax(axis=1)
    accuracy = float(np.mean(classes == team[0].evaluation["labels"]))
    return {
        "case": name,
        "style": team[0].style if len({run.style for run in team}) == 1 else "both",
        "best_by": None,
        "validation_accuracy": None,
        "test_accuracy": accuracy,
        "gain": {kind: accuracy - row["test_accuracy"] for kind, row in best.items()},
        "note": "",
    }


def _row(numbers: dict) -> dict[str, str]:
    return {
        "case": numbers["case"],
        "style": numbers["style"],
        "validation accuracy": tables.number(numbers["validation_accuracy"], ".4f"),
        "test accuracy": tables.number(numbers["test_accuracy"], ".4f"),
        "best by": " and ".join(numbers["best_by"] or []),
        "gain": ", ".join(f"{gain:+.4f}" for gain in numbers["gain"].values()),
        "note": numbers["note"],
    }


def _draw(title: str, rows: list[dict], path: str) -> None:
    """Draws the test accuracies in rows, and a line at each best run."""
    # A dark, narrow line is on a light, wide line. So both are visible where they coincide.
    strokes = {
        "validation": {"color": "#bbbbbb", "linewidth": 5, "zorder": 0},
        "test": {"color": "black", "linewidth": 1.3, "linestyle": ":", "zorder": 1},
    }
    with drawing.picture(path, 7, 1.8 + 0.3 * len(rows)) as figure:
        figure.suptitle(title)
        axes = figure.subplots()
        rows = [row for row in rows if row["test_accuracy"] is not None]
        for place, row in enumerate(rows):
            is_run = row["best_by"] is not None
            axes.plot(
                [row["test_accuracy"]],
                [place],
                "o" if is_run else "s",
                color=drawing.COLORS[not is_run],
                label="run" if is_run else "average of the runs",
            )
            for kind in row["best_by"] or []:
                label = f"best run by {kind} accuracy"
                axes.axvline(row["test_accuracy"], label=label, **strokes[kind])
        axes.set_yticks(range(len(rows)), [_shortened(row["case"]) for row in rows])
        axes.invert_yaxis()
        axes.set_xlabel("test accuracy (fraction right)")
        drawing.legend(figure, axes)


def _shortened(name: str, length: int = 36) -> str:
    """Shortens a long name, such as a path, at its beginning."""
    return name if len(name) <= length else "…" + name[1 - length :]
