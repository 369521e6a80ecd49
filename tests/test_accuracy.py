"""`python -m compare accuracy`, from outside."""

import json
import os
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest

from compare import accuracy, runner
from shared.trace import Trace, load


def report(tmp_path):
    (path,) = (tmp_path / "runs").glob("accuracy_*.json")
    return json.loads(path.read_text())


@pytest.mark.proof
def test_quick_on_digits_where_mnist_is_not_to_be_had(run, tmp_path):
    process = run("-m", "compare", "accuracy", "--quick", "--script=mnist_softmax")
    lines = process.stdout.splitlines()
    assert lines[0].startswith("dataset: digits (1,797 small images), because mnist not found: ")
    assert lines[1].startswith("2 runs, about ")
    rows = report(tmp_path)["rows"]
    assert [row["style"] for row in rows] == ["tf1_style", "tf2_style"]
    threshold = accuracy.QUICK["digits", "mnist_softmax"]
    for row in rows:
        assert row["verdict"] == "ok" and row["dataset"] == "digits"
        assert threshold.low <= row["test_accuracy"] <= threshold.high
        assert f"{row['test_accuracy']:.4f}" in process.stdout
        result = json.loads((tmp_path / row["run_dir"] / "result.json").read_text())
        assert result["test_accuracy"] == row["test_accuracy"]
        assert result["device"] in process.stdout
    assert rows[0]["test_accuracy"] == rows[1]["test_accuracy"]
    assert [row["parity"] for row in rows] == ["", "bit-identical"]
    every = accuracy.RECORD_EVERY["mnist_softmax"]
    for row in rows:
        trace = load(str(tmp_path / row["run_dir"] / "trace.npz"))
        assert trace.steps == list(range(0, row["steps"] + 1, every))

    page, tensorboard = lines[-2:]
    assert "bit-identical" in (tmp_path / page.split("report: ")[1]).read_text()
    command = shlex.split(tensorboard.split("TensorBoard: ")[1])
    assert command[1:] == ["--logdir", "runs"] and os.access(command[0], os.X_OK)


def test_parity_of_traces(tmp_path):
    """Equal ones, one with another bit, one with fewer steps, none."""
    for name, step, value in (("a", 2, 1), ("b", 2, 1 + 1e-7), ("c", 1, 1)):
        (tmp_path / name).mkdir()
        with Trace(str(tmp_path / name / "trace.npz")) as recorder:
            for number in range(step + 1):
                recorder.record(number, None, {"w": np.full(2, value, np.float32)})
    parity = [accuracy._parity(str(tmp_path / "a"), str(tmp_path / name)) for name in "abcd"]
    assert parity[0] == "bit-identical" and parity[1] == "differs at step 0"
    assert parity[2] == "the reference's last step is 2, the candidate's 1"
    assert "No such file" in parity[3]


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """Scripts that train nothing, record nothing, and reach the accuracies they are told."""

    def stub(*options, **accuracies):
        for style in runner.STYLES:
            folder = tmp_path / "project" / style
            folder.mkdir(parents=True)
            (folder / "mnist_softmax.py").write_text(
                "import json, sys\n"
                "flags = dict(flag[2:].split('=', 1) for flag in sys.argv[1:])\n"
                f"accuracy = {accuracies[style]!r}\n"
                "if accuracy is None: sys.exit('it broke')\n"
                "with open(flags['run_dir'] + '/result.json', 'w') as file:\n"
                "    json.dump({'script': 'mnist_softmax', 'status': 'complete', 'step': 500,\n"
                f"               'style': {style!r}, 'threads': 1, 'flags': {{}},\n"
                "               'test_accuracy': accuracy, 'test_loss': 0.1,\n"
                "               'steps_per_second': 1.0, 'peak_memory_mib': 1.0,\n"
                "               'device': 'an abacus'}, file)\n"
            )
        monkeypatch.setattr(accuracy.runner, "ROOT", tmp_path / "project")
        monkeypatch.chdir(tmp_path)
        from compare.__main__ import main

        code = main(["accuracy", "--dataset=digits", "--script=mnist_softmax", *options])
        return code, [row["verdict"] for row in report(tmp_path)["rows"]]

    return stub


