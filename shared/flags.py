"""The flags of every program, each defined once."""

from __future__ import annotations

import functools
import os
import re
import sys
from typing import Callable, Mapping, Sequence

import numpy as np
from absl import flags as absl_flags
from absl.flags import FlagValues

from shared import batches, datasets, loss_weights, machine, outputs
from shared.console import UserError

OPTIMIZERS = (
    "sgd",
    "momentum",
    "nesterov",
    "adagrad",
    "rmsprop",
    "rmsprop_keras",
    "rmsprop_keras2",
    "adam",
)
LOSSES = ("cross_entropy", "mean_squared_error")
ACTIVATIONS = ("relu", "sigmoid", "tanh")
OUTPUT_ACTIVATIONS = ("linear", "tanh")
INITIALIZERS = ("glorot_uniform", "uniform", "truncated_normal")

SHORT = 1000  # steps; a shorter run writes summaries ten times by default

# The flags that describe a model; a program has those that its model uses.
MODEL = (
    "hidden",
    "activation",
    "output_activation",
    "initializer",
    "batch_norm",
    "keep_prob",
    "vocabulary",
    "length",
    "facts",
    "symmetric",
    "separable",
    "filters",
    "blocks",
    "residual",
    "image",
)

# The folders that Vertex AI names in the environment. It mounts gs://BUCKET as /gcs/BUCKET.
FOLDERS = {
    "run_dir": "AIP_CHECKPOINT_DIR",
    "log_dir": "AIP_TENSORBOARD_LOG_DIR",
    "export_dir": "AIP_MODEL_DIR",
}

