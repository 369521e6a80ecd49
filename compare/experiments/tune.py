"""Searches for the optimizer, learning rate, dropout, layers and batch size of the best network.

    python -m compare tune --trials=40

Each trial is a setting of mnist_mlp that Optuna's TPE sampler proposes from the earlier trials.
Writes table.md, results.json, trials.png and study.db (for Optuna's dashboard) to runs/tune, beside
the runs. Run the same command again to resume; the trials are those of an uninterrupted search. A
larger --trials extends a search. A trial whose loss is not finite counts as a result. Exit 1 if
a run failed in another way or the styles differ.
"""

import argparse
import contextlib
import os
import shlex
from collections.abc import Iterator

import numpy as np

from compare import drawing, options, runner, tables
from compare.experiments import cases
from compare.experiments.cases import Case, CaseRun
from shared.console import StopRun, UserError

FLAGS = {"dataset": "mnist", "epochs": 5}
TUNED = ("optimizer", "learning_rate", "keep_prob", "hidden", "batch_size")
OPTIMIZERS = ("sgd", "momentum", "adagrad", "rmsprop", "adam")
_MOST_ROWS = 10  # in the table
_TICKS = (0, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1)  # of errors
_LOSS_NOT_FINITE = 3  # a script's exit code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trials",
        type=options.at_least(1, 10000),
        metavar="N",
        help="total number of trials, existing ones included (default: 20, with --quick 5)",
    )
    cases.add_arguments(parser, os.path.join("runs", "tune"))


def main(arguments: argparse.Namespace) -> int:
    _require_optuna()
    console = tables.console()
    directory = options.output_dir(arguments, "tune")
    common = cases.override(Case("", FLAGS), arguments).flags
    settings = {name: common[name] for name in FLAGS}
    settings.update(seeds=arguments.seeds, style=arguments.style)
    wanted = arguments.trials or (5 if arguments.quick else 20)
    with _opened(directory, settings) as study:
        for number in range(len(study.trials), wanted):
            trial = _next(study)
            case = Case(f"trial {number}", {**common, **_flags(trial)})
            runs = cases.run_all([case], arguments, directory, console)
            study.add_trial(_judged(trial, runs))
        trials = study.trials
    numbers = [{"trial": trial.number, **trial.user_attrs} for trial in trials]
    title = f"{len(numbers)} trials on {common['dataset']}, {common['epochs']} epochs each"
    _draw(title, numbers, os.path.join(directory, "trials.png"))
    numbers.sort(key=lambda row: -(row["validation_accuracy"] or 0))  # stable: the earlier first
    table = tables.Table(
        title, [_row(row) for row in numbers[:_MOST_ROWS]], _notes(numbers, common, arguments)
    )
    tables.write(table, numbers, numbers[0]["device"], directory, console)
    return int(any(row["differs"] for row in numbers))


def _require_optuna() -> None:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise UserError(f"{error}, which tune needs; .venv/bin/pip install optuna installs it")
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@contextlib.contextmanager
def _opened(directory: str, settings: dict[str, object]) -> Iterator:
    """Yields the study in a folder, a new one if there is none.

    Parameters
    ----------
    settings : the settings common to all trials.

    Raises
    ------
    UserError : the study's settings differ, or its file cannot be read or written.
    """
    import optuna
    import sqlalchemy

    path = os.path.join(directory, "study.db")
    url = sqlalchemy.URL.create("sqlite", database=path)  # a path may contain any character
    try:
        os.makedirs(directory, exist_ok=True)
        study = optuna.create_study(
            storage=url.render_as_string(),
            study_name="tune",
            direction="maximize",
            load_if_exists=True,
        )
        before = study.user_attrs.get("settings", settings)
        differing = [
            f"{name} {before.get(name)}, not {value}"
            for name, value in settings.items()
            if before.get(name) != value
        ]
        if differing:
            raise UserError(
                f"the search in {directory} has {'; '.join(differing)}; give the same values, or "
                "name another --output_dir"
            )
        study.set_user_attr("settings", settings)
        yield study
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        raise UserError(
            f"{path}: {str(error).splitlines()[0]}; remove it (the runs beside it are used again), "
            "or name another --output_dir"
        )


def _next(study):
    """Returns the next trial, which depends only on the finished trials.

    It belongs to a copy of the study, and its number seeds the sampler. So an interrupted trial
    leaves nothing in the study: the sampler draws the same trial again, and its run resumes.
    """
    import optuna

    sampler = optuna.samplers.TPESampler(seed=len(study.trials))
    copy = optuna.create_study(direction="maximize", sampler=sampler)
    copy.add_trials(study.trials)
    return copy.ask()


