"""`python -m compare sweep`, `crossval`, `ensemble` and `tune`, from outside.

Most tests run a stand-in for the scripts, which takes their flags and leaves their files, but
trains nothing.
"""

import argparse
import io
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from test_style import defaults

from compare import runner
from compare.__main__ import main
from compare.experiments import cases, sweep
from shared import flags
from shared.console import StopRun, UserError

STAND_IN = """
import json, os, pathlib, sys, time, zlib
import numpy as np

if sys.argv[1:] == ["--help"]:
    sys.exit(print("  --epochs: Epochs.\\n    (default: '2')"))
flags = dict(flag[2:].partition("=")[::2] for flag in sys.argv[1:])
style = pathlib.Path(sys.argv[0]).parent.name
project = pathlib.Path(sys.argv[0]).parents[1]
with open(project / "started", "a") as file:
    print(style, *sys.argv[1:], file=file)
orders = json.loads((project / "orders.json").read_text())  # what else it is told to do
run_dir = pathlib.Path(flags.pop("run_dir"))
run_dir.mkdir(parents=True, exist_ok=True)
before = run_dir / "result.json"
if before.exists() and json.loads(before.read_text())["flags"] != flags:
    sys.exit(print(f"the run in {run_dir} has other flags", file=sys.stderr) or 2)
result = {
    "script": "mnist_mlp", "style": style, "status": "running", "step": 0, "threads": 1,
    "flags": flags, "device": "an abacus", "versions": {}, "command": sys.argv, "started": "now",
    "peak_memory_mib": 1.0,
}
before.write_text(json.dumps(result))
print("step 0, training accuracy 0.1", flush=True)
time.sleep(orders.get("sleep", 0))
for name, (code, line) in orders.get("ends", {}).items():
    if name in " ".join(sys.argv):
        sys.exit(print(line, file=sys.stderr) or code)

name = flags.get("optimizer", "") + flags["seed"] + flags.get("validation_start", "")
random = np.random.RandomState(zlib.crc32(name.encode()))
held_out = "test" if flags.get("validation_size") == "0" else "validation"
epochs = int(flags.get("epochs", 2))
quality = 0.9 + 0.05 * random.rand()
with open(run_dir / "history.csv", "w") as file:
    print("epoch,step,learning_rate,training_loss,training_accuracy", end=",", file=file)
    print(f"{held_out}_loss,{held_out}_accuracy", file=file)
    for epoch in range(1, epochs + 1):
        accuracy = quality - 0.3 / epoch + 0.01 * random.rand()
        print(epoch, epoch * 10, 0.1, 0.1, accuracy + 0.02, 0.1, accuracy, sep=",", file=file)
labels = np.arange(200, dtype=np.uint8) % 10
labels[0] += orders.get("other_labels", {}).get(flags["seed"], 0)
logits = np.eye(10, dtype=np.float32)[labels] + random.rand(200, 10).astype(np.float32) * 1.2
logits[0, 0] += orders.get("apart", {}).get(style, 0)
np.savez(
    run_dir / "evaluation.npz", labels=labels, logits=logits, mistakes=np.zeros(0, np.int64),
    images=np.zeros((0, 28, 28), np.uint8), filters=np.zeros((1, 28, 28), np.float32),
)
result.update(
    status="complete", step=epochs * 10, steps_per_second=100.0, train_seconds=1.0,
    test_accuracy=float(np.mean(logits.argmax(axis=1) == labels)), test_loss=0.1,
    validation_accuracy=None if held_out == "test" else accuracy,
)
before.write_text(json.dumps(result))
"""


