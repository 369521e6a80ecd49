"""The project against genuine TensorFlow 1.15.5, which `./run_all.sh legacy` installs."""

import subprocess

import numpy as np
import pytest
from conftest import STYLES, TUTORIAL_LINES, result, script
from test_summaries import BOXES, Events

from shared import datasets, trace
from shared.console import quiet_import

pytestmark = pytest.mark.legacy
DIGITS = "--dataset=digits"


@pytest.fixture
def run115(tmp_path, environment, tf115_python):
    """Runs a script of tf1_style on TensorFlow 1.15.5."""

    def run115(name, *flags, check=True):
        process = subprocess.run(
            [tf115_python, *map(str, [script("tf1_style", name), *flags])],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert process.returncode == 0 and process.stderr == "", process.stderr
        return process

    return run115


def accuracy(run_dir):
    return result(run_dir)["test_accuracy"]


def test_tf1_style_runs_unchanged(run115, tmp_path):
    process = run115("mnist_softmax", DIGITS, "--max_steps=200", "--run_dir=run")
    assert process.stdout == TUTORIAL_LINES
    assert result(tmp_path / "run")["versions"]["tensorflow"] == "1.15.5"


def test_summaries_are_the_same_as_on_2_21(run, run115, tmp_path):
    """Tags and steps, the boxes of the graph, the profile of a step, the embedding."""
    flags = [DIGITS, "--max_steps=10", "--summary_every=5"]
    run115("mnist_deep", *flags, "--run_dir=old")
    run(script("tf1_style", "mnist_deep"), *flags, "--run_dir=new")
    old, new = (Events(tmp_path / side) for side in ("old", "new"))
    assert old.steps == new.steps and len(old.steps) > 25
    boxes = {node.name.split("/")[0] for node in old.all.Graph().node}
    assert boxes == set(BOXES["mnist_deep"].split())
    assert old.all.Tags()["run_metadata"] == ["step 1"]
    sizes = {
        (tmp_path / side / "projector/embedding.bytes").stat().st_size for side in ("old", "new")
    }
    assert sizes == {400 * 1024 * 4}


# The largest relative difference of the losses of 60 steps on the digits was 8.8e-6, 4.1e-4, 2.0e-7
# and 5.6e-2, on an AMD EPYC. The tolerances leave a margin, as kernels differ by processor. Batch
# norm amplifies small differences: from 6e-6 at the first step to 1e-3 at the third.
@pytest.mark.parametrize(
    ("name", "flags", "variables", "tolerance"),
    [
        ("mnist_softmax", [], 3, 5e-5),
        ("mnist_deep", [], 27, 2e-3),
        ("mnist_mlp", ["--keep_prob=0.75", "--decay=0.6"], 21, 2e-5),
        ("mnist_convnet", ["--batch_norm", "--learning_rate=0.001"], 41, 0.3),
    ],
)
def test_same_start_and_losses(run, run115, tmp_path, name, flags, variables, tolerance):
    """Every variable starts from the same bits; the losses agree step by step."""
    flags = [*flags, DIGITS, "--max_steps=60", "--nolog"]
    run115(name, *flags, "--run_dir=old", "--trace_file=old/trace.npz")
    run(script("tf1_style", name), *flags, "--run_dir=new", "--trace_file=new/trace.npz")
    old, new = (trace.load(str(tmp_path / side / "trace.npz")) for side in ("old", "new"))
    starts = [{key: cell[0] for key, cell in side.rows[0].items()} for side in (old, new)]
    assert starts[0] == starts[1] and len(starts[0]) == variables
    losses = [[side.losses[step] for step in range(1, 61)] for side in (old, new)]
    np.testing.assert_allclose(*losses, rtol=tolerance)
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-4)
    assert losses[0] != losses[1]  # equal losses would mean the same TensorFlow
    if name != "mnist_convnet":  # 60 steps do not train it
        assert abs(accuracy(tmp_path / "old") - accuracy(tmp_path / "new")) <= 0.0025


def test_same_bits_with_many_steps_per_call(run115, tmp_path):
    """--steps_per_call makes resource variables; without it there are reference variables."""
    flags = [DIGITS, "--batch_norm", "--max_steps=20", "--nolog", "--trace_every=10"]
    for count in (1, 7):
        own = [f"--steps_per_call={count}", f"--run_dir={count}", f"--trace_file={count}.npz"]
        run115("mnist_convnet", *flags, *own)
    one, many = (trace.load(str(tmp_path / f"{count}.npz")) for count in (1, 7))
    assert one.steps == [0, 10, 20] and one.rows == many.rows and one.losses == many.losses


