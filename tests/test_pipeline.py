"""mnist_pipeline: the batches that tf.data draws, resume, kills, what is refused.

What it shares with the other pairs is tested with them: parity and resume in test_shapes.py, and
--plot, the summaries and the export in the files of these names.
"""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import STYLES, bits, needs_bfloat16, result, script, tensors

from shared import batches, datasets, trace
from shared.flags import parse

NAME = "mnist_pipeline"
DIGITS = "--dataset=digits"
DEFAULTS = {"max_steps": 1, "batch_size": 100, "optimizer": "sgd", "learning_rate": 0.5}
# A program that draws batches from a trainer, and saves them: [batches, examples, numbers].
DRAW = """\
import sys
import numpy as np
from {style}.mnist_pipeline import MnistPipeline
from {style}.training.pipeline import PipelineTrainer
from shared.flags import parse
from shared.training import load_images

steps, *command = sys.argv[1:]
first, last = map(int, steps.split("-"))
defaults = dict(max_steps=1, batch_size=100, optimizer="sgd", learning_rate=0.5, hidden="")
flags = parse(["", *command], "", validation_size=0, **defaults)
trainer = PipelineTrainer(MnistPipeline, flags)
train = load_images(flags).train
drawn = [trainer.batch_of_step(step, flags, train) for step in range(first, last)]
assert trainer.batch_of_step(last - 1, flags, train) is drawn[-1]
for name, found in (("steps", drawn), ("whole", trainer.batches_of(train.first(1234)))):
    numbered = enumerate(found, first if name == "steps" else 0)
    np.savez(name, **{{f"{{k}}/{{key}}": batch[key] for k, batch in numbered for key in batch}})
"""


@pytest.fixture
def draw(run, tmp_path):
    """Draws batches in a style: {"STEP/NAME": array}, and the same of 1,234 examples in order."""

    def draw(style, first, last, *flags):
        path = tmp_path / f"draw_{style}.py"
        path.write_text(DRAW.format(style=style))
        run(path, f"{first}-{last}", DIGITS, *flags)
        return [dict(np.load(tmp_path / f"{name}.npz")) for name in ("steps", "whole")]

    return draw


def the_bits(arrays):
    return {name: bits(array) for name, array in arrays.items()}


@pytest.mark.parametrize(
    "flags",
    [
        [],
        pytest.param(["--last_batch=short"], marks=pytest.mark.proof),
        pytest.param(["--batch_order=file"], marks=pytest.mark.proof),
    ],
    ids=["filled", "short", "file"],
)
def test_the_same_batches(draw, flags):
    """Byte for byte in both styles, also from the middle on; each example once in an epoch."""
    (tf1, in_order), (tf2, also_in_order) = (draw(style, 0, 31, *flags) for style in STYLES)
    assert the_bits(tf1) == the_bits(tf2) and len(tf1) == 2 * 31
    later, _ = draw(STYLES[1], 17, 31, *flags)
    assert the_bits(later) == {name: bits(tf1[name]) for name in later} and len(later) == 2 * 14

    train = datasets.load("digits", validation_size=0).train
    whole = train.batch(slice(None))
    for arrays in (in_order, also_in_order):
        for name, array in whole.items():
            parts = [arrays[f"{number}/{name}"] for number in range(3)]
            assert bits(np.concatenate(parts)) == bits(array[:1234])
    expected = parse(["", DIGITS, *flags], "", **DEFAULTS)
    by_step = [batches.of_step(step, expected, train) for step in range(31)]
    sizes = [len(batch["labels"]) for batch in by_step]
    assert [len(tf1[f"{step}/images"]) for step in range(31)] == sizes
    if flags == ["--batch_order=file"]:
        assert the_bits(tf1) == {
            f"{step}/{name}": bits(array)
            for step, batch in enumerate(by_step)
            for name, array in batch.items()
        }
        return
    size = len(train)
    assert size == 1397
    rows = {
        name: np.concatenate([tf1[f"{step}/{name}"] for step in range(31)])[: 2 * size]
        for name in whole
    }
    examples = np.hstack([rows["images"], rows["labels"]])
    epochs = [sorted(map(bytes, examples[start:][:size])) for start in (0, size)]
    assert epochs[0] == epochs[1] == sorted(map(bytes, np.hstack([*whole.values()])))
    assert bits(examples[:size]) != bits(examples[size:])  # another order