@pytest.fixture(autouse=True)
def forget_defaults():
    """Each test has its own programs, so their defaults are asked for anew."""
    runner.defaults.cache_clear()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The stand-in in the place of the scripts, and an empty folder as the current one."""
    root = tmp_path / "project"
    for style in runner.STYLES:
        (root / style).mkdir(parents=True)
        (root / style / "mnist_mlp.py").write_text(STAND_IN)
    (root / "orders.json").write_text("{}")
    monkeypatch.setattr(runner, "ROOT", root)
    monkeypatch.chdir(tmp_path)
    return root


def order(project, **orders):
    (project / "orders.json").write_text(json.dumps(orders))


def started(project):
    """Returns the flags of the runs that were started since this was last asked."""
    path = project / "started"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [dict(flag[2:].partition("=")[::2] for flag in line.split()[1:]) for line in lines]


def rows(folder):
    return json.loads(Path(folder, "results.json").read_text())["rows"]


def size(path):
    with Image.open(path) as picture:
        picture.load()
        return picture.size


@pytest.mark.proof
def test_sweep(project, capsys):
    assert main(["sweep", "optimizers", "--quick"]) == 0
    runs = started(project)
    assert [run["optimizer"] for run in runs] == [
        *("sgd", "momentum", "nesterov", "adam", "adagrad", "rmsprop", "rmsprop_keras2")
    ]
    assert {run["dataset"] for run in runs} == {"digits"}
    folder = Path("runs/sweep/optimizers-quick")
    found = rows(folder)
    assert [row["case"] for row in found] == [run["optimizer"] for run in runs]
    text = (folder / "table.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert lines[0] == "| case | style | test accuracy | best epoch | accuracy then | minutes |"
    for row, line in zip(found, lines[2:]):
        assert f"| {row['case']} | tf2_style | {row['test_accuracy'][0]:.4f} |" in line
        assert row["minutes"] == 30 / 100 / 60
    assert "an abacus" in text and "rmsprop_keras2 the mean square starts at 0" in text
    width, height = size(folder / "curves.png")
    assert 1000 < width < 2000 and 500 < height < 1500
    assert "adam, seed 0, tf2_style: test accuracy 0." in capsys.readouterr().out

    assert main(["sweep", "optimizers", "--quick", "--seeds=0,2-3"]) == 0
    assert [run["seed"] for run in started(project)] == ["2", "3"] * 7
    values = rows(folder)[0]["test_accuracy"]
    assert (
        f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}" in (folder / "table.md").read_text()
    )


def test_best_epoch_and_curves_of_few_epochs(project):
    assert main(["sweep", "losses", "--quick", "--epochs=1", "--output_dir=one"]) == 0
    assert [row["best_epoch"] for row in rows("one")] == [1, 1]
    assert main(["sweep", "losses", "--quick", "--epochs=40", "--output_dir=forty"]) == 0
    history = np.genfromtxt(
        "forty/tf2_style/cross-entropy-seed0/history.csv", delimiter=",", names=True
    )
    row = rows("forty")[1]
    assert row["best_accuracy"] == history["test_accuracy"].max()
    assert row["best_epoch"] == history["test_accuracy"].argmax() + 1


@pytest.mark.parametrize(
    ("flags", "steps", "epochs"),
    [
        ({"max_steps": 50}, 50, None),
        ({"max_steps": 50, "epochs": 1, "batch_size": 100}, 13, 1),
        ({"epochs": 3, "batch_size": 100, "validation_size": 0}, 42, 3),
        ({"epochs": 3, "batch_size": 100, "validation_size": 397}, 30, 3),
        ({}, None, 2),  # the program's own, which has no --batch_size
    ],
)
def test_totals_of_a_progress_bar(project, flags, steps, epochs):
    case = cases.Case("case", {"dataset": "digits", **flags})
    assert cases.totals(case) == {"steps": steps, "epochs": epochs}


@pytest.mark.parametrize(
    ("totals", "line", "shown"),
    [
        ({"steps": 200}, ("step", 50), " 25% step 50 of 200 "),
        ({"epochs": 4}, ("epoch", 3), " 75% epoch 3 of 4 "),
        ({"steps": 1000, "epochs": 4}, ("step", 10), "  1% step 10 of 1,000 "),
        ({}, ("step", 50), " step 50 "),
    ],
)
def test_progress_bars_move(totals, line, shown):
    """They show the place, the total, the share and, from the third line on, the time left."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    with runner.progress(console, "a run", **totals) as follow:
        follow(line[0], 0)
        follow(line[0], 1)
        time.sleep(0.02)
        follow(*line)
    last = screen.getvalue().split("a run")[-1]
    assert shown in last
    assert bool(re.search(r"0:\d\d:\d\d", last)) == bool(totals)


