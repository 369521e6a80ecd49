"""Feeds a TensorFlow 2 program another program's batches instead of its own."""

import numpy as np
import tensorflow as tf


def replaced(recorder, structure):
    """Returns what a function is called with, or what an iterator gives, with the arrays replaced.

    Inside a function the arrays are replaced when it runs, by those of the step that it makes.
    """
    flat = tf.nest.flatten(structure)
    places = [place for place, value in enumerate(flat) if _is_array(value)]
    if not places:
        return structure
    arrays = [flat[place] for place in places]
    for place, value in zip(places, _swapped(recorder, arrays)):
        flat[place] = value
    return tf.nest.pack_sequence_as(structure, flat)


def _swapped(recorder, arrays):
    def swap(*arrays):
        return recorder.batches.replaced(recorder.step + 1, arrays, any_rows=True)

    if not any(tf.is_tensor(a) and tf.is_symbolic_tensor(a) for a in arrays):
        found = swap(*(np.asarray(array) for array in arrays))
        return [tf.constant(f) if tf.is_tensor(a) else f for a, f in zip(arrays, found)]

    def swap_in_turn(*arrays):
        return [*swap(*arrays), np.int64(0)]

    types = [array.dtype for array in arrays]
    *found, recorder.ticket = tf.numpy_function(swap_in_turn, arrays, [*types, tf.int64])
    for ours, theirs in zip(arrays, found):
        shape = ours.shape
        if shape.rank and not recorder.batches.has_rows(recorder.step + 1, shape[0]):
            shape = [None, *shape[1:]]
        theirs.set_shape(shape)
    return found


def fed_ticket(recorder):
    """Returns, in a list, a tensor that is there only after the function's batch has been fed.

    TensorFlow does not keep the order of two Python functions, one of which is in a function that
    it inlines. It keeps that of a tensor and what takes it.
    """
    ticket, graph = getattr(recorder, "ticket", None), tf.compat.v1.get_default_graph()
    while ticket is not None and graph is not None:
        if graph is ticket.graph:
            return [ticket]
        graph = getattr(graph, "outer_graph", None)
    return []


def _is_array(value):
    if tf.is_tensor(value):
        is_number = value.dtype.is_floating or value.dtype.is_integer
        return isinstance(value, tf.Tensor) and is_number and value.shape.rank != 0
    return isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.ndim > 0
