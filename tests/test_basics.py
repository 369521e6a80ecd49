"""The scripts without a trainer: output, bit-identical twins, errors of the user."""

import re
import shlex
import subprocess
import sys

import pytest
from conftest import STYLES, script

OR_GATE = "0 0 -> -1\n0 1 -> 1\n1 0 -> 1\n1 1 -> 1\n4 of 4 right\n"
GRADIENTS = """\
d(2x+3)/dx: shape [], 2.0
d(2X+3)/dX: shape [2, 2], [[2.0, 2.0], [2.0, 2.0]]
d(xW+b)/dW: shape [2, 2], [[4.0, 4.0], [6.0, 6.0]]
d(xW+b)/db: shape [2], [2.0, 2.0]
"""
# 400 steps; an epoch has 11, and its last batch is short. The digits are brighter than MNIST, and
# need a lower rate than the script's default to be learned.
NAIVE = ["mnist_naive", "--dataset=digits", "--learning_rate=5e-4", "--epochs=99"]
NAIVE += ["--max_steps=400"]


@pytest.fixture
def twins(run, tmp_path):
    """Runs both styles of a script; returns their (equal) output and the verdict of parity."""

    def twins(name, *flags):
        commands = []
        for side, style in zip(("reference", "candidate"), STYLES):
            line = shlex.join([sys.executable, str(script(style, name)), *flags])
            commands.append(f"--{side}={line} > {style}")
        verdict = run("-m", "compare", "parity", *commands).stdout
        outputs = [(tmp_path / style).read_text() for style in STYLES]
        assert outputs[0] == outputs[1]
        return outputs[0], verdict

    return twins


@pytest.mark.parametrize("style", STYLES)
def test_perceptron_with_weights_set_by_hand(run, style):
    process = run(script(style, "perceptron"))
    assert (process.stdout, process.stderr) == (OR_GATE, "")


@pytest.mark.proof
def test_perceptron_learns(twins):
    output, verdict = twins("perceptron", "--train")
    found = re.findall(r"^epoch (\d+), loss (\S+)$", output, re.MULTILINE)
    assert [int(epoch) for epoch, _ in found] == [0, 100, 200, 300, 400, 500]
    losses = [float(loss) for _, loss in found]
    assert losses == sorted(losses, reverse=True) and losses[0] > 0.5 and losses[-1] < 0.02
    assert output.endswith("\n4 of 4 right\n")
    assert verdict == (
        "bit-identical: loss and 2 tensors at 501 steps (0 to 500), 2 in full at the last step\n"
    )


@pytest.mark.proof
def test_gradients(twins):
    output, verdict = twins("tape_basics")
    assert output == GRADIENTS
    assert verdict == "bit-identical: 4 tensors at 1 step (0 to 0), 4 in full at the last step\n"


@pytest.mark.proof
def test_naive_learns(twins):
    output, verdict = twins(*NAIVE)
    *lines, last = output.splitlines()
    steps = [re.fullmatch(r"step (\d+), training loss \d+\.\d{4}", line)[1] for line in lines]
    assert steps == ["0", "100", "200", "300"]
    assert float(re.fullmatch(r"test accuracy (\S+)", last)[1]) > 0.4
    assert verdict == (
        "bit-identical: loss and 4 tensors at 401 steps (0 to 400), 4 in full at the last step\n"
    )


@pytest.mark.parametrize(
    ("style", "name", "flag", "message"),
    [
        ("tf1_style", "perceptron", "--learning_rate=nan", "expected a number above 0"),
        ("tf2_style", "tape_basics", "--train", "Unknown command line flag 'train'"),
    ],
)
def test_user_errors_in_one_line(run, style, name, flag, message):
    process = run(script(style, name), flag, check=False)
    assert process.returncode == 2 and process.stdout == ""
    assert process.stderr.count("\n") == 1 and message in process.stderr


@pytest.mark.accuracy
def test_naive_on_mnist(run, mnist_dir):
    output = run(script("tf2_style", "mnist_naive"), f"--data_dir={mnist_dir}").stdout
    assert 0.81 <= float(output.split()[-1]) <= 0.825


@pytest.mark.legacy
@pytest.mark.parametrize("command", [["perceptron", "--train"], ["tape_basics"], NAIVE])
def test_on_tensorflow_1_15(run, environment, tf115_python, command):
    path, *flags = [script("tf1_style", command[0]), *command[1:]]
    old = subprocess.run(
        [tf115_python, path, *flags], env=environment, capture_output=True, text=True, check=True
    )
    assert (old.stdout, old.stderr) == (run(path, *flags).stdout, "")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "command",
    [
        ["tape_basics"],
        pytest.param(["perceptron", "--train"], marks=pytest.mark.proof),
        pytest.param(NAIVE, marks=pytest.mark.proof),
    ],
)
def test_the_path_of_the_trace_is_checked_first(run, tmp_path, style, command):
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    name, *flags = command
    process = run(script(style, name), *flags, check=False, TWINS_TRACE_FILE="notes.txt")
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("TWINS_TRACE_FILE=notes.txt: something else is there, ")
    assert process.stderr.count("\n") == 1
    assert notes.read_text() == "mine"
