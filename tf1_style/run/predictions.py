"""Records what an old program predicts that does not train, unchanged: watches `Session.run`.

A prediction is a run that updates nothing and fetches what is computed from variables; in a graph
without variables, such as a frozen one, from what is fed.
"""

import numpy as np
import tensorflow.compat.v1 as tf

_NUMBERS = (tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int32, tf.int64, tf.bool)
_VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
# What computes nothing.
_PLAIN = (*_VARIABLES, "Identity", "ReadVariableOp", "Const", "Placeholder", "NoOp", "Cast")
_ORIGINS = ("Placeholder", "PlaceholderWithDefault", "Const")
_SOFTMAX = ("Softmax", "LogSoftmax")
_MOST_BEHIND = 4


def results(elements, ancestors, updated, sources):
    """Returns the tensors among the fetched elements that are predictions.

    Parameters
    ----------
    elements : the fetched operations and tensors.
    ancestors : function of operations; returns those that they depend on.
    updated : function of an operation; returns the name of the variable that it updates, or None.
    sources : the types of operations that give data.
    """
    if not elements:
        return []
    graph = elements[0].graph
    variables = {v.op.name for v in graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)}
    if any(updated(operation) in variables for operation in ancestors(_operations(elements))):
        return []
    found = []
    for tensor in elements:
        if not isinstance(tensor, tf.Tensor) or tensor.dtype.base_dtype not in _NUMBERS:
            continue
        seen = ancestors([tensor.op])
        types = {operation.type for operation in seen}
        from_data = types & {*sources, *_ORIGINS}
        from_variables = types & set(_VARIABLES)
        if types - {*_PLAIN, *sources} and from_data and (from_variables or not variables):
            found.append(tensor)
    return found


def behind(tensors, sources):
    """Returns what the single numbers and the classes among results are computed of: for an
    accuracy or a mean loss the nearest matrices, such as the logits.

    Parameters
    ----------
    sources : the types of operations that give data.
    """
    found, seen = [], set()
    queue = [t for t in tensors if not t.shape.rank or not t.dtype.base_dtype.is_floating]
    while queue:
        operation = queue.pop(0).op
        if operation in seen or operation.type in _VARIABLES:
            continue
        seen.add(operation)
        for tensor in operation.inputs:
            is_matrix = tensor.dtype.base_dtype.is_floating and (tensor.shape.rank or 0) > 1
            if not is_matrix or not tensor.graph.is_fetchable(tensor):
                queue.append(tensor)
            elif all(tensor is not other for other in found):
                found.append(tensor)
    types = [(tensor, _types_before(tensor)) for tensor in found]
    types = [(tensor, made) for tensor, made in types if made & set(_VARIABLES)]
    with_data = [pair for pair in types if pair[1] & {*sources, "Placeholder"}]
    # A penalty on the weights is computed of no data.
    found = [tensor for tensor, _ in with_data or types]
    # Of a program whose last layer is a softmax, the other program may have the logits.
    found += [tensor.op.inputs[0] for tensor in [*found, *tensors] if tensor.op.type in _SOFTMAX]
    return found[:_MOST_BEHIND]


def _types_before(tensor):
    """Returns the types of the operations that a tensor is computed of."""
    seen, queue = set(), [tensor.op]
    while queue:
        operation = queue.pop()
        if operation not in seen:
            seen.add(operation)
            queue += [tensor.op for tensor in operation.inputs]
    return {operation.type for operation in seen}


def _operations(elements):
    return [item if isinstance(item, tf.Operation) else item.op for item in elements]


def disturb(recorder, session, values):
    """Changes the last bits of a session's weights."""
    for variable in session.graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES):
        value = values.get(variable.op.name)
        if value is not None and value.dtype.kind == "f":
            variable.load(recorder.disturbed(variable.op.name, value), session)


def load(session, values):
    """Gives a session's variables other values, by their names."""
    for variable in session.graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES):
        if variable.op.name in values:
            variable.load(values[variable.op.name], session)


def rows(arrays):
    """Returns the number of examples of what a run was fed."""
    return max((len(array) for array in map(np.asarray, arrays) if array.ndim), default=0)
