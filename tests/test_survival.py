"""A run survives what kills it: SIGKILL at any moment, and two in one folder."""

import json
import random
import re
import subprocess
import sys
import time

import pytest
from conftest import STYLES, bits, script, tensors

from compare import parting
from shared import trace

KILLS = 25
TEMPORARY = re.compile(r"tempstate|_temp|\.meta\.tmp|checkpoint\.tmp|\.tmp-")


def leftovers(folder):
    return [str(path) for path in folder.rglob("*") if TEMPORARY.search(path.name)]


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_killed_at_any_moment(run, tmp_path, environment, style):
    """It saves after every step, so that most kills come in the midst of a write."""
    flags = ["--dataset=digits", "--save_every=1", "--eval_every=0", "--trace_file=run/trace.npz"]
    command = [script(style, "mnist_deep"), *flags, "--run_dir=run"]
    chance = random.Random(0)
    folder = tmp_path / "run"
    steps, torn = [0], 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, *map(str, command), "--max_steps=100000"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if steps[-1]:
            assert process.stdout.readline().startswith("going on from step ")
        else:
            wait_for(folder / "result.json")
        time.sleep(chance.uniform(0, 2.5))
        process.kill()
        _, error = process.communicate()
        assert process.returncode == -9 and error == ""
        torn += bool(leftovers(folder))
        steps.append(json.loads((folder / "result.json").read_text())["step"])
    assert steps == sorted(steps)  # nothing that result.json had told of was lost
    assert torn > 0  # or this test would show less than it says

    last = steps[-1] + 5
    process = run(*command, f"--max_steps={last}")
    assert process.stdout.startswith("going on from step ")
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
    same = parting.compare(*traces, lambda name: None, parting.Tolerance())
    assert same.is_same
    ends = [tensors(tmp_path / name) for name in ("run", "unbroken")]
    assert len(ends[0]) == 27
    assert {k: bits(v) for k, v in ends[0].items()} == {k: bits(v) for k, v in ends[1].items()}


def wait_for(path):
    while not path.exists():
        time.sleep(0.01)
