"""mnist_pipeline: the batches that tf.data draws, resume, errors."""

import shutil

import numpy as np
import pytest
from conftest import STYLES, bits, script

from shared import datasets, trace

NAME = "mnist_pipeline"
DIGITS = "--dataset=digits"


def rows(path):
    """Returns the losses and the digests of a trace, by step."""
    recording = trace.load(str(path))
    return recording.losses, recording.rows


@pytest.mark.parametrize("hidden", ["", pytest.param("20,7", marks=pytest.mark.proof)])
def test_the_same_batches_and_bits(run, tmp_path, hidden):
    for style in STYLES:
        run(
            script(style, NAME),
            *[DIGITS, "--max_steps=40", f"--hidden={hidden}"]
            if hidden
            else [DIGITS, "--max_steps=40"],
            TWINS_TRACE_FILE=f"{style}.npz",
            TWINS_TRACE_VALUES_AT="1,14",
        )
    tf1, tf2 = (rows(tmp_path / f"{style}.npz") for style in STYLES)
    assert tf1 == tf2 and len(tf1[1]) == 41
    layers = 1 + len(hidden.split(",")) if hidden else 1
    assert set(tf1[1][40]) >= {"images", "labels", f"W{layers}", f"b{layers}"}
    # An epoch has 1,397 examples: the first is in one of the first batches, each only once.
    values = trace.load(str(tmp_path / "tf1_style.npz")).values
    images = values[1, "images"]
    assert images.shape == (100, 784) and len(np.unique(images, axis=0)) == 100
    data = datasets.load("digits", validation_size=0).train.batch(slice(None), one_hot=False)
    known = {image.tobytes(): label for image, label in zip(data["images"], data["labels"])}
    drawn = [known[image.tobytes()] for image in images]
    assert drawn == list(values[1, "labels"])


def test_resume_in_the_other_style(run, tmp_path):
    """It takes the batches that an uninterrupted run takes."""
    run(script("tf1_style", NAME), DIGITS, "--max_steps=30", TWINS_TRACE_FILE="whole.npz")
    for style, steps in (("tf2_style", 11), ("tf1_style", 20), ("tf2_style", 30)):
        flags = [DIGITS, f"--max_steps={steps}", "--run_dir=run"]
        run(script(style, NAME), *flags, TWINS_TRACE_FILE="parts.npz")
    assert rows(tmp_path / "whole.npz") == rows(tmp_path / "parts.npz")


def test_steps_are_not_lost_without_a_word(run, tmp_path):
    """A run that is past --max_steps, and a second run that has nothing to do."""
    for style in STYLES:
        flags = [script(style, NAME), DIGITS, f"--run_dir={style}"]
        first = run(*flags, "--max_steps=5").stdout
        again = run(*flags, "--max_steps=5").stdout
        assert again == first.splitlines()[-1] + "\n"  # only the test accuracy
        process = run(*flags, "--max_steps=3", check=False)
        assert process.returncode == 2 and "is at step 5, past step 3" in process.stderr


@pytest.mark.parametrize("style", STYLES)
def test_errors(run, tmp_path, style):
    """One line, exit 2, and the files stay as they are."""
    flags = [script(style, NAME), DIGITS]
    run(*flags, "--max_steps=2", "--run_dir=run")
    run(script(style, "mnist_softmax"), DIGITS, "--max_steps=1", "--run_dir=softmax", "--nolog")
    (tmp_path / "file").write_text("the user's")
    shutil.copytree(tmp_path / "run", tmp_path / "damaged")
    for path in (tmp_path / "damaged").rglob("*.data-*"):
        path.write_bytes(path.read_bytes()[:50])
    before = contents(tmp_path)
    for wrong, message in [
        (["--hidden=3,x"], "expected numbers of units"),
        (["--hidden=20", "--run_dir=run"], "W1 has the shape [784, 10], expected [784, 20]"),
        (["--run_dir=file"], "a file, expected a folder"),
        (["--run_dir=softmax"], "one of mnist_softmax"),
        (["--run_dir=damaged", "--max_steps=3"], "expected a whole checkpoint"),
        (["--hidden=999999,999999"], "GiB"),
    ]:
        process = run(*flags, *wrong, check=False)
        assert process.returncode == 2 and process.stdout == "", wrong
        assert message in process.stderr and process.stderr.count("\n") == 1
    assert contents(tmp_path) == before


def contents(folder):
    return {path: bits(np.fromfile(path, np.uint8)) for path in folder.rglob("*") if path.is_file()}
