"""A run survives what kills it: SIGKILL at any moment, and two in one folder."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

import pytest
from conftest import STYLES, bits, script, tensors

from compare.parity import distances, first_difference
from shared import trace

KILLS = 14
TEMPORARY = re.compile(r"tempstate|_temp|\.meta\.tmp|checkpoint\.tmp|\.tmp-")


def leftovers(folder):
    return [str(path) for path in folder.rglob("*") if TEMPORARY.search(path.name)]


def saved_step(folder):
    """Returns the step in result.json; 0 while a run that has saved nothing makes the file anew."""
    try:
        return json.loads((folder / "result.json").read_text())["step"]
    except FileNotFoundError:
        return 0


@pytest.mark.proof
@pytest.mark.parametrize("style", [pytest.param("tf1_style", marks=pytest.mark.full), "tf2_style"])
def test_killed_at_any_moment(run, tmp_path, environment, style):
    """It saves after every step, so that most kills come in the midst of a write.

    Every second kill comes while the run starts. The others wait until a step has been saved,
    because a busy machine may take longer to start than any fixed time. Half of these wait until
    another write has begun.
    """
    flags = ["--dataset=digits", "--save_every=1", "--eval_every=0", "--trace_file=run/trace.npz"]
    command = [script(style, "mnist_deep"), *flags, "--run_dir=run"]
    chance = random.Random(0)
    folder = tmp_path / "run"
    steps, torn = [0], 0
    for number in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, *map(str, command), "--max_steps=100000"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if steps[-1]:
            assert process.stdout.readline().startswith("resumed from step ")
        else:
            wait_for(folder / "result.json")
        if number % 2:
            while saved_step(folder) == steps[-1]:
                time.sleep(0.01)
            if number % 4 == 1:
                while not leftovers(folder):
                    pass
            else:
                time.sleep(chance.uniform(0, 0.5))
        else:
            time.sleep(chance.uniform(0, 2.5))
        process.kill()
        _, error = process.communicate()
        assert process.returncode == -9 and error == ""
        torn += bool(leftovers(folder))
        steps.append(saved_step(folder))
    assert steps == sorted(steps)  # nothing that result.json had told of was lost
    assert torn > 0  # or this test would show less than it says

    last = steps[-1] + 5
    process = run(*command, f"--max_steps={last}")
    assert process.stdout.startswith("resumed from step ")
    assert leftovers(folder) == []
    kind = style.split("_")[0]
    files = [path.name for path in (folder / "checkpoints" / kind).iterdir()]
    kept = {
        int(re.match(r"model\.ckpt-(\d+)\.", name)[1]) for name in files if name != "checkpoint"
    }
    assert kept == set(range(last - 4, last + 1))
    assert len(files) == 1 + 5 * (3 if style == "tf1_style" else 2)

    unbroken = ["--save_every=0", "--eval_every=0", "--run_dir=unbroken", f"--max_steps={last}"]
    run(script(style, "mnist_deep"), flags[0], *unbroken, "--trace_file=unbroken/trace.npz")
    traces = [trace.load(str(tmp_path / name / "trace.npz")) for name in ("run", "unbroken")]
    assert traces[0].steps == traces[1].steps == list(range(last + 1))
    assert traces[0].losses == traces[1].losses
    same = first_difference.compare(*traces, lambda name: None, distances.Tolerance())
    assert same.is_same
    ends = [tensors(tmp_path / name) for name in ("run", "unbroken")]
    assert len(ends[0]) == 27
    assert {k: bits(v) for k, v in ends[0].items()} == {k: bits(v) for k, v in ends[1].items()}


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("successor", [None, "another folder", "the folder is removed"])
def test_folder_that_is_moved_away(run, tmp_path, environment, style, successor):
    """The run ends at its next write, makes no new folder, and leaves another one alone."""
    command = [script(style, "mnist_softmax"), "--dataset=digits"]
    flags = ["--csv_log", "--save_activations", "--summary_every=50", "--save_every=100"]
    process = subprocess.Popen(
        [sys.executable, *map(str, command), *flags, "--max_steps=3000", "--run_dir=run"]
        + ["--trace_file=run/trace.npz", "--trace_every=50"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("step 200"):
            break
    os.rename(tmp_path / "run", tmp_path / "moved")
    if successor == "another folder":
        (tmp_path / "run" / "checkpoints").mkdir(parents=True)
        (tmp_path / "run" / "result.json").write_text("mine")
        before = sorted((tmp_path / "run").rglob("*"))
    elif successor:
        shutil.rmtree(tmp_path / "moved")
    _, error = process.communicate()
    assert process.returncode == 2
    assert error.count("\n") == 1 and error.startswith("run was moved or removed while ")
    if successor == "another folder":
        assert sorted((tmp_path / "run").rglob("*")) == before
        assert (tmp_path / "run" / "result.json").read_text() == "mine"
    else:
        assert not (tmp_path / "run").exists()
    if not successor:
        step = json.loads((tmp_path / "moved" / "result.json").read_text())["step"]
        resumed = run(*command, *flags, "--run_dir=moved", f"--max_steps={step + 5}")
        assert resumed.stdout.startswith(f"resumed from step {step} in moved\n")


def wait_for(path):
    while not path.exists():
        time.sleep(0.01)
