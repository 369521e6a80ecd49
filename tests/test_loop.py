"""--steps_per_call: the lines, the files and the bits of the plain path."""

import math
import os
import signal
import subprocess
import sys

import pytest
from conftest import STYLES, bits, result, script, tensors

from shared import trace

MANY = "--steps_per_call=7"
SOFTMAX = ["--dataset=digits", "--nolog", "--run_dir=run"]


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """What runs leave that differ in nothing but the style and the steps a call."""
    held = {}
    for style, flags in ((STYLES[0], []), (STYLES[0], [MANY]), (STYLES[1], [MANY])):
        folder = tmp_path_factory.mktemp("run")
        command = [sys.executable, script(style, "mnist_convnet"), "--run_dir=run"]
        # Dropout and batch norm; rates that fall, batches that are short; and all that looks.
        command += ["--dataset=digits", "--batch_norm", "--keep_prob=0.8", "--batch_size=60"]
        command += ["--decay=0.5", "--last_batch=short", "--max_steps=52", "--epochs=9"]
        command += ["--eval_every=10", "--save_every=25", "--summary_every=20"]
        command += ["--trace_file=trace.npz", "--trace_every=15", *flags]
        process = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ
        )
        assert process.returncode == 0, process.stderr
        held[style, bool(flags)] = folder, process.stdout
    return held


@pytest.mark.parametrize("style", STYLES)
def test_same_lines_and_files(left, style):
    plain, lines = left[STYLES[0], False]
    many, lines_of_many = left[style, True]
    assert lines_of_many == lines
    history = (plain / "run" / "history.csv").read_text()
    assert history.count("\n") == 3  # two epochs of 22 steps
    assert (many / "run" / "history.csv").read_text() == history
    saved = [
        sorted(path.name for path in f.glob("run/checkpoints/*/*.index")) for f in (plain, many)
    ]
    assert [name.split("-")[1] for name in saved[0]] == ["25.index", "50.index", "52.index"]
    assert saved[0] == saved[1]


@pytest.mark.parametrize("style", STYLES)
def test_same_bits(left, style):
    plain, many = (
        trace.load(left[key][0] / "trace.npz") for key in ((STYLES[0], False), (style, True))
    )
    assert plain.steps == [0, 15, 30, 45, 52]
    assert many.rows == plain.rows
    assert many.losses == plain.losses
    assert any("Adam" in name for name in plain.rows[52])
    assert any("moving_mean" in name for name in plain.rows[52])


@pytest.mark.parametrize("style", [STYLES[0], pytest.param(STYLES[1], marks=pytest.mark.proof)])
def test_loss_that_is_not_finite_in_the_middle_of_a_call(run, tmp_path, style):
    """It is said of the step that it is of, as in plain steps."""
    flags = [*SOFTMAX, "--loss=mean_squared_error", "--learning_rate=300", "--eval_every=0"]
    process = run(script(style, "mnist_softmax"), *flags, "--steps_per_call=50", check=False)
    assert process.returncode == 3
    assert process.stderr.count("\n") == 1 and "the loss is inf at step 5;" in process.stderr
    assert result(tmp_path / "run")["status"] == "diverged"
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.proof
@pytest.mark.parametrize(
    ("style", "number"), [(STYLES[0], signal.SIGTERM), (STYLES[1], signal.SIGINT)]
)
def test_signal_takes_effect_at_the_end_of_a_call(run, tmp_path, environment, style, number):
    """And the run goes on, in plain steps, as one that was never stopped."""
    command = [script(style, "mnist_softmax"), *SOFTMAX, "--max_steps=30000", "--save_every=0"]
    many = [sys.executable, *map(str, command), "--eval_every=1000", "--steps_per_call=300"]
    process = subprocess.Popen(
        many,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(3):
        process.stdout.readline()
    process.send_signal(number)
    _, error = process.communicate()
    assert process.returncode == 128 + number
    step = result(tmp_path / "run")["step"]
    assert 2000 < step < 30000 and f"after step {step};" in error
    # A call has at most an epoch, of 13 steps.
    assert step % 1000 == 0 or step == math.ceil(step * 100 // 1297 * 12.97)
    run(*command, "--eval_every=0", f"--max_steps={step + 50}")
    run(*command, "--eval_every=0", f"--max_steps={step + 50}", "--run_dir=unbroken")
    stopped, unbroken = tensors(tmp_path / "run"), tensors(tmp_path / "unbroken")
    assert {k: bits(v) for k, v in stopped.items()} == {k: bits(v) for k, v in unbroken.items()}


def test_no_steps_a_call(run):
    process = run(script(STYLES[1], "mnist_softmax"), "--steps_per_call=0", check=False)
    assert process.returncode == 2
    assert "--steps_per_call=0: 0 is not a positive integer" in process.stderr.replace("flag ", "")
