"""Stands for `tf.contrib.framework`: the variables and scopes of tf_slim, and today's names."""

import tensorflow.compat.v1 as tf

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tf_slim.ops.arg_scope",
    "tf_slim.ops.variables",
    "tf_slim.ops.framework_ops",
    "tensorflow.compat.v1.train",
    "tensorflow.compat.v1.debugging",
    "tensorflow.compat.v1",
    "tensorflow.python.framework.smart_cond",
    "tensorflow.python.framework.ops",
    "tensorflow.python.ops.check_ops",
    "tensorflow.python.ops.confusion_matrix",
    "tensorflow.python.ops.data_flow_ops",
    "tensorflow.python.framework.tensor",
    "tensorflow.python.framework.sparse_tensor",
    "tensorflow.python.util.deprecation",
    "tensorflow.python.util",
    "tensorflow.python.ops.init_ops",
    TensorSpec="tensorflow.TensorSpec",
    load_and_remap_matrix_initializer="tensorflow.python.training.checkpoint_ops._load_and_remap_matrix_initializer",
    load_embedding_initializer="tensorflow.python.training.checkpoint_ops._load_embedding_initializer",
    variables="tf_slim.ops.variables",
)


def init_from_checkpoint(checkpoint_dir, assignment_map):
    tf.train.init_from_checkpoint(checkpoint_dir, assignment_map)


def list_variables(checkpoint_dir):
    return tf.train.list_variables(checkpoint_dir)


def load_checkpoint(filepattern):
    return tf.train.load_checkpoint(filepattern)


def load_variable(checkpoint_dir, name):
    return tf.train.load_variable(checkpoint_dir, name)


def get_placeholders(graph=None):
    operations = (graph or tf.get_default_graph()).get_operations()
    kinds = ("Placeholder", "PlaceholderWithDefault", "PlaceholderV2")
    return [operation.outputs[0] for operation in operations if operation.type in kinds]


def py_func(
    func, args=(), kwargs=None, output_types=None, output_shapes=None, stateful=True, name=None
):
    """tf.py_func that takes arguments by name and knows the shapes of what it returns."""
    flat = [args, kwargs or {}]

    def call(*values):
        found, named = tf.nest.pack_sequence_as(flat, values)
        return func(*found, **named)

    made = tf.py_func(call, tf.nest.flatten(flat), output_types, stateful, name)
    if output_shapes is not None:
        for one, shape in zip(tf.nest.flatten(made), _shapes(output_shapes, output_types)):
            one.set_shape(shape)
    return made


def _shapes(shapes, types):
    return shapes if isinstance(types, (list, tuple)) else [shapes]


def reduce_sum_n(tensors, name=None):
    """Returns the sum of all elements of all tensors."""
    with tf.name_scope(name, "reduce_sum_n", tensors) as scope:
        return tf.add_n([tf.reduce_sum(tensor) for tensor in tensors], name=scope)


def with_same_shape(expected_tensor, tensor):
    return with_shape(tf.shape(expected_tensor), tensor)


def with_shape(expected_shape, tensor):
    """Returns the tensor, whose shape is checked when it is computed."""
    tensor = tf.convert_to_tensor(tensor)
    check = tf.assert_equal(tf.shape(tensor), expected_shape, message="Wrong shape")
    with tf.control_dependencies([check]):
        checked = tf.identity(tensor)
    known = tf.get_static_value(tf.convert_to_tensor(expected_shape))
    checked.set_shape(known if known is not None else tensor.shape)
    return checked
