"""Writes checkpoints of either TensorFlow, whole or not at all."""

import os
import re
import tempfile

import numpy as np

from shared import checkpoints, files


def write(target: str, values: dict, write_files) -> None:
    """Writes a checkpoint in a temporary folder and moves it to its place.

    Parameters
    ----------
    target : the common prefix of the files.
    values : for `write_files`, which takes a prefix and the values.
    """
    import tensorflow as tf

    folder, prefix = os.path.split(os.path.abspath(target))
    with files.writing(target, tf.errors.OpError):
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            write_files(os.path.join(temporary, prefix), values)
            # The index last: without it, the files do not count as a checkpoint.
            for name in sorted(os.listdir(temporary), key=lambda name: name.endswith(".index")):
                if name.startswith(prefix):
                    os.replace(os.path.join(temporary, name), os.path.join(folder, name))


def tf1(prefix: str, values: dict) -> None:
    """Writes the files that tf.train.Saver writes, without the graph (.meta)."""
    import tensorflow as tf

    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=[tf.constant(value) for value in values.values()],
    )


def tf2(prefix: str, values: dict, old_names: dict[str, str]) -> None:
    """Writes a tf.train.Checkpoint of objects with these paths; variables get the old names."""
    import tensorflow as tf

    tree = {}
    for path, value in values.items():
        *parents, last = map(_attribute, path.split("/"))
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = tf.Variable(value, name=old_names.get(path, path))
    root = _objects(tree)
    root.save_counter.assign(1)  # Checkpoint.save counts its saves, and restore expects it
    root.write(prefix)


def _attribute(part: str) -> str:
    """Returns the name of an attribute; TensorFlow's paths have .S for / and .. for a dot."""
    return re.sub(r"\.([.S])", lambda match: "/" if match[1] == "S" else ".", part)


def _objects(tree: dict):
    import tensorflow as tf

    children = {
        name: _objects(child) if isinstance(child, dict) else child for name, child in tree.items()
    }
    return tf.train.Checkpoint(**children)


def like(prefix: str, values: dict, saved) -> None:
    """Writes a checkpoint with the keys and the graph of objects of another one.

    Parameters
    ----------
    values : {name: value}.
    saved : the other checkpoint, a `Saved` with these names.
    """
    keys = {}
    for name, value in values.items():
        keys.update(saved.divided(name, value))
    if saved.is_tf2:
        keys.update(_objects_like(saved))
    tf1(prefix, keys)


def _objects_like(saved) -> dict:
    """Returns the graph of objects, and the counter of saves that Checkpoint.restore expects."""
    graph = saved.object_graph()
    key = checkpoints.SAVE_COUNTER + checkpoints.VALUE
    root = graph.nodes[0].children
    if checkpoints.SAVE_COUNTER not in {child.local_name for child in root}:  # Checkpoint.write
        root.add(local_name=checkpoints.SAVE_COUNTER, node_id=len(graph.nodes))
        graph.nodes.add().attributes.add(
            name="VARIABLE_VALUE", full_name=checkpoints.SAVE_COUNTER, checkpoint_key=key
        )
    return {key: np.int64(1), checkpoints.OBJECT_GRAPH: graph.SerializeToString()}