def test_both_styles(project):
    assert main(["sweep", "losses", "--quick", "--style=both"]) == 0
    found = rows("runs/sweep/losses-quick")
    assert [(row["style"], row["note"]) for row in found] == [
        ("tf1_style", ""),
        ("tf2_style", "bit-identical"),
    ] * 2
    order(project, apart={"tf1_style": 0.25})
    assert main(["sweep", "losses", "--quick", "--style=both", "--output_dir=apart"]) == 1
    assert rows("apart")[1]["note"] == "logits differ by up to 0.25 from tf1_style"


def test_a_run_that_fails_is_a_row_that_says_so(project):
    order(project, ends={"squared": (3, "the loss is nan | at step 7")})
    assert main(["sweep", "losses", "--quick"]) == 1
    folder = Path("runs/sweep/losses-quick")
    assert rows(folder)[0]["note"] == "exit 3: the loss is nan | at step 7"
    assert rows(folder)[1]["test_accuracy"] and size(folder / "curves.png")
    assert "nan \\| at step 7 |\n" in (folder / "table.md").read_text()
    order(project)
    started(project)
    assert main(["sweep", "losses", "--quick"]) == 0
    assert [run["loss"] for run in started(project)] == ["mean_squared_error"]
    order(project, ends={"loss": (-9, "")})
    assert main(["sweep", "losses", "--quick", "--output_dir=none"]) == 1
    assert not Path("none/curves.png").exists() and Path("none/table.md").exists()


def test_what_a_script_refuses_ends_it_at_once(project):
    main(["sweep", "losses", "--quick", "--output_dir=a"])
    started(project)
    with pytest.raises(UserError, match="mean squared error, seed 0, tf2_style: .* other flags"):
        main(["sweep", "losses", "--quick", "--output_dir=a", "--epochs=7"])
    assert len(started(project)) == 1


