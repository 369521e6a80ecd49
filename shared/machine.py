"""The machine that a run uses: device, precision, threads and memory."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from typing import Callable, Iterable, Mapping, Sequence

from absl.flags import FlagValues

from shared.console import UserError

# On one core of an AMD EPYC, either style takes 13 seconds to build 100 hidden layers and run three
# steps, and 47 seconds for 400 layers. The program prints nothing during that time.
MOST_LAYERS = 100
_BYTES = 4  # of a float32


def select_device(flags: FlagValues, tensorflow: str, list_gpus: Callable[[str], list]) -> str:
    """Selects the device of --device, and makes the results of a GPU reproducible.

    It sets environment variables that TensorFlow 1 and 2 read at their first use. So call it
    before any function of TensorFlow.

    Parameters
    ----------
    flags : the parsed flags; --device and --precision are read.
    tensorflow : TensorFlow's version.
    list_gpus : TensorFlow's function that lists physical devices of a type.

    Returns
    -------
    str, the name of the device.

    Raises
    ------
    UserError : the GPU does not exist, or the device does not support the precision.
    """
    device = flags.device
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    elif device.startswith("gpu:"):
        os.environ["CUDA_VISIBLE_DEVICES"] = device[len("gpu:") :]
    has_gpu = bool(list_gpus("GPU"))
    _check_precision(flags.precision, has_gpu, tensorflow)
    if has_gpu:
        os.environ["TF_DETERMINISTIC_OPS"] = "1"
        os.environ["TF_CUDNN_DETERMINISTIC"] = "1"  # the same for TF 1.15.5
        os.environ["NVIDIA_TF32_OVERRIDE"] = "0"  # matrix products keep all 24 bits of float32
        os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # take memory when it is needed
        return _gpu_name()
    if device.startswith("gpu"):
        raise UserError(
            f"--device={device}: TensorFlow sees no such GPU; use --device=cpu, or check that "
            "nvidia-smi lists it and that tensorflow[and-cuda] is installed"
        )
    return cpu()


def cpu() -> str:
    """Returns the name of the processor and how many of its cores this process may use."""
    return f"{_cpu_name()} ({cores()} cores)"


def has_bfloat16() -> bool:
    """Says whether the processor multiplies in bfloat16."""
    return bool({"amx_bf16", "avx512_bf16"} & set(_cpu_info("flags").split()))


def _check_precision(precision: str, has_gpu: bool, tensorflow: str) -> None:
    """Refuses a precision that TensorFlow would silently replace by float32."""
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
    raise UserError(f"--precision={precision} needs {lacking}; use --precision=float32")


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
    """Returns the first processor's entry `key` on Linux; an empty string elsewhere."""
    return _entry("/proc/cpuinfo", key).partition(":")[2].strip()


def _entry(path: str, key: str) -> str:
    """Returns the first line of a file that starts with `key`, or an empty string."""
    try:
        with open(path) as file:
            return next((line for line in file if line.startswith(key)), "")
    except OSError:
        return ""


def cores() -> int:
    """Returns the number of processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def threads_between(flags: FlagValues) -> int:
    """Returns how many operations may run in parallel; 0 lets TensorFlow decide.

    With many steps in one call, a second operation in parallel saves no time, and handing an
    operation to another thread takes as long as a small operation. The numbers do not depend on
    this.
    """
    return int(flags.steps_per_call > 1)


def peak_memory_mib() -> float:
    """Returns the peak memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def available_memory() -> int:
    """Returns how many bytes of memory this process can still get."""
    limits = [_free_memory(), *_cgroup_limits()]
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):  # `ulimit -v` and `ulimit -d`
        limit, _ = resource.getrlimit(kind)
        if limit != resource.RLIM_INFINITY:
            limits.append(limit)
    return min(limits)


def _free_memory() -> int:
    line = _entry("/proc/meminfo", "MemAvailable:").split()
    if len(line) > 1:
        return int(line[1]) << 10
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cgroup_limits() -> Iterable[int]:
    """Yields the memory limits of this process's container or control group, in bytes."""
    try:
        with open("/proc/self/cgroup") as file:
            groups = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return
    for _, controllers, group in groups:
        if controllers == "":  # version 2
            root, name = "/sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            root, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        for folder in (root + group, root):  # a container sees its own group as the root
            limit = _entry(os.path.join(folder, name), "").strip()
            if limit.isdecimal():
                yield int(limit)


def check_memory(needed: int, subject: str, remedy: str) -> None:
    """Raises UserError if something needs more memory than is available.

    Parameters
    ----------
    needed : bytes.
    subject : what needs the memory, the flag first.
    remedy : how the user can fix it.
    """
    available = available_memory()
    if needed > available:
        raise UserError(
            f"{subject} take at least {needed / (1 << 30):,.1f} GiB of memory, and "
            f"{available / (1 << 30):,.1f} GiB are available; {remedy}"
        )


def check_hidden(hidden: str, inputs: int, outputs: int) -> None:
    """Refuses too many hidden layers, and hidden layers too large for the memory.

    Parameters
    ----------
    hidden : units of each hidden layer, such as "200,60", or "" for none.
    inputs, outputs : units before the first and after the last hidden layer.

    Raises
    ------
    UserError : there are too many layers, or they are too large.
    """
    units = [inputs, *map(int, filter(None, hidden.split(","))), outputs]
    shown = hidden if len(hidden) < 100 else hidden[:80] + "..."
    if len(units) - 2 > MOST_LAYERS:
        raise UserError(
            f"--hidden={shown}: {len(units) - 2:,} layers, expected at most {MOST_LAYERS}, which "
            "take TensorFlow 13 seconds to build; name fewer"
        )
    weights = sum((before + 1) * after for before, after in zip(units, units[1:]))
    check_memory(
        4 * _BYTES * weights,  # with the gradient and two slots of an optimizer such as Adam
        f"--hidden={shown}: {weights:,} weights, their gradients and slots",
        "name fewer units",
    )


def check_batch(batch_size: int, shapes: Mapping[str, Sequence]) -> None:
    """Refuses a batch whose activations are too large for the memory.

    Parameters
    ----------
    batch_size : examples per step.
    shapes : {layer: shape of its output}; the first size of a shape is the batch size.

    Raises
    ------
    UserError : the batch is too large.
    """
    units = 0
    for shape in shapes.values():
        size = 1
        for length in shape[1:]:
            size *= length or 1  # the length of a text may be unknown
        units += size
    check_memory(
        2 * _BYTES * batch_size * units,  # with their gradients
        f"--batch_size={batch_size}: the outputs of {len(shapes)} layers and their gradients",
        "use a smaller batch",
    )
