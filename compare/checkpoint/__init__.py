"""Lists a checkpoint of TensorFlow 1 or 2, or rewrites it as one of the other.

    python -m compare checkpoint show runs/tf1_style/mnist_deep
    python -m compare checkpoint convert old/model.ckpt-500 new/model.ckpt-500 --to=tf2 \\
        --like=start/model.ckpt-0

A checkpoint of TensorFlow 1 (tf.train.Saver) holds tensors by the names of variables. One of
TensorFlow 2 (tf.train.Checkpoint) holds them by paths through objects, such as model/W_conv1.

--like takes a checkpoint that the new program saved at its start. Then each tensor is converted to
what it is there, and checked: names, shapes, dtypes, slots, steps, the learning rate, recurrent
kernels. Names and paths follow by themselves; --map decides what is ambiguous.

Without --like, a tensor gets the name or path in --map. Without --map, it gets the name of its
variable with --to=tf1, and the path that this project's programs have for it with --to=tf2.
SRC may also be .h5 weights of Keras 2. With --for, DST may be a new.weights.h5 of Keras 3.
If a tensor has no counterpart, the command lists it and exits with 1; --partial leaves it out. The
dtypes do not change, except for counters such as global_step: in TensorFlow 2 they become int64.
"""

import argparse
import functools
import os
import sys
import tempfile
import zipfile

from rich.console import Console
from rich.table import Table

from compare.checkpoint import hdf5, programs, renaming, writing
from compare.checkpoint.saved import Saved
from compare.checkpoint.values import Converted, ForProgram
from compare.parity import names
from shared import checkpoints, outputs
from shared.console import UserError, quiet_import


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, parser_class=type(parser))
    show = actions.add_parser("show", help="list the tensors of a checkpoint")
    show.add_argument("path", help="a checkpoint, a folder of them, or the folder of a run")
    convert = actions.add_parser("convert", help="rewrite a checkpoint for another program")
    convert.add_argument("path", metavar="SRC", help="the checkpoint to rewrite, as for show")
    convert.add_argument(
        "target", metavar="DST", help="the new checkpoint, such as new/model.ckpt-500"
    )
    convert.add_argument(
        "--to", choices=("tf1", "tf2"), required=True, help="the style of the new checkpoint"
    )
    model = convert.add_mutually_exclusive_group()
    model.add_argument(
        "--like",
        metavar="CHECKPOINT",
        help="a checkpoint that the program which is to restore DST saved at its start, with its "
        "optimizer built",
    )
    model.add_argument(
        "--for",
        metavar="PROGRAM",
        dest="program",
        help="instead of --like, the program itself with its arguments, such as "
        "'new.py --max_steps=9': it runs until its first step, here in this folder, and its last "
        "tf.train.Checkpoint is saved then",
    )
    convert.add_argument(
        "--map",
        metavar="FILE",
        help=names.Renaming.__doc__.partition("\n\n")[2] + " A new name - leaves a tensor out.",
    )
    convert.add_argument(
        "--partial",
        action="store_true",
        help="leave out tensors that have no new name; with --like, the others keep their values "
        "of CHECKPOINT",
    )
    convert.add_argument(
        "--averages",
        action="store_true",
        help="with --like or --for: the new program's weights are the moving averages of SRC",
    )
    convert.add_argument(
        "--learning_rate",
        type=_positive,
        metavar="X",
        help="the rate of the next step; by default that of SRC, of the graph beside it (.meta), "
        "or of --like",
    )
    convert.add_argument(
        "--forget_bias",
        type=float,
        metavar="X",
        help="what the LSTM cells of TensorFlow 1 add to their forget gates; by default as the "
        "graph beside the checkpoint (.meta) has it, or 1",
    )
    convert.add_argument(
        "--step",
        type=_whole,
        metavar="N",
        help="the number of steps, if SRC has no counter of them",
    )


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: expected a number above 0")
    return value


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text}: expected a number of steps")
    return value


def main(arguments: argparse.Namespace) -> int:
    if arguments.action == "convert":
        _check_target(arguments.target)
        outputs.check_new_checkpoint(arguments.target)
    path = checkpoints.find(arguments.path)
    if zipfile.is_zipfile(path):
        raise UserError(
            f"{path} is a model of Keras (.keras) or its weights, expected a checkpoint; load it "
            "in a program with keras.saving.load_model, and save its tf.train.Checkpoint"
        )
    with quiet_import(needs_keras=True):
        import tensorflow as tf  # noqa: F401
    source = hdf5.Weights(path) if hdf5.is_hdf5(path) else Saved(path)
    if arguments.action == "show":
        _show(source)
    else:
        _convert(source, arguments)
    return 0


