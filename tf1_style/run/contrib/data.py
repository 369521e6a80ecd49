"""Stands for `tf.contrib.data`: `tf.data` and `tf.data.experimental`."""

import numpy as np
import tensorflow.compat.v1 as tf

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tensorflow.compat.v1.data.experimental",
    "tensorflow.compat.v1.data",
    sloppy_interleave="tensorflow.compat.v1.data.experimental.parallel_interleave",
)


def batch_and_drop_remainder(batch_size):
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def padded_batch_and_drop_remainder(batch_size, padded_shapes, padding_values=None):
    return lambda dataset: dataset.padded_batch(
        batch_size, padded_shapes, padding_values, drop_remainder=True
    )


def assert_element_shape(expected_shapes):
    """Returns a transformation that checks shapes where they are known."""

    def check(element):
        def checked(tensor, shape):
            tensor.shape.assert_is_compatible_with(shape)
            return tf.ensure_shape(tensor, shape)

        return tf.nest.map_structure(checked, element, expected_shapes)

    return lambda dataset: dataset.map(lambda *element: check(*element))


def sliding_window_batch(window_size, stride=None, window_shift=None, window_stride=1):
    """Returns a transformation to windows, each `window_shift` elements after the last."""
    shift = stride or window_shift or 1

    def batched(dataset):
        windows = dataset.window(window_size, shift, window_stride, drop_remainder=True)

        def join(*parts):
            parts = [part.batch(window_size, drop_remainder=True) for part in parts]
            return parts[0] if len(parts) == 1 else tf.data.Dataset.zip(tuple(parts))

        return windows.flat_map(join)

    return batched


def reduce_dataset(dataset, reducer):
    """Returns the state of a Reducer after all elements; contrib does not finalize it."""
    return dataset.reduce(reducer.init_func(np.int64(0)), reducer.reduce_func)
