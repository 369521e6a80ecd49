"""Sizes that the machine does not have end in one line, before TensorFlow builds anything."""

import re

import numpy as np
import pytest
from conftest import ROOT, script

from shared import flags, machine
from shared.console import UserError
from shared.trace import Trace

DEFAULTS = {"max_steps": 20, "batch_size": 10, "optimizer": "adam", "learning_rate": 0.5}
# Runs a program of ours on a machine of so many bytes of memory.
SMALL = """
import runpy, sys
from shared import machine
machine.available_memory = lambda: {memory}
sys.path.insert(0, {folder!r})
sys.argv = {command!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def hidden(text):
    return flags.parse(["script", f"--hidden={text}"], "Doc.", hidden="200,60", **DEFAULTS).hidden


@pytest.fixture
def gibibyte(monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 1 << 30)


@pytest.mark.parametrize(
    ("text", "weights", "needed"),
    [
        ("999999,999999", 784_999_215 + 999_999_000_000 + 10_000_000, "14,913.0"),
        ("999999", 784_999_215 + 10_000_000, "11.8"),
        ("8200,8200", 785 * 8200 + 8201 * 8200 + 82_010, "1.1"),
    ],
)
def test_hidden_layers_that_memory_cannot_hold(gibibyte, text, weights, needed):
    expected = f"--hidden={text}: "
    with pytest.raises(UserError, match=expected) as error:
        hidden(text)
    found = re.search(
        r": ([\d,]+) weights, .* at least ([\d,.]+) GiB of memory, and 1.0 GiB are",
        str(error.value),
    )
    assert int(found[1].replace(",", "")) == weights
    assert found[2] == needed


def test_hidden_layers_that_fit(gibibyte):
    assert hidden("7000,7000") == "7000,7000"  # 0.9 GiB
    deep = ",".join(["8"] * machine.MOST_LAYERS)
    assert hidden(deep) == deep


def test_too_many_hidden_layers():
    with pytest.raises(
        UserError, match=r"--hidden=8,8,.*\.\.\.: 5,000 layers, expected at most 100"
    ):
        hidden(",".join(["8"] * 5000))


@pytest.mark.proof  # the parts are tested above
def test_a_program_says_it_in_one_line(run):
    for options in (["--hidden=999999,999999"], ["--hidden=999999,999999", "--summary"]):
        process = run(script("tf1_style", "mnist_mlp"), *options, check=False)
        assert process.returncode == 2 and process.stderr.count("\n") == 1
        assert process.stderr.startswith("--hidden=999999,999999: 1,00")


@pytest.mark.proof
def test_a_batch_that_memory_cannot_hold(run, tmp_path):
    command = [str(script("tf2_style", "mnist_deep")), "--dataset=digits", "--batch_size=1000"]
    code = SMALL.format(memory=1 << 28, folder=str(ROOT), command=[*command, "--run_dir=run"])
    process = run("-c", code, check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert process.stderr.startswith("--batch_size=1000: the outputs of ")
    assert not (tmp_path / "run").exists()


def test_full_values_that_memory_cannot_hold(tmp_path, gibibyte):
    w = np.zeros(1 << 20, np.float32)  # 4 MiB
    for last_step in (None, 400):
        trace = Trace(str(tmp_path / "t.npz"), values_at=range(300), last_step=last_step)
        message = "TWINS_TRACE_VALUES_AT: the full values of 30[01] steps take at least 1.2 GiB"
        with pytest.raises(UserError, match=message):
            trace.record(0, None, {"w": w})
    trace = Trace(str(tmp_path / "t.npz"), values_at=range(300), last_step=100)
    trace.record(0, None, {"w": w})
    trace.save()


@pytest.mark.parametrize("version", [1, 2])
def test_the_limit_of_a_container_counts(tmp_path, monkeypatch, version):
    texts = {
        "/proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n",
        "/proc/self/cgroup": "0::/a\n" if version == 2 else "9:cpu,memory:/a\n0::/b\n",
        "/sys/fs/cgroup/a/memory.max": "max\n",
        "/sys/fs/cgroup/memory.max": "4096000\n" if version == 2 else "max\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "4096000\n",
    }

    def fake_open(path):
        if path not in texts:
            raise FileNotFoundError(path)
        copy = tmp_path / path.replace("/", "_")
        copy.write_text(texts[path])
        return copy.open()

    monkeypatch.setattr(machine, "open", fake_open, raising=False)
    assert machine.available_memory() == 4096000
    del texts["/proc/self/cgroup"]
    assert machine.available_memory() == 8000 << 10


def test_there_is_memory():
    assert 1 << 26 < machine.available_memory() < 1 << 50