def test_same_accuracy_of_the_softmax(run, run115, tmp_path, mnist_dir):
    flags = [f"--data_dir={mnist_dir}", "--nolog"]
    old = run115("mnist_softmax", *flags, "--run_dir=old").stdout
    assert run(script("tf1_style", "mnist_softmax"), *flags, "--run_dir=new").stdout == old
    assert old.endswith("test accuracy 0.9169\n")


@pytest.mark.accuracy
def test_same_accuracy_of_the_cnn(run115, tmp_path, mnist_dir):
    """20,000 steps take 20 minutes. docs/tensorflow-1.15.5.md: 0.9912, and 0.9920 on 2.21."""
    run115("mnist_deep", f"--data_dir={mnist_dir}", "--nolog", "--run_dir=old")
    assert abs(accuracy(tmp_path / "old") - 0.9920) <= 0.002


def test_its_checkpoint_can_be_restored(run, run115, tmp_path):
    """Both styles restore it, Adam's slots included, and stay bit-identical."""
    run115("mnist_deep", DIGITS, "--max_steps=20", "--run_dir=old", "--nolog")
    for style in STYLES:
        flags = [DIGITS, "--max_steps=30", "--nolog", "--restore=old", f"--run_dir={style}"]
        process = run(script(style, "mnist_deep"), *flags, f"--trace_file={style}.npz")
        where = "old/checkpoints/tf1/model.ckpt-20"
        assert process.stdout.startswith(f"resumed from step 20 of {where}\n")
        assert "will differ" not in process.stdout
    assert run("-m", "compare", "parity", *(f"{style}.npz" for style in STYLES)).stdout == (
        "bit-identical: loss and 8 tensors at 11 steps (20 to 30), 19 more at 2 steps, 1 more at "
        "1 step, 28 in full at the last step\n"
    )


@pytest.mark.parametrize("how", ["converted", "as it is"])
def test_it_restores_a_checkpoint_of_tensorflow_2(run, run115, tmp_path, how):
    """Converted or not: the Saver of 1.15.5 reads a tf.train.Checkpoint by its names."""
    run(script("tf2_style", "mnist_deep"), DIGITS, "--max_steps=20", "--run_dir=new", "--nolog")
    path = "new"
    if how == "converted":
        path = "converted/model.ckpt-20"
        run("-m", "compare", "checkpoint", "convert", "new", path, "--to=tf1")
    flags = [DIGITS, "--max_steps=30", "--nolog", f"--restore={path}"]
    process = run115("mnist_deep", *flags, "--run_dir=old", "--trace_file=old.npz")
    assert process.stdout.startswith("resumed from step 20 of ")
    run(script("tf2_style", "mnist_deep"), *flags, "--run_dir=new_resumed", "--trace_file=new.npz")
    old, new = (trace.load(str(tmp_path / name)) for name in ("old.npz", "new.npz"))
    starts = [{key: cell[0] for key, cell in side.rows[20].items()} for side in (old, new)]
    assert starts[0] == starts[1] and len(starts[0]) == 27
    losses = [[side.losses[step] for step in range(21, 31)] for side in (old, new)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_an_unsupported_flag_ends_in_one_line(run115, tmp_path):
    process = run115("mnist_softmax", DIGITS, "--precision=bfloat16", check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "needs TensorFlow 2.12 or later, not 1.15.5" in process.stderr
    assert not list(tmp_path.iterdir())


def test_its_export_gives_the_scores_of_2_21(run, run115, tmp_path):
    """2.21 loads a SavedModel of 1.15.5. (1.15.5 cannot load one of 2.21.)"""
    with quiet_import():
        import tensorflow as tf
    flags = [DIGITS, "--max_steps=20", "--nolog"]
    run115("mnist_softmax", *flags, "--export_dir=old")
    run(script("tf2_style", "mnist_softmax"), *flags, "--export_dir=new")
    images = tf.constant(datasets.load("digits").test.batch(slice(None))["images"])
    scores = [
        tf.saved_model.load(str(tmp_path / name)).signatures["serving_default"](images=images)
        for name in ("old", "new")
    ]
    np.testing.assert_allclose(scores[0]["scores"], scores[1]["scores"], rtol=1e-4)
