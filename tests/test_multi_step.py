"""--steps_per_call: the same lines, files and bits as one step per call."""

import math
import signal
import subprocess
import sys

import forks
import pytest
from conftest import STYLES, bits, result, script, tensors

from shared import trace

MANY = "--steps_per_call=7"
SOFTMAX = ["--dataset=digits", "--nolog", "--run_dir=run"]


MODELS = [
    ["mnist_mlp", "--hidden=64,32"],
    pytest.param(["mnist_convnet", "--batch_norm"], marks=pytest.mark.proof),
]


@pytest.fixture(scope="module", params=MODELS, ids=lambda model: model[0])
def finished_runs(request, tmp_path_factory):
    """Folders and output of runs that differ only in style and in the steps per call."""
    name, *model = request.param
    runs = {}
    for style, flags in ((STYLES[0], []), (STYLES[0], [MANY]), (STYLES[1], [MANY])):
        folder = tmp_path_factory.mktemp("run")
        command = [script(style, name), *model, "--run_dir=run"]
        # Dropout, a falling rate, short batches; reports, summaries and a trace.
        command += ["--dataset=digits", "--keep_prob=0.8", "--batch_size=60", "--optimizer=adam"]
        command += ["--decay=0.5", "--last_batch=short", "--max_steps=52", "--epochs=9"]
        command += ["--eval_every=10", "--save_every=25", "--summary_every=20"]
        command += ["--trace_file=trace.npz", "--trace_every=15", *flags]
        runs[style, bool(flags)] = folder, forks.run(command, folder).stdout
    return runs


@pytest.mark.parametrize("style", STYLES)
def test_same_lines_and_files(finished_runs, style):
    plain, lines = finished_runs[STYLES[0], False]
    many, lines_of_many = finished_runs[style, True]
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
def test_same_bits(finished_runs, style):
    plain, many = (
        trace.load(finished_runs[key][0] / "trace.npz")
        for key in ((STYLES[0], False), (style, True))
    )
    assert plain.steps == [0, 15, 30, 45, 52]
    assert many.rows == plain.rows
    assert many.losses == plain.losses
    assert any("Adam" in name for name in plain.rows[52])
    is_convnet = any("conv1" in name for name in plain.rows[52])
    assert any("moving_mean" in name for name in plain.rows[52]) == is_convnet


@pytest.mark.parametrize("style", [STYLES[0], pytest.param(STYLES[1], marks=pytest.mark.proof)])
def test_a_loss_that_is_not_finite_in_the_middle_of_a_call(run, tmp_path, style):
    """The error names the step of the loss, as it does with one step per call."""
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
def test_a_signal_takes_effect_at_the_end_of_a_call(run, tmp_path, environment, style, number):
    """Resumed with one step per call, the run is bit-identical to an uninterrupted one."""
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
    # A call ends with the epoch, after 12.97 steps, or where a report is due.
    assert step % 1000 == 0 or step == math.ceil(step * 100 // 1297 * 12.97)
    run(*command, "--eval_every=0", f"--max_steps={step + 50}")
    run(*command, "--eval_every=0", f"--max_steps={step + 50}", "--run_dir=uninterrupted")
    resumed, expected = tensors(tmp_path / "run"), tensors(tmp_path / "uninterrupted")
    assert {k: bits(v) for k, v in resumed.items()} == {k: bits(v) for k, v in expected.items()}


def test_zero_steps_per_call(run):
    process = run(script(STYLES[1], "mnist_softmax"), "--steps_per_call=0", check=False)
    assert process.returncode == 2
    assert "--steps_per_call=0: 0 is not a positive integer" in process.stderr.replace("flag ", "")
