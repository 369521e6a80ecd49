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


def _operations(elements):
    return [item if isinstance(item, tf.Operation) else item.op for item in elements]


def disturb(recorder, session, values):
    """Changes the last bits of a session's weights."""
    for variable in session.graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES):
        value = values.get(variable.op.name)
        if value is not None and value.dtype.kind == "f":
            variable.load(recorder.disturbed(variable.op.name, value), session)


def rows(arrays):
    """Returns the number of examples of what a run was fed."""
    return max((len(array) for array in map(np.asarray, arrays) if array.ndim), default=0)
