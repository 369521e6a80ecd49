"""Compares optimizers by K-fold cross-validation on the training set of Fashion-MNIST.

    python -m compare crossval --folds=5

The training examples are split into folds, in the file's order. Each optimizer is trained once for
each fold: it trains on all other folds and is validated on this one. Writes table.md, results.json
and boxplot.png to runs/crossval, beside the runs. Run the same command again to resume. Exit 1 if a
run failed or the styles differ.
"""

import argparse
import itertools
import os
from dataclasses import replace

from compare import drawing, options, tables
from compare.experiments import cases, ladder, sweep
from compare.experiments.cases import Case, CaseRun

# The source's mean over five folds.
SOURCE = {
    "sgd": 0.8607,
    "adam": 0.8967,
    "adagrad": 0.8331,
    "rmsprop": None,  # the source has Keras's
    "rmsprop_keras2": 0.8793,
}
EPOCHS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folds",
        type=options.at_least(2, 100),
        metavar="K",
        help="number of folds (default: 5, with --quick 2)",
    )
    ladder.add_parity(parser)
    cases.add_arguments(parser, os.path.join("runs", "crossval"))


def main(arguments: argparse.Namespace) -> int:
    console = tables.console()
    directory = options.output_dir(arguments, "crossval")
    folds = arguments.folds or (2 if arguments.quick else 5)
    chosen = [
        cases.override(replace(case, source=SOURCE[case.title]), arguments)
        for case in sweep.SWEEPS["optimizers"].all(epochs=EPOCHS)
        if case.title in SOURCE
    ]
    split = [part for case in chosen for part in _split(case, folds)]
    twins = ladder.parity_of_cases(chosen, arguments, directory, console)
    runs = cases.run_all(split, arguments, directory, console)
    groups = cases.groups(runs, lambda run: run.case.flags["optimizer"])
    numbers = [_numbers(group, twins) for group in groups]
    title = f"{folds}-fold cross-validation of optimizers on {chosen[0].flags['dataset']}"
    drawn = [row for row in numbers if row["style"] == runs[0].style and row["validation_accuracy"]]
    if drawn:
        _draw(title, drawn, os.path.join(directory, "boxplot.png"))
    notes = [
        "Validation accuracy on the held-out fold after the last epoch: mean ± standard deviation."
    ]
    table = tables.Table(title, [_row(row) for row in numbers], notes)
    tables.write(table, numbers, cases.device(runs), directory, console)
    return cases.exit_code(runs) or int(any(not same for _, same in twins.values()))


def _split(case: Case, folds: int) -> list[Case]:
    """Returns one case for each held-out fold; the folds' sizes differ by at most one example."""
    total = cases.training_examples(case.flags["dataset"], case.flags.get("data_dir", ""))
    ends = [total * fold // folds for fold in range(folds + 1)]
    source = case.source if folds == 5 else None
    return [
        replace(
            case,
            title=f"{case.title}, fold {fold}",
            flags={**case.flags, "validation_size": end - start, "validation_start": start},
            source=source,
        )
        for fold, (start, end) in enumerate(itertools.pairwise(ends), 1)
    ]


def _numbers(group: list[CaseRun], twins: dict[str, tuple[str, bool]]) -> dict:
    """Returns the results of one optimizer in one style, over all folds and seeds."""
    good = [run for run in group if not run.fault]
    return {
        "case": group[0].case.flags["optimizer"],
        "style": group[0].style,
        "source": group[0].case.source,
        "validation_accuracy": [run.result["validation_accuracy"] for run in good],
        "minutes": cases.mean_minutes(good),
        "twins": twins.get(group[0].case.flags["optimizer"], ("", True))[0],
        "note": cases.note(group),
        "runs": [run.directory for run in group],
    }


def _row(numbers: dict) -> dict[str, str]:
    values = numbers["validation_accuracy"]
    return {
        "case": numbers["case"],
        "style": numbers["style"],
        "source": tables.number(numbers["source"], ".4f"),
        "validation accuracy": tables.spread(values),
        "points from the source": cases.points_from(numbers["source"], values),
        "lowest": tables.number(min(values, default=None), ".4f"),
        "highest": tables.number(max(values, default=None), ".4f"),
        "minutes a fold": tables.number(numbers["minutes"], ".2f"),
        "twins": numbers["twins"],
        "note": numbers["note"],
    }


def _draw(title: str, rows: list[dict], path: str) -> None:
    """Draws a box for each optimizer, a point for each fold, and the source's mean beside it."""
    with drawing.picture(path, 7, 4.5) as figure:
        axes = figure.subplots()
        axes.set_title(title)
        for place, row in enumerate(rows, 1):
            values = row["validation_accuracy"]
            axes.boxplot(values, positions=[place], widths=0.5, showfliers=False)
            folds = {"markersize": 5, "markerfacecolor": "none", "label": "fold"}
            axes.plot([place] * len(values), values, "o", color=drawing.COLORS[0], **folds)
            if row["source"]:
                (source,) = axes.plot([place + 0.33], [row["source"]], "D", color=drawing.COLORS[1])
                source.set_label("mean of the source")
        axes.set_xticks(range(1, len(rows) + 1), [row["case"] for row in rows])
        axes.set_ylabel("validation accuracy (fraction right)")
        axes.set_xlabel("optimizer")
        drawing.legend(figure, axes)