def _check_target(target: str) -> None:
    """Refuses the name of another kind of file, which the new program would not find."""
    stem, ending = os.path.splitext(target)
    if ending in (".keras", ".index", ".meta", ".data-00000-of-00001"):
        raise UserError(
            f"{target}: expected the path of a checkpoint without an ending, such as {stem}"
        )


def _show(saved: Saved) -> None:
    """Prints a table of the tensors and their roles."""
    tensors = sorted(saved.tensors.values(), key=lambda tensor: tensor.name)
    every = set(saved.tensors)
    steps = [tensor.name for tensor in tensors if tensor.kind == "step"]
    is_tf2 = saved.is_tf2
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False)
    kind = "tf.train.Checkpoint, TensorFlow 2" if is_tf2 else "tf.train.Saver, TensorFlow 1"
    kind = "weights of Keras 2" if isinstance(saved, hdf5.Weights) else kind
    count = f"{len(tensors)} tensors" + (f", step {int(saved.value(steps[0]))}" if steps else "")
    console.print(f"{saved.path}: {count} ({kind})", soft_wrap=True)
    table = Table()
    for title in ("name", "shape", "dtype", "role", *(["path"] if is_tf2 else [])):
        table.add_column(title, overflow="fold")
    for tensor in tensors:
        shape = " x ".join(map(str, tensor.shape)) or "scalar"
        role = (
            f"{tensor.kind} of {tensor.owner}" if tensor.owner else names.role(tensor.name, every)
        )
        row = [tensor.name, shape, tensor.dtype, role]
        table.add_row(*row, *([saved.path_of(tensor.name)] if is_tf2 else []))
    console.print(table)


def _convert(source: Saved, arguments: argparse.Namespace) -> None:
    """Writes the new checkpoint, whole or not at all."""
    rules = names.Renaming(arguments.map)
    if arguments.program and arguments.to != "tf2":
        raise UserError(
            f"--for={arguments.program} with --to=tf1: expected --like, a checkpoint that the old "
            "program saved at its start"
        )
    if arguments.target.endswith(".h5"):
        programs.convert_weights(source, arguments)
        print(f"wrote {arguments.target}: {len(source.tensors)} tensors, by Keras itself")
        return
    with tempfile.TemporaryDirectory() as folder:
        if arguments.program:
            arguments.like = programs.first_state(arguments.program, folder)
        result, write = _converted(source, rules, arguments)
        writing.write(arguments.target, result.values, write)
    _report(source, result, arguments.target, arguments.to)


def _converted(source: Saved, rules: names.Renaming, arguments: argparse.Namespace):
    """Returns what is to be written, and the function that writes it."""
    if arguments.like:
        target = Saved(checkpoints.find(arguments.like))
        if target.is_tf2 != (arguments.to == "tf2"):
            other = "tf2" if target.is_tf2 else "tf1"
            raise UserError(
                f"--like={arguments.like} is a checkpoint of {other}, expected one of "
                f"{arguments.to}, as --to says"
            )
        program = ForProgram(source, target, rules, arguments)
        result = program.run()
        result.notes = [*_pairs(program), *result.notes]
        return result, functools.partial(writing.like, saved=target)
    if arguments.averages:
        raise UserError("--averages: expected --like or --for with it; or name each in --map")
    result, old_names = renaming.convert(source, rules, arguments)
    if arguments.to == "tf1":
        return result, writing.tf1
    return result, functools.partial(writing.tf2, old_names=old_names)


def _pairs(program: ForProgram) -> list[str]:
    """Returns a line for each pair of weights."""
    lines = []
    for ours, theirs in program.pairs.found:
        by_order = (
            " (by the order of creation)" if ours.members[0] in program.pairs.by_order else ""
        )
        old, new = (" + ".join(unit.members) for unit in (ours, theirs))
        lines.append(f"{old} -> {new}{by_order}")
    return lines


def _report(source: Saved, result: Converted, target: str, to: str) -> None:
    count = f"{len(result.used)} of {len(source.tensors)} tensors"
    print(f"wrote {target}: {count} of {source.path}")
    left_out = [name for name in source.tensors if name not in result.used]
    if left_out:
        print(f"left out: {', '.join(left_out)}")
    for note in result.notes:
        print(note)
    if to == "tf2":
        print(f'load it with tf.train.Checkpoint(...).restore("{target}").assert_consumed()')
