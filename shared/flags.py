"""The flags of every script, defined once."""

from __future__ import annotations

import re
import sys
from typing import Mapping

import numpy as np
from absl import flags

from shared import batches, datasets
from shared.console import UserError

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "rmsprop_keras", "adam")
LOSSES = ("cross_entropy", "mean_squared_error")
ACTIVATIONS = ("relu", "sigmoid", "tanh")
OUTPUT_ACTIVATIONS = ("linear", "tanh")
INITIALIZERS = ("glorot_uniform", "uniform", "truncated_normal")

# What a model is made of; a script has those that its model can do something with.
MODEL = ("hidden", "activation", "output_activation", "initializer", "batch_norm", "keep_prob")

# What the numbers of a run depend on: a run that goes on must go on with the same.
NUMBERS = (
    "dataset",
    "validation_size",
    "validation_start",
    "batch_order",
    "batch_size",
    "last_batch",
    "loss",
    "optimizer",
    "learning_rate",
    "decay",
    "reduce_on_plateau",
    "plateau_factor",
    "plateau_patience",
    "early_stopping",
    "patience",
    "keep_best",
    *MODEL,
    "seed",
    "precision",
)


def parse(argv: list[str], doc: str, **defaults: object) -> flags.FlagValues:
    """Parses a script's command line.

    Parameters
    ----------
    argv : the command line, the script's name first.
    doc : what --help says first.
    defaults : the script's own, by the names of the flags. Those that say how long it trains
        (`max_steps` or `epochs`), `batch_size`, `optimizer` and `learning_rate` every script has.
        A flag of `MODEL` is there only for a script that has a default for it.

    Returns
    -------
    absl.flags.FlagValues, with one attribute per flag.

    Raises
    ------
    UserError : an unknown flag, or a value out of range.
    """
    # A FlagValues of our own: the global one already holds absl.logging's --log_dir.
    values = flags.FlagValues()
    _define_data(values)
    _define_model(values, defaults)
    _define_training(values)
    _define_epochs(values)
    _define_run(values)
    _define_outputs(values)
    _define_machine(values)
    _forbid_patterns(values)
    for name, default in defaults.items():
        values.set_default(name, default)
    return parse_values(values, argv, doc)


def parse_values(values: flags.FlagValues, argv: list[str], doc: str) -> flags.FlagValues:
    """Parses the command line of a script whose flags are defined in `values`, but for --help.

    The rest is as with `parse`.
    """
    flags.DEFINE_boolean("help", False, "Show this help.", flag_values=values)
    try:
        rest = values(argv)[1:]
    except (flags.Error, UnicodeError) as error:
        raise UserError(f"{error} (--help lists all flags)")
    if "predict" in values and values.predict:
        values.predict = values.predict + rest  # as a shell writes --predict *.png
    elif rest:
        raise UserError(f"unexpected argument {rest[0]!r}; flags are --name=value")
    if values.help:
        print(doc.strip(), values.get_help(), sep="\n\n")
        sys.exit(0)
    return values


def count_steps(values: flags.FlagValues, size: int) -> None:
    """Sets `max_steps` to how many steps there are, of `size` examples to train on.

    The flag that was given counts, of both the one that ends the run first; where none was, the
    script's default does.
    """
    names = ("max_steps", "epochs")
    names = [name for name in names if values[name].present] or names
    limits = []
    if "max_steps" in names and values.max_steps:
        limits.append(values.max_steps)
    if "epochs" in names and values.epochs:
        limits.append(batches.steps_of(values.epochs, values.batch_size, size, values.last_batch))
    values.max_steps = min(limits)


def define_dataset(values: flags.FlagValues) -> None:
    """Defines --dataset and --data_dir."""
    flags.DEFINE_enum("dataset", "mnist", datasets.NAMES, "What to train on.", flag_values=values)
    flags.DEFINE_string(
        "data_dir",
        "",
        "Folder with the dataset's IDX files, gzipped or not, or with a sub-folder named after the "
        "dataset; default: the environment's TWINS_DATA_DIR. Without either: the project's cache, "
        "Keras's cache, a download.",
        flag_values=values,
    )


