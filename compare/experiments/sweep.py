"""Runs a named series of cases and compares their accuracies and learning curves.

    python -m compare sweep losses
    python -m compare sweep optimizers --seeds=0-4 --style=both
    python -m compare sweep optimizers --seeds=0-2 --parity

Writes table.md, results.json and curves.png to runs/sweep/NAME, beside the runs. The training
accuracy in the picture is measured on as many examples as the test set has. Run the same command
again to resume. Exit 1 if a run failed or the styles differ.
"""

import argparse
import os
from dataclasses import dataclass, replace

import numpy as np

from compare import drawing, options, tables
from compare.experiments import cases, ladder
from compare.experiments.cases import Case, CaseRun


@dataclass(frozen=True)
class Sweep:
    """Cases that differ in one thing.

    Attributes
    ----------
    common : the flags of all cases.
    cases : each with its own flags.
    note : printed below the table.
    """

    title: str
    common: dict[str, object]
    cases: list[Case]
    note: str = ""

    def all(self, **flags: object) -> list[Case]:
        """Returns the cases with all their flags; `flags` replace common ones."""
        return [replace(case, flags={**self.common, **flags, **case.flags}) for case in self.cases]


_DEEP = {"hidden": "1024,512,512,512", "validation_size": 0}
_TANH = {
    **_DEEP,
    "dataset": "mnist",
    "activation": "tanh",
    "optimizer": "adam",
    "batch_size": 128,
    "epochs": 30,
}
_SQUARES = {**_TANH, "output_activation": "tanh", "loss": "mean_squared_error"}

SWEEPS = {
    "losses": Sweep(
        "Losses of a deep network",
        {**_TANH, "initializer": "glorot_uniform", "learning_rate": 0.001},
        [
            Case(
                "mean squared error",
                {"loss": "mean_squared_error", "output_activation": "tanh"},
                source=0.9809,
            ),
            Case(
                "cross-entropy",
                {"loss": "cross_entropy", "output_activation": "linear"},
                source=0.9824,
            ),
        ],
    ),
    "optimizers": Sweep(
        "Optimizers of a deep network",
        {
            **_DEEP,
            "dataset": "fashion_mnist",
            "activation": "relu",
            "initializer": "glorot_uniform",
            "loss": "cross_entropy",
            "batch_size": 256,
            "epochs": 50,
        },
        [
            Case("sgd", {"optimizer": "sgd", "learning_rate": 0.01}, source=0.8708),
            Case("momentum", {"optimizer": "momentum", "learning_rate": 0.01}),
            Case("nesterov", {"optimizer": "nesterov", "learning_rate": 0.01}),
            Case("adam", {"optimizer": "adam", "learning_rate": 0.001}, source=0.8986),
            Case("adagrad", {"optimizer": "adagrad", "learning_rate": 0.001}, source=0.8511),
            Case("rmsprop", {"optimizer": "rmsprop", "learning_rate": 0.001}),
            Case(
                "rmsprop_keras2",
                {"optimizer": "rmsprop_keras2", "learning_rate": 0.001},
                source=0.8993,
            ),
        ],
        "The source has the optimizers of Keras. rmsprop is that of TensorFlow 1: its mean square "
        "starts at 1, its epsilon is 1e-10. In rmsprop_keras2 the mean square starts at 0, and "
        "1e-7 is added to its root. So in the first steps rmsprop moves a weight by about the "
        "learning rate times its gradient, as sgd does, but rmsprop_keras2 moves it by 3.2 times "
        "the learning rate, even if the gradient is small.",
    ),
    "initializers": Sweep(
        "Initial weights of a deep network",
        {**_SQUARES, "learning_rate": 0.001},
        [
            Case("glorot_uniform", {"initializer": "glorot_uniform"}),
            Case("uniform", {"initializer": "uniform"}),
        ],
    ),
    "learning_rates": Sweep(
        "Learning rates of a deep network with uniform weights",
        {**_SQUARES, "initializer": "uniform"},
        [Case(f"{rate:g}", {"learning_rate": rate}) for rate in (5e-3, 1e-3, 1e-4, 5e-5)],
    ),
}
_BEST = (
    "The best epoch is chosen by the test accuracy itself, so its accuracy is a little too high."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=SWEEPS, metavar="NAME", help="one of " + ", ".join(SWEEPS))
    ladder.add_parity(parser)
    cases.add_arguments(parser, os.path.join("runs", "sweep", "NAME"))