# The flags that a run's numbers depend on. A resumed run must have the same values.
NUMBERS = (
    "dataset",
    "validation_size",
    "validation_start",
    "batch_order",
    "batch_size",
    "last_batch",
    "loss",
    "loss_weights",
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


def parse(argv: list[str], doc: str, **defaults: object) -> FlagValues:
    """Parses the command line of a program that trains with shared/training.py.

    Parameters
    ----------
    argv : the command line, the program's name first.
    doc : the text at the top of --help.
    defaults : the program's own defaults, by the names of the flags. Every program has defaults for
        the length of the training (`max_steps` or `epochs`), `batch_size`, `optimizer` and
        `learning_rate`. It has a flag of `MODEL` only if it has a default for it. A program with
        data of its own passes a tuple as `dataset`, the names of its datasets, the default first.
        If it has several losses, it passes their names as `loss`. It has no flags for digits.

    Returns
    -------
    absl.flags.FlagValues, with one attribute for each flag.

    Raises
    ------
    UserError : an unknown flag, or a value out of range.
    """
    flags = FlagValues()  # absl's global FlagValues already has a --log_dir, that of absl.logging
    define = _Definer(flags)
    is_of_digits = "dataset" not in defaults
    define_dataset(flags, defaults.pop("dataset", datasets.NAMES))
    if is_of_digits:
        _define_validation(define)
    _define_batches(define)
    _define_model(define, defaults)
    _define_training(define, defaults.pop("loss", LOSSES if is_of_digits else ()))
    _define_epochs(define)
    _define_run(define)
    _define_outputs(define)
    if is_of_digits:
        _define_predict(define)
    if "predict_text" in defaults:
        define.text(
            "predict_text",
            "",
            "Print the answer to this text with the checkpoint of --run_dir or --restore, and "
            "exit. The program's description says what the text is.",
        )
    _define_machine(define)
    _define_distribution(define)
    for name, default in defaults.items():
        flags.set_default(name, default)
    parse_values(flags, argv, doc)
    return flags


def parse_values(flags: FlagValues, argv: list[str], doc: str) -> FlagValues:
    """Adds --help to the `flags` that a program has defined, and parses its command line.

    The other parameters, the result and the errors are those of `parse`.
    """
    outputs.check_texts(argv[1:])
    _Definer(flags).boolean("help", False, "Show this help, and exit.")
    _set_folders(flags)
    try:
        rest = flags(argv)[1:]
    except (absl_flags.Error, UnicodeError) as error:
        raise UserError(f"{error} (--help lists all flags)")
    if "predict" in flags and flags.predict:
        flags.predict = flags.predict + rest  # a shell expands --predict *.png to arguments
    elif rest:
        raise UserError(f"unexpected argument {rest[0]!r}; flags are --name=value")
    if flags.help:
        print(doc.strip(), flags.get_help(), sep="\n\n")
        sys.exit(0)
    if "hidden" in flags:
        machine.check_hidden(flags.hidden, datasets.PIXELS, datasets.CLASSES)
    if "distribution" in flags:
        _check_distribution(flags)
    return flags


def _set_folders(flags: FlagValues) -> None:
    """Makes the folders that the environment names the defaults of their flags."""
    for name, variable in FOLDERS.items():
        if name in flags and os.environ.get(variable):
            path = re.sub("^gs://", "/gcs/", os.environ[variable])
            try:
                flags.set_default(name, path)
            except (absl_flags.Error, UnicodeError) as error:
                raise UserError(f"{variable}: {error}; unset it, or name such a path")


def _check_distribution(flags: FlagValues) -> None:
    """Sets --distribution and --replicas from each other; refuses flags that do not fit."""
    if flags.distribution == "none" and (flags.replicas or 1) > 1:
        flags.distribution = "mirrored"
    if flags.distribution in ("sync", "async"):
        refused = {"replicas": None, "early_stopping": False, "reduce_on_plateau": False}
    elif flags.distribution == "mirrored":
        flags.replicas = flags.replicas or 2
        refused = {}
    else:
        refused = {"cluster": ""}
    if flags.distribution != "none":
        refused["steps_per_call"] = 1
    if flags.distribution not in ("mirrored", "sync"):
        refused["sync_batch_norm"] = False
    for name, default in refused.items():
        if flags[name].value != default:
            raise UserError(
                f"--{name} does not go with --distribution={flags.distribution}; leave one of them "
                "out"
            )


def count_steps(flags: FlagValues, size: int) -> None:
    """Sets `max_steps` to the number of steps to train on `size` examples.

    Limits on the command line replace the program's default. If there are two limits, the lower one
    counts. A short run gets a lower default of `summary_every`, so that its curves have enough
    points.
    """
    names = ("max_steps", "epochs")
    names = [name for name in names if flags[name].present] or names
    limits = []
    if "max_steps" in names and flags.max_steps:
        limits.append(flags.max_steps)
    if "epochs" in names and flags.epochs:
        limits.append(batches.steps_of(flags.epochs, flags.batch_size, size, flags.last_batch))
    flags.max_steps = min(limits)
    if not flags["summary_every"].present and flags.max_steps < SHORT:
        flags.summary_every = min(flags.summary_every, max(1, flags.max_steps // 10))


def set_model(flags: FlagValues, recorded: Mapping[str, object], source: str) -> None:
    """Sets the flags that a model depends on to the values that a run has recorded.

    Parameters
    ----------
    flags : the parsed flags.
    recorded : names to values, as in the result.json of the run.
    source : the run folder, for the message of an error.

    Raises
    ------
    UserError : a recorded value is not valid for its flag.
    """
    names = ("optimizer", *MODEL)
    if "predict_text" in flags:  # the numbers of the words depend on the data
        names += ("dataset", "seed")
    for name in names:
        if name in flags and name in recorded:
            try:
                setattr(flags, name, flags[name].parser.parse(recorded[name]))
            except (absl_flags.Error, ValueError, TypeError) as error:
                raise UserError(
                    f"{source}: not the result of a run ({name}: {error}); restore another run"
                )
    if "hidden" in flags:
        machine.check_hidden(flags.hidden, datasets.PIXELS, datasets.CLASSES)


def define_dataset(flags: FlagValues, names: Sequence[str] = datasets.NAMES) -> None:
    """Defines --dataset, whose default is the first of `names`, and --data_dir."""
    define = _Definer(flags)
    define.choice("dataset", names[0], names, "Dataset to train on.")
    define.text(
        "data_dir",
        "",
        "Folder with the dataset's files, packed or not. They may be in a subfolder with the "
        "dataset's name. Default: the environment variable TWINS_DATA_DIR; if it is not set, the "
        "project's cache, Keras's cache, or a download.",
    )


def define_learning_rate(
    flags: FlagValues, default: float | None, text: str = "Learning rate."
) -> None:
    """Defines --learning_rate."""
    define = _Definer(flags)
    define.number("learning_rate", default, text)
    define.check(
        "learning_rate",
        lambda rate: rate is None or 0 < rate <= np.finfo(np.float32).max,
        "a number above 0 that float32 can hold",
    )


def define_hidden(flags: FlagValues, default: str | None = None) -> None:
    """Defines --hidden; a default of "" is a model without hidden layers."""
    define = _Definer(flags)
    define.text("hidden", default, "Units of each hidden layer, such as 200,60.")
    define.check(
        "hidden",
        lambda text: text == default or re.fullmatch(r"[1-9]\d{0,5}(,[1-9]\d{0,5})*", text),
        "numbers of units from 1 to 999999, such as 200,60",
    )


class _Definer:
    """Defines flags in one FlagValues, with absl's functions.

    Each method takes the flag's name, its default and its text for --help. `choice` takes the
    allowed values before the text. `integer` takes the minimum and the maximum after it.
    """

    def __init__(self, flags: FlagValues):
        self.flags = flags
        self.boolean = functools.partial(absl_flags.DEFINE_boolean, flag_values=flags)
        self.choice = functools.partial(absl_flags.DEFINE_enum, flag_values=flags)
        self.integer = functools.partial(absl_flags.DEFINE_integer, flag_values=flags)
        self.number = functools.partial(absl_flags.DEFINE_float, flag_values=flags)
        self.text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
        self.list = functools.partial(absl_flags.DEFINE_list, flag_values=flags)
        self.texts = functools.partial(absl_flags.DEFINE_multi_string, flag_values=flags)

    def check(self, name: str, is_valid: Callable[[object], bool], expected: str) -> None:
        """Refuses the values of a flag that are not valid."""
        absl_flags.register_validator(
            name, is_valid, f"expected {expected}", flag_values=self.flags
        )

    def fraction(self, name: str, default: float, text: str) -> None:
        self.number(name, default, text)
        self.check(name, lambda value: 0 < value <= 1, "a number above 0 and at most 1")

    def path(self, name: str, text: str) -> None:
        """Defines a flag whose path may be passed to TensorFlow."""
        self.text(name, "", text)
        self.check(name, _is_local_path, r"a local path, without any of * ? [ ] \ and ://")


def _is_local_path(path: str) -> bool:
    """Says whether TensorFlow uses a path literally.

    TensorFlow treats a path with `*` as a pattern, and removes all files that match it.
    """
    try:
        path.encode("utf-8")
    except UnicodeError:
        return False
    return "://" not in path and not set("*?[]\\") & set(path)


def _define_validation(define: _Definer) -> None:
    define.integer(
        "validation_size",
        None,
        "Number of training examples to hold out for validation; 0 trains on all of them. "
        "Default: 5000, or 100 for --dataset=digits.",
        0,
    )
    define.integer(
        "validation_start",
        0,
        "Index of the first example to hold out. For fold K, counted from 0, use K times "
        "--validation_size.",
        0,
    )


def _define_batches(define: _Definer) -> None:
    define.integer("batch_size", None, "Examples in a batch.", 1)
    define.choice(
        "batch_order",
        "shuffled",
        ("shuffled", "file"),
        "Order of the examples: shuffled in each epoch, or the order of the file.",
    )
    define.choice(
        "last_batch",
        "filled",
        ("filled", "short"),
        "The last batch of an epoch: filled with the first examples of the next epoch, or short.",
    )


def _define_model(define: _Definer, defaults: Mapping[str, object]) -> None:
    if "hidden" in defaults:
        define_hidden(define.flags, str(defaults["hidden"]))
    for name, choices, text in (
        ("activation", ACTIVATIONS, "Activation function of the hidden layers."),
        ("output_activation", OUTPUT_ACTIVATIONS, "Activation function of the last layer."),
        ("initializer", INITIALIZERS, "Distribution of the initial weights. Biases start at 0."),
    ):
        if name in defaults:
            define.choice(name, None, choices, text)
    if "batch_norm" in defaults:
        define.boolean(
            "batch_norm",
            False,
            "Normalize each batch between a layer and its activation function. The layer then has "
            "no bias.",
        )
    if "separable" in defaults:
        define.boolean(
            "separable", True, "Take depthwise separable convolutions, which have fewer weights."
        )
    if "image" in defaults:
        define.integer("image", None, "Height and width of the pictures.", 71, 1000)
    if "filters" in defaults:
        define.integer("filters", None, "Filters of each branch.", 1, 1024)
    if "blocks" in defaults:
        define.integer("blocks", None, "Blocks of three convolutions.", 0, 100)
    if "residual" in defaults:
        define.boolean("residual", True, "Add the input of each block to its output.")
    if "symmetric" in defaults:
        define.boolean(
            "symmetric",
            False,
            "Compare the two states by their absolute difference and their product, so that "
            "swapping the inputs does not change the output.",
        )
    if "keep_prob" in defaults:
        define.fraction(
            "keep_prob", 1.0, "Probability that dropout keeps a unit; 1 disables dropout."
        )
    if "vocabulary" in defaults:
        define.integer(
            "vocabulary",
            None,
            "Words in the vocabulary: padding, the unknown word, and the most frequent words of "
            "the training texts.",
            100,
            1000000,
        )
    if "length" in defaults:
        define.integer(
            "length",
            None,
            "Words in a text. A longer text loses its first words; a shorter one has padding in "
            "front. Default: 64, or 500 for --dataset=imdb.",
            41,  # what two convolutions of 7 need, with a pooling of 5 between them
            10000,
        )
    if "facts" in defaults:
        define.integer("facts", None, "Sentences of a story that the answer needs.", 1, 3)
    if "loss_weights" in defaults:
        _define_loss_weights(define, str(defaults["loss_weights"]))


def _define_loss_weights(define: _Definer, default: str) -> None:
    def is_valid(text: str) -> bool:
        try:
            loss_weights.parse(text, loss_weights.names(default))
        except ValueError as error:
            raise absl_flags.ValidationError(str(error))
        return True

    define.text(
        "loss_weights",
        default,
        "Weight of each output's loss in their sum. none gives all of them 1.",
    )
    absl_flags.register_validator("loss_weights", is_valid, flag_values=define.flags)


def _define_training(define: _Definer, losses: Sequence[str]) -> None:
    define.integer(
        "max_steps",
        None,
        "Train for N steps. If neither --max_steps nor --epochs is given, a resumed run keeps "
        "its number of steps.",
        1,
    )
    define.integer(
        "epochs",
        None,
        "Train for N epochs. If --max_steps is given too, the lower limit counts.",
        1,
    )
    if losses:
        text = "Loss to minimize; the model's method `loss` computes it."
        if losses == LOSSES:
            text = (
                "Loss to minimize: cross-entropy of the softmax of the outputs, or mean squared "
                "error against one-hot labels."
            )
        define.choice("loss", losses[0], losses, text)
    define.choice("optimizer", None, OPTIMIZERS, "Optimizer.")
    define_learning_rate(define.flags, None, "Learning rate in the first epoch.")
    define.integer("seed", 0, "Seed of the initial weights, the batches and dropout.", 0, 2**31 - 1)


def _define_epochs(define: _Definer) -> None:
    """Defines the flags for the decisions after each epoch; see shared/schedules.py."""
    define.fraction(
        "decay", 1.0, "Multiply the learning rate by this factor after each epoch; 1 disables."
    )
    define.boolean(
        "reduce_on_plateau",
        False,
        "Multiply the learning rate by --plateau_factor when the validation loss has reached no "
        "new minimum for --plateau_patience epochs.",
    )
    define.fraction("plateau_factor", 0.1, "Factor for --reduce_on_plateau.")
    define.integer("plateau_patience", 10, "Epochs for --reduce_on_plateau.", 1)
    define.boolean(
        "early_stopping",
        False,
        "Stop when the validation loss has reached no new minimum for --patience epochs.",
    )
    define.integer("patience", 1, "Epochs for --early_stopping.", 1)
    define.boolean(
        "keep_best",
        False,
        "Keep the checkpoint of the epoch with the lowest validation loss in best/. The test, "
        "--export_dir and --predict use it.",
    )
    define.boolean(
        "csv_log",
        False,
        "Write loss and accuracy after each epoch to history.csv. They are measured on the "
        "validation examples (on the test set if there are none) and on the same number of "
        "training examples.",
    )
    define.boolean(
        "save_activations",
        False,
        "Write the output of each layer after each epoch to activations/. The input is the "
        "first validation image (the first test image if there is none).",
    )


def _define_run(define: _Definer) -> None:
    define.integer(
        "eval_every",
        100,
        "Report loss and training accuracy every N steps; 0 disables. They are measured on the "
        "batch of the step.",
        0,
    )
    define.integer(
        "save_every", 1000, "Save a checkpoint every N steps; 0 saves only the last one.", 0
    )
    define.path(
        "run_dir",
        "Run folder, for all files that the run writes. If it already holds a run, resume that run "
        "from its newest checkpoint. Default: the environment variable AIP_CHECKPOINT_DIR; if it "
        "is not set, a new folder runs/STYLE/SCRIPT; if that exists, runs/STYLE/SCRIPT-2, and so "
        "on.",
    )
    define.boolean("restart", False, "Remove the run in --run_dir, and begin a new one there.")
    define.path(
        "restore",
        "Start from this checkpoint (of either style), or from the newest checkpoint of this "
        "run folder. If the run in --run_dir already has checkpoints, resume it from those "
        "instead.",
    )
    define.boolean(
        "partial",
        False,
        "Let --restore skip variables that only the checkpoint or only the model has, and list "
        "them.",
    )


def _define_outputs(define: _Definer) -> None:
    define.boolean("log", True, "Write summaries for TensorBoard.")
    define.path(
        "log_dir",
        "Write the summaries to STYLE/SCRIPT in this folder. Default: the environment variable "
        "AIP_TENSORBOARD_LOG_DIR; if it is not set, write to the run folder.",
    )
    define.integer(
        "summary_every",
        1000,
        "Evaluate the validation examples and write histograms every N steps, and at the end; 0 "
        "disables. For a run of fewer than 1,000 steps the default is at most a tenth of the "
        "steps.",
        0,
    )
    define.path(
        "trace_file",
        "Record loss and variables of each step in this file, for python -m compare parity. "
        "Default: the environment variable TWINS_TRACE_FILE; if it is not set, nothing is "
        "recorded.",
    )
    define.integer(
        "trace_every",
        None,
        "Record every N steps. Default: the environment variable TWINS_TRACE_EVERY, or 1.",
        1,
    )
    define.list(
        "trace_values_at",
        None,
        "Record all values at these steps and the last one, such as 0,100; 0 is before the first "
        "update. Default: the environment variable TWINS_TRACE_VALUES_AT, or none.",
    )
    define.check(
        "trace_values_at",
        lambda steps: all(
            step.strip().isdecimal() and len(step) < 19  # so that int64 holds it
            for step in steps or ()
        ),
        "steps such as 0,100",
    )
    define.path(
        "export_dir",
        "Write the trained model to this folder: a SavedModel from images to scores and classes. "
        "Default: the environment variable AIP_MODEL_DIR, or none.",
    )
    define.boolean("summary", False, "Print the model's layers, shapes and parameters, and exit.")
    define.path(
        "plot",
        "Draw the model's layers to this PNG or SVG file, and exit. Needs Graphviz.",
    )


def _define_predict(define: _Definer) -> None:
    define.texts(
        "predict",
        None,
        "Classify these pictures with the checkpoint of --run_dir or --restore, print the "
        "digits, and exit. A picture holds one digit, of any size, dark on light or light on "
        "dark.",
    )
    define.path(
        "predict_picture",
        "Write a PNG file that shows each picture of --predict as the network gets it, in 28 x 28 "
        "pixels, with its file name and the answer (the first 400 pictures).",
    )
    absl_flags.register_multi_flags_validator(
        ["predict", "predict_picture"],
        lambda given: given["predict"] or not given["predict_picture"],
        "--predict_picture needs pictures; name them with --predict",
        flag_values=define.flags,
    )


def _define_machine(define: _Definer) -> None:
    define.text("device", "auto", "auto (a GPU if there is one), cpu, gpu or gpu:N.")
    define.check(
        "device",
        lambda device: (
            device in ("auto", "cpu", "gpu")
            or (device.startswith("gpu:") and device[4:].isdecimal())
        ),
        "auto, cpu, gpu or gpu:N",
    )
    define.integer(
        "threads",
        0,
        "Threads per operation; 0 uses one per core. The last bits of the numbers depend on it.",
        0,
        1024,
    )
    define.choice(
        "precision",
        "float32",
        ("float32", "bfloat16"),
        "Precision of matrix products and convolutions. bfloat16 needs a processor with AMX or "
        "AVX512-BF16. Variables and updates stay float32.",
    )
    define.integer(
        "steps_per_call",
        1,
        "Run up to N steps in one call of TensorFlow. If N is above 1, the training examples "
        "stay on the device. This is faster, especially for small models, and bit-identical.",
        1,
    )


def _define_distribution(define: _Definer) -> None:
    """Defines the flags for several replicas; see docs/distribution.md."""
    define.choice(
        "distribution",
        "none",
        ("none", "mirrored", "sync", "async"),
        "none; mirrored: several replicas in this process, each on a device of its own; sync: one "
        "replica per task of a cluster, which wait for each other in each step; async: they do not "
        "wait.",
    )
    define.integer(
        "replicas",
        None,
        "Replicas in this process. Each takes an equal part of each batch. Default: 2 for "
        "--distribution=mirrored, which N above 1 selects, and 1 for the others.",
        1,
        1024,
    )
    define.boolean(
        "sync_batch_norm",
        False,
        "Let batch norm use the mean and the variance of the whole batch, not of a replica's part. "
        "Only with --distribution=mirrored or sync.",
    )
    define.path(
        "cluster",
        "File with the tasks of the cluster and this task, as JSON. Default: the environment "
        "variable TF_CONFIG, which holds the same; if it is not set, Slurm's variables.",
    )
    define.number(
        "cluster_timeout",
        60.0,
        "Seconds after which a task of the cluster that does not answer is lost. Then all tasks "
        "end with exit code 4.",
    )
    define.check(
        "cluster_timeout", lambda seconds: 1 <= seconds <= 86400, "seconds from 1 to 86400"
    )
