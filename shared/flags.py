"""The flags of every script, defined once."""

from __future__ import annotations

import sys

import numpy as np
from absl import flags

from shared import datasets
from shared.console import UserError

OPTIMIZERS = ("sgd", "momentum", "adagrad", "rmsprop", "adam")

# What the numbers of a run depend on: a run that goes on must go on with the same.
NUMBERS = (
    "dataset",
    "validation_size",
    "batch_order",
    "batch_size",
    "optimizer",
    "learning_rate",
    "keep_prob",
    "seed",
    "precision",
)


def parse(
    argv: list[str],
    doc: str,
    max_steps: int,
    batch_size: int,
    optimizer: str,
    learning_rate: float,
    keep_prob: float | None = None,
    summary_every: int = 1000,
) -> flags.FlagValues:
    """Parses a script's command line.

    Parameters
    ----------
    argv : the command line, the script's name first.
    doc : what --help says first.
    max_steps, batch_size, optimizer, learning_rate : the script's own defaults.
    keep_prob : likewise; None for a model without dropout, which then has no such flag.
    summary_every : likewise; so seldom that a run takes hardly longer.

    Returns
    -------
    absl.flags.FlagValues, with one attribute per flag.

    Raises
    ------
    UserError : an unknown flag, or a value out of range.
    """
    # A FlagValues of our own: the global one already holds absl.logging's --log_dir.
    values = flags.FlagValues()
    _define_data(values, batch_size)
    _define_training(values, max_steps, optimizer, learning_rate, keep_prob)
    _define_run(values)
    _define_outputs(values, summary_every)
    _define_machine(values)
    _forbid_patterns(values)
    flags.DEFINE_boolean("help", False, "Show this help.", flag_values=values)
    try:
        rest = values(argv)[1:]
    except (flags.Error, UnicodeError) as error:
        raise UserError(f"{error} (--help lists all flags)")
    if rest:
        raise UserError(f"unexpected argument {rest[0]!r}; flags are --name=value")
    if values.help:
        print(doc.strip(), values.get_help(), sep="\n\n")
        sys.exit(0)
    return values