def _define_data(values: flags.FlagValues) -> None:
    define_dataset(values)
    flags.DEFINE_integer(
        "validation_size",
        None,
        "Training examples held out, of the file the first; 0 trains on all of them. Default: "
        "5000, of digits 100.",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "validation_start",
        0,
        "Number of the first that is held out; k times --validation_size holds out the k-th fold.",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_integer("batch_size", None, "Examples per step.", 1, flag_values=values)
    flags.DEFINE_enum(
        "batch_order",
        "shuffled",
        ("shuffled", "file"),
        "Order of the examples in an epoch: shuffled anew for each, or as in the file.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "last_batch",
        "filled",
        ("filled", "short"),
        "What becomes of a batch that reaches past the end of an epoch: filled up with the head of "
        "the next, or short.",
        flag_values=values,
    )


def _define_model(values: flags.FlagValues, defaults: Mapping[str, object]) -> None:
    if "hidden" in defaults:
        flags.DEFINE_string(
            "hidden", None, "Units of each hidden layer, such as 200,60.", flag_values=values
        )
        flags.register_validator(
            "hidden",
            lambda text: re.fullmatch(r"[1-9]\d{0,5}(,[1-9]\d{0,5})*", text),
            "expected numbers of units from 1 to 999999, such as 200,60",
            flag_values=values,
        )
    for name, choices, text in (
        ("activation", ACTIVATIONS, "Activation of the hidden layers."),
        ("output_activation", OUTPUT_ACTIVATIONS, "Activation of the last layer."),
        ("initializer", INITIALIZERS, "What the weights are drawn from; biases start at 0."),
    ):
        if name in defaults:
            flags.DEFINE_enum(name, None, choices, text, flag_values=values)
    if "batch_norm" in defaults:
        flags.DEFINE_boolean(
            "batch_norm",
            False,
            "Batch norm between each layer and its activation, in the place of the bias.",
            flag_values=values,
        )
    if "keep_prob" in defaults:
        _define_fraction(
            values, "keep_prob", 1.0, "Probability that dropout keeps a unit; 1 drops none."
        )


def _define_fraction(values: flags.FlagValues, name: str, default: float, text: str) -> None:
    flags.DEFINE_float(name, default, text, flag_values=values)
    flags.register_validator(
        name,
        lambda value: 0 < value <= 1,
        "expected a number above 0 and at most 1",
        flag_values=values,
    )


def _define_training(values: flags.FlagValues) -> None:
    flags.DEFINE_integer("max_steps", None, "Steps to train.", 1, flag_values=values)
    flags.DEFINE_integer(
        "epochs",
        None,
        "Epochs to train, instead of --max_steps; with both, what ends the run first counts.",
        1,
        flag_values=values,
    )
    flags.DEFINE_enum(
        "loss",
        "cross_entropy",
        LOSSES,
        "Cross-entropy of the softmax of what the model puts out, or mean squared error against "
        "one-hot labels.",
        flag_values=values,
    )
    flags.DEFINE_enum("optimizer", None, OPTIMIZERS, "Update rule.", flag_values=values)
    define_learning_rate(values, None, "Learning rate, of the first epoch.")
    flags.DEFINE_integer(
        "seed", 0, "Seed of weights, batches and dropout.", 0, 2**31 - 1, flag_values=values
    )


def define_learning_rate(
    values: flags.FlagValues, default: float | None, text: str = "Learning rate."
) -> None:
    """Defines --learning_rate."""
    flags.DEFINE_float("learning_rate", default, text, flag_values=values)
    flags.register_validator(
        "learning_rate",
        lambda rate: rate is None or 0 < rate <= np.finfo(np.float32).max,
        "expected a number above 0 that float32 can hold",
        flag_values=values,
    )


def _define_epochs(values: flags.FlagValues) -> None:
    """What happens after each epoch; see shared/schedules.py."""
    _define_fraction(
        values, "decay", 1.0, "What the learning rate is multiplied by after each epoch."
    )
    flags.DEFINE_boolean(
        "reduce_on_plateau",
        False,
        "Multiply the learning rate by --plateau_factor whenever the validation loss has not "
        "fallen below its lowest for --plateau_patience epochs.",
        flag_values=values,
    )
    _define_fraction(values, "plateau_factor", 0.1, "See --reduce_on_plateau.")
    flags.DEFINE_integer("plateau_patience", 10, "See --reduce_on_plateau.", 1, flag_values=values)
    flags.DEFINE_boolean(
        "early_stopping",
        False,
        "End when the validation loss has not fallen below its lowest for --patience epochs.",
        flag_values=values,
    )
    flags.DEFINE_integer("patience", 1, "See --early_stopping.", 1, flag_values=values)
    flags.DEFINE_boolean(
        "keep_best",
        False,
        "Keep the checkpoint of the epoch with the lowest validation loss in best/ too, and take "
        "that one in the end: for the test, --export_dir and --predict.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "csv_log",
        False,
        "Measure loss and accuracy after each epoch, on what is held out and on as many of the "
        "training examples, and write them to history.csv. Without validation examples the test "
        "set is measured.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "save_activations",
        False,
        "After each epoch, write what each layer puts out for the first validation image, or test "
        "image where there is none, to activations/.",
        flag_values=values,
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


def _define_outputs(values: flags.FlagValues) -> None:
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
        1000,
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
    flags.DEFINE_boolean(
        "summary",
        False,
        "Print the model's layers, shapes and parameters, and end.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "predict",
        None,
        "Pictures of one digit each, of any size, dark on light or light on dark: say which they "
        "are, by the checkpoint of --run_dir or --restore, and end.",
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
    flags.DEFINE_integer(
        "steps_per_call",
        1,
        "Steps that one call of TensorFlow does, at most: with more than 1 the examples lie on the "
        "device, and only their numbers are handed over. Faster, the more the smaller the model; "
        "the numbers are the same.",
        1,
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
