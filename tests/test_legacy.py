"""Genuine TensorFlow 1.15.5 as the witness: `./run_all.sh legacy` makes it and runs these."""

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


def test_summaries_are_those_of_2_21(run, run115, tmp_path):
    """The same tags at the same steps, the same boxes, what a step took, the embedding."""
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
# and 5.6e-2, on an AMD EPYC; the kernels differ with the processor, hence the margin. Batch norm
# makes much of small differences: from 6e-6 at the first step, 1e-3 at the third.
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
    assert losses[0] != losses[1]  # or it would not be another TensorFlow
    if name != "mnist_convnet":  # which is far from trained by then
        assert abs(accuracy(tmp_path / "old") - accuracy(tmp_path / "new")) <= 0.0025


def test_same_bits_with_many_steps_a_call(run115, tmp_path):
    """In which it has resource variables, not reference variables."""
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
    """All 20,000 steps, 20 minutes. It was 0.9912, and 0.9920 on 2.21 (see README.md)."""
    run115("mnist_deep", f"--data_dir={mnist_dir}", "--nolog", "--run_dir=old")
    assert abs(accuracy(tmp_path / "old") - 0.9920) <= 0.002


def test_its_checkpoint_goes_on(run, run115, tmp_path):
    """Adam's slots included: in either style, to the same bits."""
    run115("mnist_deep", DIGITS, "--max_steps=20", "--run_dir=old", "--nolog")
    for style in STYLES:
        flags = [DIGITS, "--max_steps=30", "--nolog", "--restore=old", f"--run_dir={style}"]
        process = run(script(style, "mnist_deep"), *flags, f"--trace_file={style}.npz")
        where = "old/checkpoints/tf1/model.ckpt-20"
        assert process.stdout.startswith(f"going on from step 20 of {where}\n")
        assert "will differ" not in process.stdout
    assert run("-m", "compare", "parity", *(f"{style}.npz" for style in STYLES)).stdout == (
        "bit-identical: loss and 8 variables over 11 steps (20 to 30), 19 more at 2 of them, 1 "
        "more at 1 of them, 28 in full after the last\n"
    )


@pytest.mark.parametrize("how", ["converted", "as it is"])
def test_a_checkpoint_of_tensorflow_2_goes_on_there(run, run115, tmp_path, how):
    """Converted, or as it is: 1.15.5's own Saver reads a tf.train.Checkpoint by its names."""
    run(script("tf2_style", "mnist_deep"), DIGITS, "--max_steps=20", "--run_dir=new", "--nolog")
    path = "new"
    if how == "converted":
        path = "converted/model.ckpt-20"
        run("-m", "compare", "checkpoint", "convert", "new", path, "--to=tf1")
    flags = [DIGITS, "--max_steps=30", "--nolog", f"--restore={path}"]
    process = run115("mnist_deep", *flags, "--run_dir=old", "--trace_file=old.npz")
    assert process.stdout.startswith("going on from step 20 of ")
    run(script("tf2_style", "mnist_deep"), *flags, "--run_dir=on", "--trace_file=on.npz")
    old, on = (trace.load(str(tmp_path / name)) for name in ("old.npz", "on.npz"))
    starts = [{key: cell[0] for key, cell in side.rows[20].items()} for side in (old, on)]
    assert starts[0] == starts[1] and len(starts[0]) == 27
    losses = [[side.losses[step] for step in range(21, 31)] for side in (old, on)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_what_it_cannot_do_ends_in_one_line(run115, tmp_path):
    process = run115("mnist_softmax", DIGITS, "--precision=bfloat16", check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "needs TensorFlow 2.12 or later, not 1.15.5" in process.stderr
    assert not list(tmp_path.iterdir())


def test_its_export_is_that_of_today(run, run115, tmp_path):
    """A SavedModel of 1.15.5 gives today's scores, near enough; it cannot load today's."""
    with quiet_import():
        import tensorflow as tf
    flags = [DIGITS, "--max_steps=20", "--nolog"]
    run115("mnist_softmax", *flags, "--export_dir=old")
    run(script("tf2_style", "mnist_softmax"), *flags, "--export_dir=new")
    images = tf.constant(datasets.load("digits").test.batch(slice(None))[0])
    scores = [
        tf.saved_model.load(str(tmp_path / name)).signatures["serving_default"](images=images)
        for name in ("old", "new")
    ]
    np.testing.assert_allclose(scores[0]["scores"], scores[1]["scores"], rtol=1e-4)