def compare(project, *arguments):
    """Starts `python -m compare` with the stand-in, as a process."""
    code = (
        "import pathlib, sys\n"
        "from compare import __main__, runner\n"
        f"runner.ROOT = pathlib.Path({str(project)!r})\n"
        "with __main__.one_line_errors(): sys.exit(__main__.main(sys.argv[1:]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_and_gone_on_with(project, number):
    command = ["sweep", "optimizers", "--quick", "--seeds=1"]
    order(project, sleep=0.2)
    process = compare(project, *command)
    for _ in range(2):
        assert "test accuracy" in process.stdout.readline()
    process.send_signal(number)
    _, stderr = process.communicate()
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert stderr == "stopped by SIGINT; run the same command again to resume\n"
    else:
        time.sleep(2)  # so that the run that was left alone has come to its end
    order(project)
    complete = {
        json.loads(path.read_text())["flags"]["optimizer"]
        for path in Path("runs/sweep/optimizers-quick/tf2_style").glob("*/result.json")
        if "complete" in path.read_text()
    }
    assert {"sgd", "momentum"} <= complete < {"sgd", "momentum", "nesterov", "adam"}
    started(project)
    assert main(command) == 0
    assert not complete & {run["optimizer"] for run in started(project)}


@pytest.mark.proof
def test_parity_of_a_sweep(project):
    """Both styles of each case are compared once, before one of them is trained."""
    command = ["sweep", "losses", "--quick", "--parity"]
    assert main(command) == 0
    runs = started(project)
    assert ["parity" in run["run_dir"] for run in runs] == [True] * 4 + [False] * 2
    assert [row["twins"] for row in rows("runs/sweep/losses-quick")] == ["the same lines"] * 2
    assert "points from the source" not in Path("runs/sweep/losses-quick/table.md").read_text()
    assert main(command) == 0 and started(project) == []

    order(project, ends={"/parity/": (1, "out of paper")})
    assert main([*command, "--output_dir=other"]) == 1
    assert rows("other")[0]["twins"] == "tf1_style: exit 1: out of paper"


def test_difference_from_the_source():
    assert cases.points_from(0.9, [0.91, 0.92]) == "+1.50"
    assert cases.points_from(None, [0.91]) == cases.points_from(0.9, []) == ""


def test_figures_of_the_source_only_for_what_it_measured():
    arguments = argparse.Namespace(
        quick=False, dataset=None, epochs=None, data_dir=None, threads=2, device=None
    )
    adam = sweep.SWEEPS["optimizers"].all()[3]
    same = cases.override(adam, arguments)
    assert same.source == 0.8986 and same.flags["threads"] == 2
    arguments.epochs = 50
    assert cases.override(adam, arguments).source == 0.8986
    arguments.epochs = 10
    assert cases.override(adam, arguments).source is None
    arguments.epochs, arguments.quick = None, True
    assert cases.override(adam, arguments).source is None


def test_the_scripts_know_the_flags():
    known = defaults(ROOT / "tf2_style" / "mnist_mlp.py")
    for series in sweep.SWEEPS.values():
        for case in series.all():
            command = ["x", *(f"--{name}={value}" for name, value in case.flags.items())]
            parsed = flags.parse(command, "", **known)
            assert parsed.epochs == case.flags["epochs"] and parsed.validation_size == 0


def test_crossval(project):
    assert main(["crossval", "--quick", "--folds=3"]) == 0
    runs = started(project)
    assert len(runs) == 15 and {run["optimizer"] for run in runs} == {
        *("sgd", "adam", "adagrad", "rmsprop", "rmsprop_keras2")
    }
    folds = [
        range(start, start + int(run["validation_size"]))
        for run in runs[:3]
        for start in [int(run["validation_start"])]
    ]
    assert [number for fold in folds for number in fold] == list(range(1397))
    folder = Path("runs/crossval-quick")
    row = rows(folder)[0]
    results = [json.loads(Path(run, "result.json").read_text()) for run in row["runs"]]
    assert row["validation_accuracy"] == [result["validation_accuracy"] for result in results]
    assert len(row["validation_accuracy"]) == 3 and row["source"] is None
    assert size(folder / "boxplot.png")
    assert "3-fold cross-validation" in (folder / "table.md").read_text()


def test_ensemble_of_seeds(project):
    command = ["ensemble", "--script=mnist_mlp", "--quick", "--seeds=0-3", "--hidden=32"]
    assert main(command) == 0
    runs = started(project)
    assert [(run["seed"], run["hidden"]) for run in runs] == [(str(i), "32") for i in range(4)]
    *members, average, weighted = rows("runs/ensemble-quick")
    best = max(members, key=lambda row: row["validation_accuracy"])
    assert "validation" in best["best_by"] and sum(len(row["best_by"]) for row in members) == 2
    assert average["test_accuracy"] > max(row["test_accuracy"] for row in members)
    gain = weighted["test_accuracy"] - best["test_accuracy"]
    assert weighted["gain"]["validation"] == gain > 0
    assert size("runs/ensemble-quick/ensemble.png")


def test_ensemble_of_folders(project):
    assert main(["sweep", "losses", "--quick", "--style=both"]) == 0
    started(project)
    folders = sorted(map(str, Path("runs/sweep/losses-quick").glob("*/*")))
    assert len(folders) == 4
    assert main(["ensemble", *folders]) == 0
    assert not started(project)
    # They were trained on all examples, so there is no validation accuracy to go by.
    assert [row["case"] for row in rows("runs/ensemble")][4:] == ["average"]
    logits = [np.load(f"{folder}/evaluation.npz")["logits"].astype(float) for folder in folders]
    powers = [np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in logits]
    labels = np.load(f"{folders[0]}/evaluation.npz")["labels"]
    accuracy = np.mean(np.mean(powers, axis=0).argmax(axis=1) == labels)
    assert rows("runs/ensemble")[4]["test_accuracy"] == accuracy


def test_what_cannot_be_averaged(project):
    order(project, other_labels={"1": 1})
    with pytest.raises(UserError, match="expected runs of the same test set"):
        main(["ensemble", "--script=mnist_mlp", "--quick", "--seeds=0-1"])
    folder = "runs/ensemble-quick/tf2_style/mnist_mlp-seed0"
    for wrong, message in {
        "": "expected the folders of at least 2 runs, or --script",
        "--script=typo": "there is no .*typo.py",
        "--script=mnist_mlp --seed=3": "got --seed=3, expected flags of mnist_mlp",
        "--script=mnist_mlp --verbose": "got --verbose, expected flags of mnist_mlp",
        "--script=mnist_mlp --seeds=0": "1 to average, expected at least 2",
        f"{folder} --seeds=0-1": "got --seeds beside",
        f"{folder} --hidden=5": "got --hidden=5 beside",
        f"{folder} --script=mnist_mlp": "got --script beside",
        folder: "1 to average, expected at least 2",
        f"{folder} nowhere": "nowhere/result.json: not the result of a run",
    }.items():
        with pytest.raises(UserError, match=message):
            main(["ensemble", *shlex.split(wrong)])
    assert not Path("runs/ensemble").exists()

    order(project, ends={"seed=2": (3, "the loss is nan at step 7")})
    assert (
        main(["ensemble", "--script=mnist_mlp", "--quick", "--seeds=0,2,3", "--output_dir=a"]) == 1
    )
    assert rows("a")[1]["note"] == "exit 3: the loss is nan at step 7"
    with pytest.raises(UserError, match="1 to average"):
        main(["ensemble", "--script=mnist_mlp", "--quick", "--seeds=0,2", "--output_dir=a"])


def flags_of(folder):
    return {row["trial"]: row["flags"] for row in rows(folder)}


@pytest.mark.proof
def test_tune_draws_the_same_however_often_it_is_stopped(project):
    pytest.importorskip("optuna")
    command = ["tune", "--dataset=digits", "--epochs=2"]
    assert main([*command, "--trials=12", "--output_dir=unbroken"]) == 0
    runs = started(project)
    assert len(runs) == 12 and "validation_size" not in runs[0]

    assert main([*command, "--trials=3", "--output_dir=broken"]) == 0
    order(project, ends={"trial-3-": (-9, ""), "trial-10-": (1, "no room")})
    for trial in (3, 3):
        with pytest.raises(
            StopRun, match=f"trial {trial}: exit .*; run the same command again to retry"
        ):
            main([*command, "--trials=11", "--output_dir=broken"])
    order(project)
    assert main([*command, "--trials=12", "--output_dir=broken"]) == 0
    assert flags_of("broken") == flags_of("unbroken")
    started(project)
    assert main([*command, "--trials=5", "--output_dir=broken"]) == 0  # they are there already
    assert not started(project) and size("broken/trials.png")
    Path("broken/study.db").unlink()
    assert main([*command, "--trials=12", "--output_dir=broken"]) == 0
    assert not started(project) and flags_of("broken") == flags_of("unbroken")

    text = Path("broken/table.md").read_text()
    again = re.search("`(python tf2_style/mnist_mlp.py .*)`", text)[1]
    best = max(rows("broken"), key=lambda row: row["validation_accuracy"])
    assert shlex.split(again)[2:] == [
        *("--dataset=digits", "--epochs=2"),
        *(f"--{name}={value}" for name, value in best["flags"].items()),
        "--seed=0",
    ]


def test_tune_goes_on_after_a_loss_that_is_not_finite(project):
    pytest.importorskip("optuna")
    order(project, ends={"trial-0-": (3, "the loss is nan at step 7")})
    assert main(["tune", "--quick", "--style=both", "--trials=2"]) == 0
    first, last = rows("runs/tune-quick")
    assert (first["trial"], first["note"]) == (1, "bit-identical")
    assert (last["trial"], last["note"]) == (0, "exit 3: the loss is nan at step 7")
    assert last["validation_accuracy"] is None
    order(project, ends={"tf1_style/trial-2-": (3, "the loss is nan at step 7")})
    assert main(["tune", "--quick", "--style=both", "--trials=3"]) == 1


def test_tune_refuses_what_does_not_fit(project, monkeypatch):
    pytest.importorskip("optuna")
    main(["tune", "--quick", "--trials=1", "--output_dir=a b%20?#"])
    assert Path("a b%20?#/study.db").exists()
    with pytest.raises(UserError, match="has epochs 3, not 4; give the same values"):
        main(["tune", "--quick", "--epochs=4", "--output_dir=a b%20?#"])
    Path("broken").mkdir()
    Path("broken/study.db").write_text("no database" * 100)
    with pytest.raises(UserError, match="study.db: something else is there, .* a study of Optuna"):
        main(["tune", "--quick", "--output_dir=broken"])
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match="optuna.*; .venv/bin/pip install optuna installs it"):
        main(["tune"])