@pytest.mark.proof
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_bits_for_1000_steps(run, precision):
    if precision == "bfloat16":
        needs_bfloat16()
    flags = [DIGITS, "--hidden=20,7", f"--precision={precision}"]
    process = run("-m", "compare", "parity", NAME, *flags, "--max_steps=1000")
    assert process.stdout.startswith("bit-identical: loss and 6 tensors at 1001 steps (0 to 1000)")


def test_resume_in_the_other_style(run, tmp_path):
    """It takes the batches that an uninterrupted run takes, of several epochs."""
    run(script("tf1_style", NAME), DIGITS, "--max_steps=30", "--trace_file=whole.npz", "--nolog")
    for style, steps in (("tf2_style", 11), ("tf1_style", 20), ("tf2_style", 30)):
        flags = [DIGITS, f"--max_steps={steps}", "--run_dir=run", "--trace_file=parts.npz"]
        run(script(style, NAME), *flags, "--nolog")
    whole, parts = (trace.load(str(tmp_path / f"{name}.npz")) for name in ("whole", "parts"))
    assert whole.losses == parts.losses and len(whole.losses) == 30
    weights = [
        {
            (step, name): row[name]
            for step, row in each.rows.items()
            for name in row
            if "fc1" in name
        }
        for each in (whole, parts)
    ]
    assert weights[0] == weights[1] and len(weights[0]) == 2 * 31


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_killed_and_resumed_in_the_other_style(run, tmp_path, environment, style):
    other = STYLES[style == STYLES[0]]
    flags = [DIGITS, "--hidden=20", "--optimizer=adam", "--learning_rate=0.001", "--nolog"]
    command = [script(style, NAME), *flags, "--save_every=7", "--max_steps=99999", "--run_dir=run"]
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    while not (tmp_path / "run/result.json").exists() or result(tmp_path / "run")["step"] < 20:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    last = result(tmp_path / "run")["step"] + 20
    resumed = run(script(other, NAME), *flags, f"--max_steps={last}", "--run_dir=run")
    assert resumed.stdout.startswith("resumed from step ")
    run(script(other, NAME), *flags, f"--max_steps={last}", "--run_dir=whole")
    ends = [tensors(tmp_path / name, other[:3]) for name in ("run", "whole")]
    assert the_bits(ends[0]) == the_bits(ends[1]) and len(ends[0]) > 12
    accuracies = [result(tmp_path / name)["test_accuracy"] for name in ("run", "whole")]
    assert accuracies[0] == accuracies[1]


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_no_files_are_left(tmp_path, environment, style):
    """The IDX files that the pipeline reads are removed, also if a signal ends the run."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, script(style, NAME), DIGITS, "--max_steps=99999", "--nolog"],
        cwd=tmp_path,
        env=dict(environment, TMPDIR=str(temporary)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("step 0, ")
    assert len(list(temporary.rglob("images"))) == len(list(temporary.rglob("labels"))) == 1
    process.terminate()
    _, error = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM and error.count("\n") <= 1
    assert list(temporary.rglob("images")) == list(temporary.rglob("labels")) == []


@pytest.mark.parametrize("style", STYLES)
def test_errors(run, tmp_path, style):
    """One line, exit 2, and nothing is written."""
    (tmp_path / "before" / "checkpoints" / "tf1").mkdir(parents=True)  # of older versions
    for wrong, message in [
        (["--hidden=3,x"], "expected numbers of units"),
        (["--hidden=999999,999999"], "GiB"),
        (["--replicas=2"], "expected none, because this program has a step or batches of its own"),
        (["--keep_best"], "--validation_size=0 leaves no validation examples"),
        (["--batch_size=1398"], "expected at most 1397"),
        (["--run_dir=before"], "has checkpoints, but no result.json"),
    ]:
        process = run(script(style, NAME), DIGITS, *wrong, check=False)
        assert process.returncode == 2 and process.stdout == "", wrong
        assert message in process.stderr and process.stderr.count("\n") == 1
    assert len(list(tmp_path.rglob("*"))) == 3
