"""Lists a checkpoint of TensorFlow 1 or 2, or rewrites it as one of the other.

    python -m compare checkpoint show runs/tf1_style/mnist_deep
    python -m compare checkpoint convert old/model.ckpt-500 new/model.ckpt-500 --to=tf2 --map=names

A Saver's checkpoint (TensorFlow 1) holds tensors by names of variables, a tf.train.Checkpoint's
(TensorFlow 2) by paths through objects, such as model/W_conv1. Without --map, what is converted to
TensorFlow 1 goes by the names of the variables, and what is converted to TensorFlow 2 by the paths
of this project's own programs. With --map, each tensor goes by its new name or path, and all are to
be mapped: what is not is listed, exit 1, or left out with --partial.
"""

import argparse
import os
import re
import sys
import tempfile
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from compare import names
from shared import checkpoints, files
from shared.console import StopRun, UserError, quiet_import

# The attributes of tf2_style/optimizers.py that hold the slots of tf.train.*Optimizer.
ATTRIBUTES = {
    "Adam": "m",
    "Adam_1": "v",
    "Momentum": "accumulators",
    "Adagrad": "accumulators",
    "RMSProp": "mean_squares",
    "RMSProp_1": "moments",
}

# What tf.train.Checkpoint, of which the objects are made, has for itself.
RESERVED = ("root", "self", "save_counter", "read", "restore", "save", "write")


@dataclass
class Tensor:
    """One tensor of a checkpoint."""

    name: str  # of its variable
    key: str  # in the checkpoint
    shape: list[int]
    dtype: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, parser_class=type(parser))
    show = actions.add_parser("show", help="list what a checkpoint holds")
    show.add_argument("path", help="a checkpoint, a folder of them, or the folder of a run")
    convert = actions.add_parser("convert", help="rewrite a checkpoint for another program")
    convert.add_argument("path", metavar="SRC", help="as of show")
    convert.add_argument("target", metavar="DST", help="the new one, such as new/model.ckpt-500")
    convert.add_argument("--to", choices=("tf1", "tf2"), required=True, help="its kind")
    convert.add_argument("--map", metavar="FILE", help=names.Renaming.__doc__.partition("\n\n")[2])
    convert.add_argument(
        "--partial", action="store_true", help="leave out what the map does not name"
    )


def main(arguments: argparse.Namespace) -> int:
    path = checkpoints.find(arguments.path)
    with quiet_import():
        import tensorflow as tf
    with checkpoints.restoring(path, tf.errors.OpError):
        reader = tf.train.load_checkpoint(path)
        held = _tensors(tf, reader)
    if arguments.action == "show":
        _show(path, reader, held)
    else:
        _convert(tf, reader, held, path, arguments)
    return 0


def _tensors(tf, reader) -> list[Tensor]:
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    keys = checkpoints.tensors(reader, TrackableObjectGraph)
    return [
        Tensor(name, keys[name], shapes[keys[name]], dtypes[keys[name]].name)
        for name in sorted(keys)
    ]


def _show(path: str, reader, held: list[Tensor]) -> None:
    """Prints a table of the tensors, and what each is."""
    every = {tensor.name for tensor in held}
    roles = {tensor.name: names.role(tensor.name, every) for tensor in held}
    is_tf2 = any(tensor.key != tensor.name for tensor in held)
    counts = [
        tensor.key
        for tensor in held
        if roles[tensor.name] == "step" and not tensor.shape and tensor.dtype.startswith("int")
    ]
    step = f", step {int(reader.get_tensor(counts[0]))}" if counts else ""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False)
    kind = "tf.train.Checkpoint, TensorFlow 2" if is_tf2 else "tf.train.Saver, TensorFlow 1"
    console.print(f"{path}: {len(held)} tensors{step} ({kind})", soft_wrap=True)
    table = Table()
    for title in ("name", "shape", "dtype", "role", *(["path"] if is_tf2 else [])):
        table.add_column(title, overflow="fold")
    for tensor in held:
        shape = " x ".join(map(str, tensor.shape)) or "scalar"
        row = [tensor.name, shape, tensor.dtype, roles[tensor.name]]
        table.add_row(*row, *([checkpoints.path_of(tensor.key)] if is_tf2 else []))
    console.print(table)


