"""What the pages say of GPUs: bits of the twins, resuming, float32 products, memory, precision.

These tests need an NVIDIA GPU and are skipped without one. docs/results.md says where they ran.
"""

import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import STYLES, bits, result, script, tensors

# Sets the process up as a program does, and goes on.
SELECT = """
from absl.flags import FlagValues
import tensorflow as tf
from shared import machine
from types import SimpleNamespace as Flags
flags = Flags(device="gpu", precision="float32")
machine.select_device(flags, tf.__version__, tf.config.list_physical_devices)
"""
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not shutil.which("nvidia-smi"), reason="there is no GPU: no nvidia-smi"),
]


def train(run, tmp_path, style, name, *flags):
    """Trains the CNN for 100 steps; returns all variables of the last checkpoint as bits."""
    run_dir = tmp_path / name
    common = ["--dataset=digits", "--max_steps=100", "--device=gpu", f"--run_dir={run_dir}"]
    run(script(style, "mnist_deep"), *common, "--nolog", *flags)
    kind = style[:3]
    return {key: bits(array) for key, array in tensors(run_dir, kind).items()}


def test_twins_and_repeated_runs_have_the_same_bits(run, tmp_path):
    """With deterministic operations, in both styles, twice, and with many steps in a call."""
    for style in STYLES:
        first = train(run, tmp_path, style, f"{style}-1")
        assert train(run, tmp_path, style, f"{style}-2") == first
        assert train(run, tmp_path, style, f"{style}-3", "--steps_per_call=50") == first
    logits = [np.load(tmp_path / f"{style}-1" / "evaluation.npz")["logits"] for style in STYLES]
    assert bits(logits[0]) == bits(logits[1])
    device = result(tmp_path / "tf2_style-1")["device"]
    assert "cores" not in device


@pytest.mark.parametrize("style", STYLES)
def test_resumed_run_has_the_bits_of_an_uninterrupted_one(run, tmp_path, environment, style):
    whole = train(run, tmp_path, style, "whole")
    run_dir = tmp_path / "killed"
    command = [sys.executable, str(script(style, "mnist_deep")), "--dataset=digits", "--nolog"]
    command += ["--max_steps=100", "--device=gpu", f"--run_dir={run_dir}", "--save_every=10"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(run_dir.glob("checkpoints/*/*-20*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL  # it had not ended before
    assert train(run, tmp_path, style, "killed", "--save_every=10") == whole


def test_products_keep_all_bits_of_float32(run):
    """TF32 would round the factors to 10 bits: an error of 1e-3 in place of 1e-6."""
    code = SELECT + (
        "import numpy as np\n"
        "a = np.random.RandomState(0).uniform(size=[512, 512])\n"
        "x = tf.constant(a, tf.float32)\n"
        "exact = x.numpy().astype(np.float64) @ x.numpy()\n"
        "print('error', np.abs(tf.matmul(x, x).numpy() / exact - 1).max())\n"
    )
    process = run("-c", code)
    assert float(process.stdout.split()[-1]) < 1e-5


def test_memory_is_taken_as_it_is_needed(run):
    """Without growth, TensorFlow takes almost all memory of a GPU at its first operation."""
    query = "nvidia-smi --query-gpu=memory.used,memory.total --format=csv,noheader,nounits"
    code = SELECT + (
        "import subprocess\n"
        "tf.matmul(tf.ones([8, 8]), tf.ones([8, 8])).numpy()\n"
        f"print(subprocess.check_output({query.split()!r}, text=True).splitlines()[0])\n"
    )
    used, total = map(float, run("-c", code).stdout.splitlines()[-1].split(","))
    assert used < total / 2


@pytest.mark.parametrize("style", STYLES)
def test_bfloat16_is_refused(run, tmp_path, style):
    flags = ["--dataset=digits", "--device=gpu", "--precision=bfloat16"]
    process = run(script(style, "mnist_deep"), *flags, check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "--precision=bfloat16 needs a processor, not a GPU" in process.stderr


@pytest.mark.parametrize("style", STYLES)
def test_mirrored_with_one_replica_on_each_gpu(run, tmp_path, style):
    """The loss of 100 steps is that of a run without distribution, up to the order of sums."""
    gpus = len(subprocess.check_output(["nvidia-smi", "-L"]).splitlines())
    plain = train(run, tmp_path, style, "plain", "--keep_prob=1")
    flags = ["--keep_prob=1", "--distribution=mirrored", f"--replicas={max(1, gpus)}"]
    train(run, tmp_path, style, "mirrored", *flags)
    logits = [
        np.load(tmp_path / name / "evaluation.npz")["logits"] for name in ("plain", "mirrored")
    ]
    assert plain and np.abs(logits[0] - logits[1]).max() < 0.01 * np.abs(logits[0]).max()