def _define_data(values: flags.FlagValues, batch_size: int) -> None:
    flags.DEFINE_enum("dataset", "mnist", datasets.NAMES, "What to train on.", flag_values=values)
    flags.DEFINE_string(
        "data_dir",
        "",
        "Folder with the dataset's IDX files, gzipped or not, or with a sub-folder named after the "
        "dataset; default: the environment's TWINS_DATA_DIR. Without either: the project's cache, "
        "Keras's cache, a download.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "validation_size",
        None,
        "Training examples held out, the first of the file; 0 trains on all of them. Default: "
        "5000, of digits 100.",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_integer("batch_size", batch_size, "Examples per step.", 1, flag_values=values)
    flags.DEFINE_enum(
        "batch_order",
        "shuffled",
        ("shuffled", "file"),
        "Order of the examples in an epoch: shuffled anew for each, or as in the file.",
        flag_values=values,
    )


def _define_training(
    values: flags.FlagValues,
    max_steps: int,
    optimizer: str,
    learning_rate: float,
    keep_prob: float | None,
) -> None:
    flags.DEFINE_integer("max_steps", max_steps, "Steps to train.", 1, flag_values=values)
    flags.DEFINE_enum("optimizer", optimizer, OPTIMIZERS, "Update rule.", flag_values=values)
    flags.DEFINE_float("learning_rate", learning_rate, "Learning rate.", flag_values=values)
    flags.register_validator(
        "learning_rate",
        lambda rate: 0 < rate <= np.finfo(np.float32).max,
        "expected a number above 0 that float32 can hold",
        flag_values=values,
    )
    if keep_prob is not None:
        flags.DEFINE_float(
            "keep_prob",
            keep_prob,
            "Probability that dropout keeps a unit; 1 drops none.",
            flag_values=values,
        )
        flags.register_validator(
            "keep_prob",
            lambda probability: 0 < probability <= 1,
            "expected a number above 0 and at most 1",
            flag_values=values,
        )
    flags.DEFINE_integer(
        "seed", 0, "Seed of weights, batches and dropout.", 0, 2**31 - 1, flag_values=values
    )


def _define_run(values: flags.FlagValues) -> None:
    flags.DEFINE_integer(
        "eval_every",
        100,
        "Steps from one report of loss and training accuracy, on the step's batch, to the next; 0 "
        "reports none.",
        0,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "save_every",
        1000,
        "Steps from one checkpoint to the next; 0 saves only at the end.",
        0,
        flag_values=values,
    )
    flags.DEFINE_string(
        "run_dir",
        "",
        "Folder for all that the run leaves. If a run is there already, it goes on from its newest "
        "checkpoint. Default: a new folder runs/STYLE/SCRIPT, with a number behind it if that is "
        "taken.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "restart", False, "Begin afresh, over the run in --run_dir.", flag_values=values
    )
    flags.DEFINE_string(
        "restore",
        "",
        "Checkpoint to begin from, of either style, or the folder of a run for its newest; a run "
        "in --run_dir that has checkpoints of its own goes on from those.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "partial",
        False,
        "Let --restore leave out what has no counterpart, and list it.",
        flag_values=values,
    )


def _define_outputs(values: flags.FlagValues, summary_every: int) -> None:
    flags.DEFINE_boolean("log", True, "Write summaries for TensorBoard.", flag_values=values)
    flags.DEFINE_string(
        "log_dir",
        "",
        "Folder for TensorBoard, which gets a folder STYLE/SCRIPT for the run; default: the run's "
        "folder.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "summary_every",
        summary_every,
        "Steps from one set of histograms, with the validation accuracy, to the next; 0 writes "
        "none.",
        0,
        flag_values=values,
    )
    flags.DEFINE_string(
        "trace_file",
        "",
        "File to record loss and variables in, step by step, for python -m compare parity.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "trace_every",
        None,
        "Steps from one record to the next; default: 1.",
        1,
        flag_values=values,
    )
    flags.DEFINE_list(
        "trace_values_at",
        None,
        "Steps whose full values are recorded besides the last, such as 0,100; 0: the start.",
        flag_values=values,
    )
    flags.register_validator(
        "trace_values_at",
        lambda steps: all(
            step.strip().isdecimal() and len(step) < 19  # so that int64 holds it
            for step in steps or ()
        ),
        "expected steps such as 0,100",
        flag_values=values,
    )
    flags.DEFINE_string(
        "export_dir",
        "",
        "Folder for the trained model: a SavedModel, which takes images and gives scores and "
        "classes.",
        flag_values=values,
    )


def _define_machine(values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "device", "auto", "auto (a GPU if there is one), cpu, gpu or gpu:N.", flag_values=values
    )
    flags.register_validator(
        "device",
        lambda device: (
            device in ("auto", "cpu", "gpu")
            or (device.startswith("gpu:") and device[4:].isdecimal())
        ),
        "expected auto, cpu, gpu or gpu:N",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "threads",
        0,
        "Threads an operation may use; 0: one for each core. The numbers depend on it.",
        0,
        1024,
        flag_values=values,
    )
    flags.DEFINE_enum(
        "precision",
        "float32",
        ("float32", "bfloat16"),
        "Precision of products and convolutions. bfloat16 needs a processor with AMX or "
        "AVX512-BF16; variables and updates stay float32.",
        flag_values=values,
    )


def _forbid_patterns(values: flags.FlagValues) -> None:
    """TensorFlow takes a path with `*` for a pattern, and removes what it matches."""
    for name in ("run_dir", "restore", "log_dir", "trace_file", "export_dir"):
        flags.register_validator(
            name,
            _is_local_path,
            r"expected a local path, without any of * ? [ ] \ and ://",
            flag_values=values,
        )


def _is_local_path(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeError:
        return False
    return "://" not in path and not set("*?[]\\") & set(path)