def _flags(trial) -> dict[str, object]:
    """Returns the flags of a trial, drawn by the sampler."""
    layers = trial.suggest_int("layers", 1, 3)
    units = [
        trial.suggest_int(f"units_{layer}", 32, 512, log=True) for layer in range(1, layers + 1)
    ]
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    return {
        "optimizer": trial.suggest_categorical("optimizer", OPTIMIZERS),
        "learning_rate": float(f"{rate:.3g}"),
        "keep_prob": round(trial.suggest_float("keep_prob", 0.5, 1, step=0.1), 1),
        "hidden": ",".join(map(str, units)),
        "batch_size": trial.suggest_categorical("batch_size", (32, 64, 128, 256)),
    }


def _judged(trial, runs: list[CaseRun]):
    """Returns a trial with the results of its runs, to be added to the study.

    Raises
    ------
    StopRun : a run failed for another reason than a loss that is not finite.
    """
    import optuna

    faults = [run for run in runs if run.fault]
    for run in faults:
        if run.exit_code != _LOSS_NOT_FINITE:
            raise StopRun(
                f"{run.case.title}: {run.fault}; run the same command again to retry it", 1
            )
    first = [run.result for run in runs if run.style == runs[0].style and not faults]
    means = {
        name: float(np.mean([result[name] for result in first])) if first else None
        for name in ("validation_accuracy", "test_accuracy")
    }
    return optuna.trial.create_trial(
        params=trial.params,
        distributions=trial.distributions,
        value=means["validation_accuracy"],
        # TPE ranks a pruned trial that reported no value below all others.
        state=optuna.trial.TrialState.PRUNED if faults else optuna.trial.TrialState.COMPLETE,
        user_attrs={
            **means,
            "flags": {name: runs[0].case.flags[name] for name in TUNED},
            "device": cases.device(runs),
            "note": cases.note(runs),
            "differs": cases.differ(runs),
            "runs": [run.directory for run in runs],
        },
    )


def _row(numbers: dict) -> dict[str, str]:
    flags = numbers["flags"]
    return {
        "trial": str(numbers["trial"]),
        "validation accuracy": tables.number(numbers["validation_accuracy"], ".4f"),
        "test accuracy": tables.number(numbers["test_accuracy"], ".4f"),
        "optimizer": flags["optimizer"],
        "learning rate": f"{flags['learning_rate']:g}",
        "keep_prob": f"{flags['keep_prob']:g}",
        "hidden": flags["hidden"],
        "batch size": str(flags["batch_size"]),
        "note": numbers["note"],
    }


def _notes(
    numbers: list[dict], common: dict[str, object], arguments: argparse.Namespace
) -> list[str]:
    """Returns the notes: the number of hidden rows, and how to run the best setting again."""
    lost = sum(row["validation_accuracy"] is None for row in numbers)
    notes = [f"The {min(len(numbers), _MOST_ROWS)} best by validation accuracy."]
    if lost:
        notes.append(f"In {lost} of the trials the loss was not finite.")
    if numbers[0]["validation_accuracy"] is None:
        return notes
    flags = {**common, **numbers[0]["flags"], "seed": arguments.seeds[0]}
    script = f"{runner.STYLES_OF[arguments.style][0]}/mnist_mlp.py"
    command = ["python", script, *(f"--{name}={flags[name]}" for name in flags)]
    return [*notes, f"To run the best one again: `{shlex.join(command)}`"]


def _draw(title: str, numbers: list[dict], path: str) -> None:
    """Draws the trials' errors in order, and by learning rate."""
    from matplotlib.ticker import FixedLocator

    good = [row for row in numbers if row["validation_accuracy"] is not None]
    errors = [1 - row["validation_accuracy"] for row in good]
    trials = [row["trial"] for row in good]
    rates = [row["flags"]["learning_rate"] for row in good]
    with drawing.picture(path, 10, 4.5) as figure:
        figure.suptitle(title)
        panels = figure.subplots(1, 2, sharey=True)
        for places, axes in zip((trials, rates), panels):
            for number, name in enumerate(OPTIMIZERS):
                chosen = [i for i, row in enumerate(good) if row["flags"]["optimizer"] == name]
                axes.plot(
                    [places[i] for i in chosen],
                    [errors[i] for i in chosen],
                    drawing.MARKERS[number],
                    color=drawing.COLORS[number],
                    label=name,
                )
        if good:
            best = np.minimum.accumulate(errors)
            panels[0].step(trials, best, where="post", color="grey", label="best so far")
        # Logarithmic, because good trials are close to each other; linear near an error of 0.
        panels[0].set_yscale("symlog", linthresh=0.01)
        panels[0].yaxis.set_major_locator(FixedLocator(_TICKS))
        panels[0].yaxis.set_major_formatter("{x:g}")
        panels[0].set_ylabel("validation error (fraction wrong)")
        panels[0].set_xlabel("trial")
        panels[0].xaxis.get_major_locator().set_params(integer=True)
        panels[1].set_xscale("log")
        panels[1].set_xlabel("learning rate")
        drawing.legend(figure, panels[0])
