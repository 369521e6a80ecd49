"""What happens after each epoch: what is measured, kept and decided, and that it survives."""

import csv
import json
import math
import re
import shutil
import signal
import subprocess
import sys

import forks
import numpy as np
import pytest
from conftest import STYLES, bits, script, tensors
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shared import batches, datasets, flags, schedules
from shared.console import UserError, quiet_import

with quiet_import(needs_keras=True):
    import keras

LOSSES = st.lists(st.integers(0, 40).map(lambda n: n / 8), max_size=30)
# The rate falls by the epoch and on plateaus, and the end is early.
FLAGS = [
    "--dataset=digits",
    "--batch_size=100",
    "--hidden=30",
    "--learning_rate=0.03",
    "--decay=0.9",
    "--reduce_on_plateau",
    "--plateau_patience=2",
    "--plateau_factor=0.5",
    "--early_stopping",
    "--patience=5",
    "--keep_best",
    "--save_activations",
    "--epochs=60",
    "--eval_every=0",
    "--nolog",
]


class Model:
    """As much of a Keras model as its callbacks ask for."""

    def __init__(self):
        self.optimizer = keras.optimizers.SGD(1.0)
        self.stop_training = False


def as_keras_does(callback, losses):
    """Returns after how many epochs Keras ends, and the rate at each epoch's end."""
    model, rates = Model(), []
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        rates.append(float(model.optimizer.learning_rate))
        if model.stop_training:
            return epoch + 1, rates
    return None, rates


@given(losses=LOSSES, patience=st.integers(1, 6))
def test_early_stopping_is_that_of_keras(losses, patience):
    end, _ = as_keras_does(keras.callbacks.EarlyStopping(patience=patience), losses)
    over = [n for n in range(len(losses) + 1) if schedules.is_over(losses[:n], patience)]
    assert next(iter(over), None) == end


@given(losses=LOSSES, patience=st.integers(1, 6))
def test_plateaus_are_those_of_keras(losses, patience):
    callback = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=patience, min_delta=0)
    _, rates = as_keras_does(callback, losses)
    ours = [0.5 ** schedules.reductions(losses[: n + 1], patience) for n in range(len(losses))]
    assert ours == rates


@given(losses=st.lists(st.floats(), max_size=20))
def test_the_best_is_finite_and_the_first(losses):
    index = schedules.best(losses)
    finite = [loss for loss in losses if math.isfinite(loss)]
    assert (index is None) == (not finite)
    if finite:
        assert losses[index] == min(finite) and min(finite) not in losses[:index]


@given(
    size=st.integers(1, 300),
    batch_size=st.integers(1, 50),
    epochs=st.integers(1, 5),
    last_batch=st.sampled_from(["filled", "short"]),
)
def test_an_epoch_is_over_when_each_example_was_seen(size, batch_size, epochs, last_batch):
    steps = batches.steps_of(epochs, batch_size, size, last_batch)
    assert batches.epochs_of(steps, batch_size, size, last_batch) >= epochs
    assert batches.epochs_of(steps - 1, batch_size, size, last_batch) < epochs
    drawn = [
        batches.indices(step, batch_size, size, 0, last_batch=last_batch) for step in range(steps)
    ]
    counts = np.bincount(np.concatenate(drawn), minlength=size)
    assert counts.min() >= epochs
    if last_batch == "short":
        assert counts.max() == epochs