@pytest.mark.parametrize(
    ("tf1", "tf2", "code", "verdicts"),
    [
        (0.92, 0.92, 0, ["ok", "ok"]),
        (0.92, 0.9225, 1, ["ok", "+0.0025 from tf1_style"]),
        (0.9, 0.92, 1, ["0.0120 below the threshold", "+0.0200 from tf1_style"]),
        (0.95, 0.95, 1, ["0.0200 above the threshold"] * 2),
        (0.92, None, 1, ["ok", "exit 1: it broke"]),
    ],
)
def test_verdicts(stub, tf1, tf2, code, verdicts):
    assert accuracy.FULL["digits", "mnist_softmax"] == accuracy.Threshold(1000, 0.912, 0.93)
    assert stub("--noparity", tf1_style=tf1, tf2_style=tf2) == (code, verdicts)


def test_missing_trace_is_a_fault(stub):
    code, verdicts = stub(tf1_style=0.92, tf2_style=0.92)
    assert code == 1 and verdicts[0] == "ok"
    assert "trace.npz: No such file or directory" in verdicts[1]


@pytest.mark.parametrize("style", ["tf1", "tf2"])
def test_one_style(stub, tmp_path, style):
    """There is nothing to compare, so nothing is recorded."""
    assert stub(f"--style={style}", tf1_style=0.92, tf2_style=0.92) == (0, ["ok"])
    (row,) = report(tmp_path)["rows"]
    assert row["style"] == f"{style}_style" and row["parity"] == ""


SLOW_TO_STOP = """
import pathlib, signal, sys, time

def save(*_):
    time.sleep(1)
    pathlib.Path(sys.argv[1], "saved").touch()
    sys.exit(143)

signal.signal(signal.SIGTERM, save)
print("step 0, training accuracy 0.1", flush=True)
time.sleep(60)
"""


def test_stopped_with_its_command(tmp_path):
    """A command that is stopped has the time to save."""

    def interrupt(unit, number):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run([sys.executable, "-c", SLOW_TO_STOP, str(tmp_path)], str(tmp_path), interrupt)
    assert (tmp_path / "saved").exists()


def test_every_dataset_has_its_thresholds():
    expected = {(d, s) for d in accuracy.datasets.NAMES for s in accuracy.SCRIPTS}
    assert set(accuracy.FULL) == set(accuracy.QUICK) == expected


def test_wrong_option_and_wrong_data_end_in_one_line(run, tmp_path):
    process = run("-m", "compare", "accuracy", "--quik", check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    process = run("-m", "compare", "accuracy", f"--data_dir={tmp_path}/typo", check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert f"no folder {tmp_path}/typo" in process.stderr
    process = run("-m", "compare", "accuracy", "--dataset=mnist", check=False)
    assert process.returncode == 2 and "mnist not found" in process.stderr


# The CNN takes up to half an hour in each style. One style is enough where time is short, because
# the other has the same bits: test_parity.py::test_twins_in_500_steps.
TABLES = [
    ("mnist_softmax", "both"),
    ("mnist_deep", "tf2"),
    pytest.param("mnist_deep", "both", marks=pytest.mark.full),
]


@pytest.mark.accuracy
@pytest.mark.parametrize(("script_name", "style"), TABLES)
def test_table_on_mnist(tmp_path, environment, mnist_dir, script_name, style):
    """All 1,000 or 20,000 steps; with parity if in both styles."""
    command = [sys.executable, "-m", "compare", "accuracy", f"--data_dir={mnist_dir}"]
    chosen = ["--dataset=mnist", f"--script={script_name}", f"--style={style}"]
    subprocess.run([*command, *chosen], cwd=tmp_path, env=environment, check=True)
    rows = report(tmp_path)["rows"]
    is_pair = style == "both"
    assert [row["verdict"] for row in rows] == ["ok"] * (1 + is_pair)
    assert [row["parity"] for row in rows] == ["", "bit-identical"][: 1 + is_pair]
    for row in rows if is_pair else ():
        trace = load(str(tmp_path / row["run_dir"] / "trace.npz"))
        every = accuracy.RECORD_EVERY[row["script"]]
        assert trace.steps == list(range(0, row["steps"] + 1, every))


@pytest.mark.gpu
@pytest.mark.skipif(not shutil.which("nvidia-smi"), reason="there is no GPU: no nvidia-smi")
def test_quick_table_on_a_gpu(run, tmp_path, mnist_dir):
    run("-m", "compare", "accuracy", "--quick", "--device=gpu", f"--data_dir={mnist_dir}")
    assert [row["verdict"] for row in report(tmp_path)["rows"]] == ["ok"] * 4
    assert "cores" not in report(tmp_path)["device"]