def _convert(tf, reader, held: list[Tensor], path: str, arguments: argparse.Namespace) -> None:
    """Writes the new checkpoint, whole or not at all."""
    target = arguments.target
    if target.endswith("/") or os.path.lexists(target + ".index") or os.path.isdir(target):
        raise UserError(
            f"{target}: a folder, or a checkpoint that is there; expected the path of a new one, "
            f"such as {os.path.join(target, 'model.ckpt-0')}"
        )
    new_names = _new_names(held, path, arguments)
    kept = [tensor for tensor in held if tensor.name in new_names]
    _check_targets(list(new_names.values()), arguments.to)
    with checkpoints.restoring(path, tf.errors.OpError):
        values = {new_names[tensor.name]: reader.get_tensor(tensor.key) for tensor in kept}
    folder, prefix = os.path.split(os.path.abspath(target))
    with files.writing(target, tf.errors.OpError):
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            if arguments.to == "tf1":
                _write_tf1(tf, os.path.join(temporary, prefix), values)
            else:
                old_names = {new: old for old, new in new_names.items()}
                _write_tf2(tf, os.path.join(temporary, prefix), values, old_names)
            # The index last: without it, nobody takes the rest for a checkpoint.
            for name in sorted(os.listdir(temporary), key=lambda name: name.endswith(".index")):
                if name.startswith(prefix):
                    os.replace(os.path.join(temporary, name), os.path.join(folder, name))
    print(f"wrote {target}: {len(kept)} of {len(held)} tensors")
    if len(kept) < len(held):
        print(f"left out: {', '.join(t.name for t in held if t.name not in new_names)}")


def _new_names(held: list[Tensor], path: str, arguments: argparse.Namespace) -> dict[str, str]:
    """Returns what each tensor is to be called, without those that are to be left out."""
    renaming = names.Renaming(arguments.map)
    every = [tensor.name for tensor in held]
    if renaming:
        new_names = {name: renaming(name) for name in every}
    else:
        new_names = dict(zip(every, every)) if arguments.to == "tf1" else default_paths(every)
    # The state of an iterator over data, which no program but TensorFlow's own can read.
    new_names.update((tensor.name, None) for tensor in held if tensor.dtype == "variant")
    left_out = [name for name in every if new_names[name] is None]
    if left_out and not arguments.partial:
        raise StopRun(
            f"{path}: nothing would become of {', '.join(left_out)}; name each in --map (but for "
            "an iterator's state, which cannot be taken along), or leave them out with --partial",
            exit_code=1,
        )
    if len(left_out) == len(every):
        raise UserError(f"--map={arguments.map}: no rule fits any of {', '.join(every)}")
    return {name: new for name, new in new_names.items() if new is not None}


def default_paths(every: list[str]) -> dict[str, str | None]:
    """Returns the paths that this project's TensorFlow 2 programs have for names of variables.

    The weights are attributes of the model, by the last part of their names; the slots stand in
    lists of the optimizer, in the order of those attributes. None for what has no such path.
    """
    slots = {name: names.slot(name, every) for name in every}
    paths = {}
    for name in every:
        last, role = name.rpartition("/")[2].replace(".", ".."), names.role(name, every)
        if role == "step":
            paths[name] = last
        elif role == "weight":
            paths[name] = f"model/{last}"
        elif slots[name] is None:
            paths[name] = f"optimizer/{last}"
        else:
            beside = [other for other in every if slots[other] and other.rpartition("/")[2] == last]
            beside.sort(key=lambda other: slots[other][0].rpartition("/")[2])
            attribute = ATTRIBUTES.get(last)
            paths[name] = attribute and f"optimizer/{attribute}/{beside.index(name)}"
    return paths


def _check_targets(targets: list[str], kind: str) -> None:
    """Refuses names that stand for two tensors, and paths that lead through a variable."""
    for target in targets:
        if targets.count(target) > 1:
            raise UserError(
                f"two tensors would be called {target}; give each a name of its own in --map"
            )
        parents = [target[:end] for end, letter in enumerate(target) if letter == "/"]
        parts = target.split("/")
        is_odd = any(not part or part in RESERVED or part.startswith("__") for part in parts)
        if kind == "tf2" and (set(parents) & set(targets) or is_odd):
            raise UserError(
                f"{target} is no path: expected attributes joined by /, none of them a variable's "
                f"nor one of {', '.join(RESERVED)}; name it otherwise in --map"
            )


def _write_tf1(tf, prefix: str, values: dict) -> None:
    """Writes what tf.train.Saver writes, the graph (.meta) apart."""
    tensors = [tf.constant(value) for value in values.values()]
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=tensors,
    )


def _write_tf2(tf, prefix: str, values: dict, old_names: dict[str, str]) -> None:
    """Writes what tf.train.Checkpoint writes for objects with these paths; variables keep names."""
    tree = {}
    for path, value in values.items():
        *parents, last = map(_attribute, path.split("/"))
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = tf.Variable(value, name=old_names[path])
    root = _objects(tf, tree)
    root.save_counter.assign(1)  # as Checkpoint.save counts, and Checkpoint.restore looks for
    root.write(prefix)


def _attribute(part: str) -> str:
    """Returns the name of an attribute, in which TensorFlow's paths have .S for / and .. for ."""
    return re.sub(r"\.([.S])", lambda match: "/" if match[1] == "S" else ".", part)


def _objects(tf, tree: dict):
    children = {
        name: _objects(tf, child) if isinstance(child, dict) else child
        for name, child in tree.items()
    }
    return tf.train.Checkpoint(**children)