def history(run_dir):
    with open(run_dir / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def left(run_dir):
    """Returns what a run has left that a run that was never stopped has to leave, too."""
    found = {path.name: path.read_bytes() for path in run_dir.glob("history.csv")}
    for path in run_dir.glob("activations/*.npz"):
        with np.load(path) as arrays:
            found[path.name] = {name: bits(arrays[name]) for name in arrays}
    result = json.loads((run_dir / "result.json").read_text())
    names = ("step", "status", "stopped_early", "test_loss", "test_accuracy", "validation_loss")
    return found, {name: result[name] for name in names}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each style with all that can follow an epoch."""
    folder = tmp_path_factory.mktemp("runs")
    for style in STYLES:
        process = forks.run([script(style, "mnist_mlp"), *FLAGS, f"--run_dir={style}"], folder)
        (folder / f"{style}.txt").write_text(process.stdout)
    return folder


def test_an_epoch_is_measured_and_decides(runs):
    """In both styles alike, bit for bit."""
    assert left(runs / STYLES[0]) == left(runs / STYLES[1])
    rows = history(runs / STYLES[0])
    files, result = left(runs / STYLES[0])
    steps = 13  # of 1,297 examples by 100, the last of them 97
    assert [int(row["step"]) for row in rows] == [steps * n for n in range(1, len(rows) + 1)]

    losses = [float(row["validation_loss"]) for row in rows]
    best = losses.index(min(losses))
    assert result["stopped_early"] and result["step"] == steps * len(rows)
    assert len(rows) == best + 1 + 5 < 60  # the patience
    rates = [
        0.03 * 0.9**epoch * 0.5 ** schedules.reductions(losses[:epoch], 2)
        for epoch in range(len(rows))
    ]
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx(rates, rel=1e-12)
    assert schedules.reductions(losses, 2) > 0

    assert result["validation_loss"] == losses[best] != losses[-1]  # what is tested is the best
    for style in STYLES:
        (kept,) = (runs / style / "best" / style.split("_")[0]).glob("*.index")
        assert kept.stem == f"model.ckpt-{steps * (best + 1)}"
        lines = (runs / f"{style}.txt").read_text().splitlines()
        assert lines[0].startswith("epoch 1: training loss ") and len(lines) == len(rows) + 1

    assert len(files) == 1 + len(rows)
    shapes = {name: shape for name, (shape, _, _) in files["epoch-0001.npz"].items()}
    assert shapes == {"image": (784,), "fc1": (1, 30), "fc2": (1, 10)}


@pytest.mark.proof
def test_all_of_it_survives_a_change_of_style_and_a_signal(runs, run, tmp_path, environment):
    """Stopped before and after the lowest loss, once in the midst of an epoch."""
    run(script(STYLES[0], "mnist_mlp"), *FLAGS, "--run_dir=one", "--max_steps=17")
    command = [sys.executable, script(STYLES[1], "mnist_mlp"), *FLAGS, "--run_dir=one"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.startswith("epoch 4"):
            process.send_signal(signal.SIGTERM)
    assert process.wait() == 143
    run(script(STYLES[0], "mnist_mlp"), *FLAGS, "--run_dir=one")
    assert left(tmp_path / "one") == left(runs / STYLES[0])
    ends = [tensors(tmp_path / "one", "tf1"), tensors(runs / STYLES[0], "tf1")]
    assert {k: bits(v) for k, v in ends[0].items()} == {k: bits(v) for k, v in ends[1].items()}

    again = run(script(STYLES[1], "mnist_mlp"), *FLAGS, "--run_dir=one")  # it is complete
    accuracy = json.loads((tmp_path / "one" / "result.json").read_text())["test_accuracy"]
    assert again.stdout == f"test accuracy {accuracy:g}\n"


def parsed(*arguments):
    """The flags of mnist_mlp, in this process."""
    defaults = {"epochs": 10, "batch_size": 100, "optimizer": "adam", "learning_rate": 0.001}
    defaults.update(hidden="200,60", activation="relu", keep_prob=1.0)
    return flags.parse(["mnist_mlp", "--dataset=digits", *arguments], "", **defaults)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--patience=0", "--patience=0"),
        ("--plateau_factor=2", "expected a number above 0 and at most 1"),
        ("--decay=-1", "expected a number above 0 and at most 1"),
        ("--epochs=0", "--epochs=0"),
        ("--hidden=200,sixty", "expected numbers of units"),
        ("--hidden=", "got an empty --hidden"),
        ("--optimizer=adamw", "<sgd|momentum|"),
        ("--keep_prob=1.5", "expected a number above 0 and at most 1"),
        ("--batch_norm", "Unknown command line flag 'batch_norm'"),
    ],
)
def test_flags_out_of_range(flag, message):
    with pytest.raises(UserError) as caught:
        parsed(flag)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--early_stopping", "--validation_size=0"], "leaves no validation examples"),
        (["--validation_start=1300"], "--validation_start=1300: expected at most 1297"),
    ],
)
def test_errors(run, tmp_path, flags, message):
    process = run(script(STYLES[1], "mnist_mlp"), "--dataset=digits", *flags, check=False)
    assert process.returncode == 2 and process.stdout == ""
    assert message in process.stderr and process.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        ([], 130),
        (["--epochs=2", "--last_batch=short"], 26),
        (["--max_steps=7"], 7),
        (["--max_steps=7000"], 7000),
        (["--epochs=1", "--max_steps=30"], 13),
        (["--epochs=3", "--max_steps=30"], 30),
        (["--epochs=2", "--last_batch=filled"], 26),
        (["--epochs=3", "--batch_size=1000", "--last_batch=filled"], 4),
        (["--epochs=3", "--batch_size=1000", "--last_batch=short"], 6),
    ],
)
def test_what_ends_a_run(arguments, steps):
    given = parsed(*arguments)
    flags.count_steps(given, 1297)
    assert given.max_steps == steps


HEADER = (
    "epoch,step,learning_rate,training_loss,training_accuracy,validation_loss,validation_accuracy"
)
ROWS = ["1,13,0.001,0.5,0.9,0.6,0.8", "2,26,0.001,0.4,0.9,0.5,0.8", "3,39,0.001,0.3,0.9,0.4,0.8"]


def resumed(tmp_path, lines, first_step=26, max_steps=50):
    """The schedule of a run that is resumed with such a history."""
    path = tmp_path / "history.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    flags = parsed("--csv_log", f"--max_steps={max_steps}")
    return schedules.Schedule(flags, 1297, "validation", ["accuracy"], str(path), first_step)


def test_a_resumed_run_reads_its_history(tmp_path):
    rows = resumed(tmp_path, [HEADER, *ROWS]).rows  # the third is measured again
    assert [(row["epoch"], row["step"], row["validation_loss"]) for row in rows] == [
        *((1, 13, 0.6), (2, 26, 0.5))
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "not the history of a run"),  # more of that in test_history.py
        ([HEADER.replace("accuracy", "error"), *ROWS], "other metrics or batches"),
        ([HEADER.replace("validation", "test"), *ROWS], "other metrics or batches"),
        ([HEADER, ROWS[0].replace("13", "12")], "other metrics or batches"),
    ],
)
def test_a_history_of_another_run_is_refused(tmp_path, lines, message):
    with pytest.raises(UserError, match=message):
        resumed(tmp_path, lines)


def test_a_history_past_the_end_is_refused(tmp_path):
    """Of a run that was killed between an epoch and its checkpoint, and is to be shorter now."""
    with pytest.raises(UserError, match="goes to step 39, past --max_steps=30"):
        resumed(tmp_path, [HEADER, *ROWS], max_steps=30)


@pytest.mark.proof
def test_a_kill_leaves_nothing_that_counts(runs, run, tmp_path, environment):
    """Killed where history.csv and best/ are ahead of the checkpoints, or there are none yet."""
    for folder, save_every in (("late", 30), ("none", 0)):
        flags = [*FLAGS, f"--save_every={save_every}", f"--run_dir={folder}"]
        command = [sys.executable, script(STYLES[1], "mnist_mlp"), *flags]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
        )
        for line in process.stdout:
            if line.startswith("epoch 6"):
                process.kill()
        assert process.wait() == -signal.SIGKILL
        if folder == "none":  # begun anew, and ended before the kill: as if that had not been
            run(script(STYLES[0], "mnist_mlp"), *flags, "--max_steps=40")
            run(script(STYLES[0], "mnist_mlp"), *FLAGS, "--run_dir=fresh", "--max_steps=40")
            assert left(tmp_path / "none") == left(tmp_path / "fresh")
            names = [
                sorted(path.name for path in (tmp_path / name).rglob("*") if path.is_file())
                for name in ("none", "fresh")
            ]
            assert names[0] == names[1]
        run(script(STYLES[0], "mnist_mlp"), *flags)
        assert left(tmp_path / folder) == left(runs / STYLES[0])


@pytest.mark.proof
def test_what_is_best_is_what_counts(runs, run, tmp_path):
    """For a prediction and an export as for the test; --restart forgets it."""
    shutil.copytree(runs / STYLES[0], tmp_path / "run")
    command = [script(STYLES[1], "mnist_mlp"), *FLAGS, "--run_dir=run"]
    process = run(*command, "--export_dir=run/best", check=False)
    assert process.returncode == 2 and "the run itself is there" in process.stderr
    run(*command, "--export_dir=export")
    with quiet_import():
        import tensorflow as tf
    predict = tf.saved_model.load(str(tmp_path / "export")).signatures["serving_default"]
    test = datasets.load("digits").test
    images, labels = test.batch(slice(None), one_hot=False).values()
    right = np.mean(predict(images=images)["classes"].numpy() == labels)
    assert right == json.loads((tmp_path / "run" / "result.json").read_text())["test_accuracy"]

    Image.fromarray(test.images[0].reshape(28, 28)).save(tmp_path / "digit.png")
    said = run(script(STYLES[0], "mnist_mlp"), "--run_dir=run", "--predict", "digit.png").stdout
    assert re.fullmatch(r"digit.png: \d \(\d+\.\d %\)\n", said)
    shutil.rmtree(tmp_path / "run" / "best")
    for asked in (["--predict", "digit.png"], ["--export_dir=other", *FLAGS]):
        process = run(script(STYLES[0], "mnist_mlp"), "--run_dir=run", *asked, check=False)
        assert process.returncode == 2 and "no checkpoint of step" in process.stderr
        assert process.stderr.count("\n") == 1

    run(*command, "--restart", "--max_steps=5")
    left_now = {path.name for path in (tmp_path / "run").iterdir()}
    assert left_now == {"checkpoints", "evaluation.npz", "result.json"}