def main(arguments: argparse.Namespace) -> int:
    console = tables.console()
    sweep = SWEEPS[arguments.name]
    directory = options.output_dir(arguments, os.path.join("sweep", arguments.name))
    chosen = [cases.override(case, arguments) for case in sweep.all()]
    twins = ladder.parity_of_cases(chosen, arguments, directory, console)
    runs = cases.run_all(chosen, arguments, directory, console)
    numbers = [_numbers(group, twins) for group in cases.groups(runs)]
    title = f"{sweep.title} on {chosen[0].flags['dataset']}"
    good = [run for run in runs if run.style == runs[0].style and not run.fault]
    if good:
        _draw(title, good, os.path.join(directory, "curves.png"))
    notes = [sweep.note, tables.of_seeds(arguments.seeds), _BEST]
    table = tables.Table(title, [_row(row) for row in numbers], notes)
    tables.write(table, numbers, cases.device(runs), directory, console)
    return cases.exit_code(runs) or int(any(not same for _, same in twins.values()))


def _numbers(group: list[CaseRun], twins: dict[str, tuple[str, bool]]) -> dict:
    """Returns the results of one case in one style."""
    good = [run for run in group if not run.fault]
    numbers = {
        "case": group[0].case.title,
        "style": group[0].style,
        "source": group[0].case.source,
        "test_accuracy": [run.result["test_accuracy"] for run in good],
        "best_epoch": None,
        "best_accuracy": None,
        "minutes": cases.mean_minutes(good),
        "twins": twins.get(group[0].case.title, ("", True))[0],
        "note": cases.note(group),
        "runs": [run.directory for run in group],
    }
    if good:
        curve = np.mean([run.history["test_accuracy"] for run in good], axis=0)
        numbers["best_epoch"] = int(good[0].history["epoch"][curve.argmax()])
        numbers["best_accuracy"] = float(curve.max())
    return numbers


def _row(numbers: dict) -> dict[str, str]:
    return {
        "case": numbers["case"],
        "style": numbers["style"],
        "source": tables.number(numbers["source"], ".4f"),
        "test accuracy": tables.spread(numbers["test_accuracy"]),
        "points from the source": cases.points_from(numbers["source"], numbers["test_accuracy"]),
        "best epoch": tables.number(numbers["best_epoch"], "d"),
        "accuracy then": tables.number(numbers["best_accuracy"], ".4f"),
        "minutes": tables.number(numbers["minutes"], ".2f"),
        "twins": numbers["twins"],
        "note": numbers["note"],
    }


def _draw(title: str, runs: list[CaseRun], path: str) -> None:
    """Draws training and test accuracy by epoch: one panel for two cases, two panels for more."""
    groups = cases.groups(runs)
    together = len(groups) <= 2
    with drawing.picture(path, 7 if together else 10, 5) as figure:
        figure.suptitle(title)
        panels = figure.subplots(1, 1 if together else 2, sharey=True, squeeze=False)[0]
        for number, group in enumerate(groups):
            for axes, kind in zip((panels[0], panels[-1]), ("training", "test")):
                line = _curve(axes, group, kind, number)
                line.set_label(group[0].case.title + (f", {kind}" if together else ""))
                if together and kind == "training":
                    line.set(linestyle="--", markerfacecolor="white")
        for number, group in enumerate(groups):
            if group[0].case.source:
                _reference(panels[-1], group[0].case.source, number)
        panels[0].set_ylabel("accuracy (fraction right)")
        for axes, kind in zip(panels, ("training", "test")):
            axes.set_title("" if together else f"{kind} accuracy")
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
        drawing.legend(figure, panels[-1])


def _curve(axes, group: list[CaseRun], kind: str, number: int):
    """Draws the mean over the seeds, and the range from lowest to highest; returns the line."""
    curves = np.array([run.history[f"{kind}_accuracy"] for run in group])
    epochs = group[0].history["epoch"]
    color = drawing.COLORS[number]
    every = -(-len(epochs) // 10)
    if len(group) > 1:
        axes.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), color=color, alpha=0.15)
    (line,) = axes.plot(
        epochs,
        curves.mean(axis=0),
        color=color,
        marker=drawing.MARKERS[number],
        markevery=(number % every, every),  # so that the markers of similar curves do not overlap
        markersize=5,
        linewidth=1.3,
    )
    return line


def _reference(axes, value: float, number: int) -> None:
    """Draws the source's figure as a dotted line, with the case's marker at its end."""
    color = drawing.COLORS[number]
    axes.axhline(value, color=color, linestyle=":", linewidth=1.3)
    axes.plot(
        [1.01],
        [value],
        color=color,
        marker=drawing.MARKERS[number],
        markersize=5,
        transform=axes.get_yaxis_transform(),
        clip_on=False,
    )
    # An entry for the legend, in a colour of its own.
    axes.plot([], [], color="grey", linestyle=":", label="test accuracy of the source")
