"""Predicts with the graph that an old program left: a frozen one, a .meta file or a SavedModel.

    python -m tf1_style.run.graph_file --trace=FILE [options] GRAPH INPUTS.npz

The arrays of INPUTS.npz are fed to the placeholders that they fit, in their order. A placeholder
for one number that is left gets what predicting needs: False, or a keep_prob of 1.
"""

import argparse
import math
import os
import re
import sys

from google.protobuf.message import DecodeError

from shared import npz, recorder
from shared.console import UserError, quiet_import

EXPECTED = "expected a frozen graph (.pb), a .meta file or a SavedModel's folder"
_UPDATES = re.compile(r"(Resource)?(Sparse)?Apply\w+|Assign\w*|Scatter\w+|Save\w*|Restore\w*")
_SHAPES = ("Rank", "Shape", "ShapeN", "Size")


def main(arguments):
    options = _options(arguments)
    try:
        watching = recorder.of_arguments(options)
        with quiet_import(needs_keras=True):
            import tensorflow.compat.v1 as tf

            tf.disable_v2_behavior()
            from tf1_style.run import recording
        if watching:
            recording.install(watching)
        _predict(tf, options.graph, npz.load(options.inputs))
    except UserError as error:
        print(f"tf1_style.run.graph_file: {error}", file=sys.stderr)
        sys.exit(2)


def _options(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m tf1_style.run.graph_file",
        description="Predicts with the graph that an old program left.",
    )
    recorder.add_arguments(parser)
    parser.add_argument("graph", help="a frozen graph, a .meta file or a SavedModel's folder")
    parser.add_argument("inputs", help="an .npz of the arrays to predict from")
    return parser.parse_args(arguments)


def _predict(tf, path, inputs):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        try:
            outputs = _load(tf, session, path)
        except (DecodeError, OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise UserError(f"{path}: {reason}; {EXPECTED}") from None
        arrays, numbers = _fed(tf, graph, list(inputs.values()))
        if not arrays:
            forms = [f"{name} {array.dtype} {list(array.shape)}" for name, array in inputs.items()]
            raise UserError(
                f"{path}: the candidate's inputs ({', '.join(forms) or 'none'}) fit none of its "
                f"placeholders ({', '.join(map(_form, _placeholders(graph))) or 'none'})"
            )
        tensors = outputs or _ends(tf, graph, arrays, numbers)
        if not tensors:
            raise UserError(f"{path}: nothing can be computed from {_form(next(iter(arrays)))}")
        session.run(tensors, {**arrays, **numbers})


def _load(tf, session, path):
    """Loads a graph with its weights. Returns the outputs that it names, or None."""
    if os.path.isdir(path):
        loaded = tf.saved_model.loader.load(session, ["serve"], path)
        named = sorted(loaded.signature_def.items(), key=lambda item: item[0] != "serving_default")
        names = [info.name for _, each in named[:1] for info in each.outputs.values()]
        return [session.graph.get_tensor_by_name(name) for name in names if name]
    if path.endswith(".meta"):
        saver = tf.train.import_meta_graph(path)
        if saver is None:
            raise UserError(f"{path}: it has no variables to restore; {EXPECTED}")
        saver.restore(session, path[: -len(".meta")])
        return None
    graph_def = tf.GraphDef()
    with open(path, "rb") as file:
        graph_def.ParseFromString(file.read())
    if not graph_def.node:
        raise UserError(f"{path}: it has no operations; {EXPECTED}")
    weights = _as_variables(tf, graph_def)
    tf.import_graph_def(graph_def, weights, name="")
    session.run(tf.global_variables_initializer())
    return None


def _as_variables(tf, graph_def):
    """Makes variables of a frozen graph's weights, so that they are compared as weights. Takes the
    constants out of the graph, and returns the tensors to put there."""
    found, kept = {}, []
    for node in graph_def.node:
        node.attr.pop("_class", None)  # what it stands beside may be taken out
        tensor = node.attr["value"].tensor if node.op == "Const" else None
        dtype = tf.as_dtype(tensor.dtype) if tensor is not None else None
        sizes = [size.size for size in tensor.tensor_shape.dim] if tensor is not None else []
        if dtype is not None and dtype.is_floating and math.prod(sizes) > 1:
            variable = tf.Variable(tf.make_ndarray(tensor), name=node.name, use_resource=True)
            found[node.name] = tf.convert_to_tensor(variable)
        else:
            kept.append(node)
    del graph_def.node[:]
    graph_def.node.extend(kept)
    return found


def _placeholders(graph):
    return [op.outputs[0] for op in graph.get_operations() if op.type == "Placeholder"]


def _form(tensor):
    return f"{tensor.op.name} {tensor.dtype.name} {tensor.shape}"


def _fed(tf, graph, arrays):
    """Returns {placeholder: array}, and {placeholder: number} of those for one number."""
    placeholders, found = _placeholders(graph), {}
    known = [tensor for tensor in placeholders if tensor.shape.rank is not None]
    for chosen in (known, placeholders):  # one for a number may have any shape
        for array in [] if found else arrays:
            for tensor in chosen:
                shape = _fitting_shape(tensor, array)
                if tensor not in found and shape is not None:
                    found[tensor] = array.reshape(shape)
                    break
    left = [tensor for tensor in placeholders if tensor not in found and not tensor.shape.rank]
    defaults = {tf.bool: False, tf.float32: 1.0, tf.float64: 1.0}
    numbers = {t: defaults[t.dtype] for t in left if t.dtype in defaults}
    for tensor in numbers:
        if re.search(r"rate|drop(?!.*keep)", tensor.op.name) and tensor.dtype.is_floating:
            numbers[tensor] = 0.0
    return found, numbers


def _fitting_shape(tensor, array):
    """Returns the shape with which a placeholder takes an array, or None."""
    is_real = tensor.dtype.is_floating
    if not array.ndim or not (is_real or tensor.dtype.is_integer) or array.dtype.kind not in "fiu":
        return None
    if array.dtype.kind == "f" and not is_real:
        return None
    if tensor.shape.is_compatible_with(array.shape):
        return array.shape
    sizes = tensor.shape.as_list() if tensor.shape.rank else [0]
    if None in sizes[1:] or sizes[0] not in (None, len(array)) or not len(array):
        return None
    return (len(array), *sizes[1:]) if math.prod(sizes[1:]) == array[0].size else None


def _ends(tf, graph, arrays, numbers):
    """Returns the last tensors that can be computed from what is fed."""
    unfed = [t.op for t in _placeholders(graph) if t not in arrays and t not in numbers]
    updates = [op for op in graph.get_operations() if _UPDATES.fullmatch(op.type)]
    reached = _after([tensor.op for tensor in arrays]) - _after(unfed + updates)
    kinds = tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int32, tf.int64, tf.bool
    reached = {
        op
        for op in reached
        if op.outputs and op.outputs[0].dtype in kinds and op.type not in _SHAPES
        if not re.search(r"(^|/)gradients(_\d+)?/", op.name) and op.type != "Placeholder"
    }
    ends = [op for op in reached if not reached & set(op.outputs[0].consumers())]
    found = [op.outputs[0] for op in sorted(ends, key=lambda op: op.name)]
    return [tensor for tensor in found if tensor.dtype != tf.bool]


def _after(operations):
    """Returns operations and all that depend on them."""
    seen, queue = set(), list(operations)
    while queue:
        operation = queue.pop()
        if operation not in seen:
            seen.add(operation)
            queue += [user for tensor in operation.outputs for user in tensor.consumers()]
    return seen


if __name__ == "__main__":
    main(sys.argv[1:])
