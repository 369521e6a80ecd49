"""Stands for `tf.contrib.lookup`: TensorFlow's tables, with the names of arguments of contrib."""

import tensorflow.compat.v1 as tf
from tensorflow.python.ops import lookup_ops

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tensorflow.python.ops.lookup_ops",
    string_to_index_table_from_file="tensorflow.python.ops.lookup_ops.index_table_from_file",
)


class HashTable(tf.lookup.StaticHashTable):
    """Has `init` for `initializer`."""

    def __init__(self, initializer, default_value, shared_name=None, name=None):
        super().__init__(initializer, default_value, name)

    @property
    def init(self):
        return self.initializer


class MutableHashTable(lookup_ops.MutableHashTable):
    """Takes `shared_name`."""

    def __init__(self, key_dtype, value_dtype, default_value, shared_name=None, **options):
        super().__init__(key_dtype, value_dtype, default_value, **options)


class MutableDenseHashTable(lookup_ops.DenseHashTable):
    """Takes `shared_name`."""

    def __init__(
        self,
        key_dtype,
        value_dtype,
        default_value,
        empty_key,
        deleted_key,
        initial_num_buckets=None,
        shared_name=None,
        **options,
    ):
        super().__init__(
            key_dtype,
            value_dtype,
            default_value,
            empty_key,
            deleted_key,
            initial_num_buckets,
            **options,
        )


def index_table_from_tensor(
    mapping,
    num_oov_buckets=0,
    default_value=-1,
    hasher_spec=None,
    dtype=tf.string,
    name=None,
):
    hasher_spec = hasher_spec or lookup_ops.FastHashSpec
    return lookup_ops.index_table_from_tensor(
        mapping, num_oov_buckets, default_value, hasher_spec, dtype, name
    )


string_to_index_table_from_tensor = index_table_from_tensor


def index_to_string_table_from_tensor(mapping, default_value="UNK", name=None):
    return lookup_ops.index_to_string_table_from_tensor(mapping, default_value, name)


def string_to_index(tensor, mapping, default_value=-1, name=None):
    return index_table_from_tensor(mapping, default_value=default_value).lookup(tensor, name)


def index_to_string(tensor, mapping, default_value="UNK", name=None):
    return index_to_string_table_from_tensor(mapping, default_value).lookup(tensor, name)