@pytest.mark.parametrize(
    ("command", "message"),
    {
        "sweep": "required: NAME",
        "sweep typo": "argument NAME: invalid choice: 'typo'",
        "sweep losses --style=tf3": "argument --style: invalid choice: 'tf3'",
        "sweep losses --seeds=x": "--seeds: got 'x', expected seeds",
        "sweep losses --epochs=0": "--epochs: got '0', expected a whole number from 1",
        "sweep losses --hidden=3": "unexpected --hidden=3",
        "sweep losses --data_dir=typo": "no folder typo",
        "crossval --folds=1": "--folds: got '1', expected a whole number from 2",
        "tune --trials=0": "--trials: got '0', expected a whole number from 1",
    }.items(),
)
def test_wrong_options(project, command, message):
    with pytest.raises(UserError) as caught:
        main(command.split())
    assert message in str(caught.value)
    assert not Path("runs").exists() and not started(project)


@given(st.lists(st.tuples(st.integers(0, 2**31 - 100), st.integers(0, 20)), min_size=1, max_size=4))
def test_seeds(pairs):
    text = ",".join(f"{first}-{first + more}" if more else str(first) for first, more in pairs)
    expected = [seed for first, more in pairs for seed in range(first, first + more + 1)]
    assert cases.parse_seeds(text) == list(dict.fromkeys(expected))


@given(st.text("0123456789-, +x²") | st.text())
def test_seeds_or_an_error(text):
    try:
        seeds = cases.parse_seeds(text)
    except argparse.ArgumentTypeError as error:
        assert repr(text) in str(error)
    else:
        assert seeds and all(0 <= seed < 2**31 for seed in seeds)


@pytest.mark.proof
def test_the_scripts_themselves(run, tmp_path):
    """Both losses in both styles on the digits, then once more: nothing is left to run."""
    command = ["-m", "compare", "sweep", "losses", "--quick", "--style=both"]
    first = run(*command)
    found = rows(tmp_path / "runs/sweep/losses-quick")
    assert [row["note"] for row in found] == ["", "bit-identical"] * 2
    assert all(row["test_accuracy"][0] > 0.8 and row["best_accuracy"] > 0.8 for row in found)
    started = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("result.json")}
    assert len(started) == 4 and run(*command).stdout == first.stdout
    assert all(path.stat().st_mtime_ns == then for path, then in started.items())
    process = run("-m", "compare", "sweep", "losses", "--seeds=x", check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
