"""The machine a run is on, as far as its numbers and its speed depend on it."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from typing import Callable

from absl.flags import FlagValues

from shared.console import UserError


def select_device(values: FlagValues, tensorflow: str, list_gpus: Callable[[str], list]) -> str:
    """Makes TensorFlow use the device that --device names, reproducibly if it is a GPU.

    It sets environment variables, which both generations of TensorFlow read when they first need
    them: call this before anything else is asked of TensorFlow.

    Parameters
    ----------
    values : the parsed flags, of which it heeds --device and --precision.
    tensorflow : TensorFlow's version.
    list_gpus : TensorFlow's function that lists physical devices of a type.

    Returns
    -------
    str, the name of the device.

    Raises
    ------
    UserError : a GPU was asked for and there is none, or a precision that it has not.
    """
    device = values.device
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    elif device.startswith("gpu:"):
        os.environ["CUDA_VISIBLE_DEVICES"] = device[len("gpu:") :]
    has_gpu = bool(list_gpus("GPU"))
    _check_precision(values.precision, has_gpu, tensorflow)
    if has_gpu:
        os.environ["TF_DETERMINISTIC_OPS"] = "1"
        os.environ["TF_CUDNN_DETERMINISTIC"] = "1"  # the same, in the words of TF 1.15.5
        os.environ["NVIDIA_TF32_OVERRIDE"] = "0"  # products keep all 24 bits of float32
        os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # memory as it is needed
        return _gpu_name()
    if device.startswith("gpu"):
        raise UserError(
            f"--device={device}: TensorFlow sees no such GPU; use --device=cpu, or check that "
            "nvidia-smi lists it and that tensorflow[and-cuda] is installed"
        )
    return cpu()


def cpu() -> str:
    """Returns the processor's name, and how many cores of it this process may run on."""
    return f"{_cpu_name()} ({cores()} cores)"


def has_bfloat16() -> bool:
    """Says whether the processor multiplies in bfloat16."""
    return bool({"amx_bf16", "avx512_bf16"} & set(_cpu_info("flags").split()))


def _check_precision(precision: str, has_gpu: bool, tensorflow: str) -> None:
    """Refuses a precision that TensorFlow would leave at float32 without a word."""
    if precision == "float32":
        return
    if has_gpu:
        lacking = "a processor, not a GPU (--device=cpu)"
    elif tuple(map(int, tensorflow.split(".")[:2])) < (2, 12):
        lacking = f"TensorFlow 2.12 or later, not {tensorflow}"
    elif os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1").lower() in ("0", "false"):
        lacking = "oneDNN, which TF_ENABLE_ONEDNN_OPTS switches off"
    elif not has_bfloat16():
        lacking = f"a processor with AMX or AVX512-BF16, not {_cpu_name()}"
    else:
        return
    raise UserError(f"--precision={precision} needs {lacking}; take --precision=float32")


def _gpu_name() -> str:
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    number = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    try:
        return subprocess.check_output(query + ["--id=" + number], universal_newlines=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return "GPU"


def _cpu_name() -> str:
    return _cpu_info("model name") or platform.processor() or platform.machine()


def _cpu_info(key: str) -> str:
    """Returns what Linux tells of the first processor under `key`; nothing elsewhere."""
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith(key):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return ""


def cores() -> int:
    """Returns the number of processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def threads_between(values: FlagValues) -> int:
    """Returns how many operations may run at once; 0 leaves it to TensorFlow.

    Many steps in one call have no gaps for others to fill, and handing an operation over to another
    thread takes as long as a small one. The numbers do not depend on it.
    """
    return int(values.steps_per_call > 1)


def peak_memory_mib() -> float:
    """Returns the most memory this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
