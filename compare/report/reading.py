"""Reads what a run has left."""

import glob
import json
import os
import sys
import types
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np

from compare.runner import STYLES
from shared import runs
from shared.console import UserError

# What the page could not do without, and what type each is of.
_RESULT = {
    "script": str,
    "style": str,
    "status": str,
    "step": int,
    "threads": int,
    "flags": dict,
    "device": str,
    "versions": dict,
    "command": list,
    "started": str,
    "test_accuracy": float,
    "peak_memory_mib": float,
    # Not there, or null, where there is nothing to say.
    "steps_per_second": (int, float, type(None)),
    "train_seconds": (int, float, type(None)),
    "onednn": (str, type(None)),
}
_DIMENSIONS = {"labels": 1, "logits": 2, "mistakes": 1, "images": 3, "filters": 3}


@dataclass(frozen=True)
class Run:
    """A run that is complete.

    Attributes
    ----------
    directory : as it was named.
    result : what result.json holds.
    evaluation : what evaluation.npz holds, see `shared.evaluation.save`.
    scalars : what TensorBoard shows as curves, by tag, then by step; empty after --nolog.
    """

    directory: str
    result: dict
    evaluation: dict[str, np.ndarray]
    scalars: dict[str, dict[int, float]]

    @property
    def style(self) -> str:
        return self.result["style"]

    @property
    def trace(self) -> str | None:
        """The record of its every step, if it lies in the folder and is not of an earlier run."""
        path = os.path.join(self.directory, "trace.npz")
        is_own = self.result.get("trace_file") == "trace.npz"
        return path if is_own and os.path.exists(path) else None


def read(directory: str) -> Run:
    """Reads the folder of a run.

    Raises
    ------
    UserError : it is not that of a complete run, or cannot be read.
    """
    result = _result(directory)
    evaluation = _evaluation(os.path.join(directory, "evaluation.npz"))
    return Run(directory, result, evaluation, _scalars(directory, result.get("log_dir")))


def _result(directory: str) -> dict:
    path = os.path.join(directory, "result.json")
    try:
        with open(path) as file:
            result = json.load(file)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected the folder of a run")
    except (ValueError, RecursionError):
        result = None
    if not isinstance(result, dict) or not isinstance(result.get("status"), str):
        raise UserError(f"{path}: not the result of a run; name a run's folder")
    if result["status"] != runs.COMPLETE:
        raise UserError(
            f"{directory}: the run is {result['status']} at step {result.get('step')}, expected a "
            "complete one; bring it to its end, or name another"
        )
    wrong = [key for key, kind in _RESULT.items() if not isinstance(result.get(key), kind)]
    if wrong or result["style"] not in STYLES:
        raise UserError(
            f"{path}: {', '.join(wrong) or 'style'} missing or not as expected; run it again"
        )
    return result


def _evaluation(path: str) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in _DIMENSIONS}
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run it again with --restart")
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        arrays = None
    if not arrays or not _fits(arrays):
        raise UserError(f"{path}: not what a run writes; run it again with --restart")
    return arrays


def _fits(arrays: dict[str, np.ndarray]) -> bool:
    """Says whether arrays are of the kind and size that `shared.evaluation.save` writes."""
    if {name: array.ndim for name, array in arrays.items()} != _DIMENSIONS:
        return False
    labels, logits, mistakes, images, filters = (arrays[name] for name in _DIMENSIONS)
    return (
        labels.dtype == images.dtype == np.uint8
        and mistakes.dtype == np.int64
        and logits.shape == (len(labels), 10)
        and len(mistakes) == len(images)
        and all(np.isfinite(array).all() for array in (logits, filters))
        and labels.max(initial=0) < 10
        and ((0 <= mistakes) & (mistakes < len(labels))).all()
    )


def _scalars(directory: str, log_dir: str | None) -> dict[str, dict[int, float]]:
    """Returns the numbers in a run's event files; the folder itself comes before `log_dir`.

    For a folder that was moved knows another one by its old name.
    """
    for folder in (directory, log_dir):
        found = glob.glob(os.path.join(glob.escape(folder or ""), "events.out.tfevents.*"))
        files = sorted(path for path in found if os.path.isfile(path))
        if folder and files:
            return _read_events(files)
    return {}


def _read_events(files: list[str]) -> dict[str, dict[int, float]]:
    # With a module of this name in place tensorboard reads by itself, without TensorFlow, whose
    # import takes seconds.
    sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("notf"))
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    scalars = {}
    for path in files:
        for event in EventFileLoader(path).Load():  # it turns TF1's scalars into TF2's tensors
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    number = float(make_ndarray(value.tensor))
                    scalars.setdefault(value.tag, {})[event.step] = number
    return scalars
