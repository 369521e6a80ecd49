"""Functions of TensorFlow 1 whose arguments `tensorflow.compat.v1` no longer takes."""

import functools

import tensorflow.compat.v1 as tf

from tf1_style.run import input_data

FUNCTIONS = {
    f"tensorflow.{keras}.datasets.{name}": input_data.keras_dataset(name)
    for keras in ("keras", "python.keras")
    for name in ("mnist", "fashion_mnist")
}


def _old(*names):
    def register(function):
        for name in names:
            FUNCTIONS[f"tensorflow.{name}"] = function
        return function

    return register


def _renamed(name, function, **names):
    """Takes old names of arguments again."""

    @functools.wraps(function)
    def with_old_names(*arguments, **keywords):
        for old, new in names.items():
            if old in keywords:
                keywords[new] = keywords.pop(old)
        return function(*arguments, **keywords)

    FUNCTIONS[f"tensorflow.{name}"] = with_old_names


for _name in ("all", "any", "logsumexp", "max", "mean", "min", "prod", "sum"):
    _renamed(
        f"reduce_{_name}",
        getattr(tf, f"reduce_{_name}"),
        reduction_indices="axis",
        keep_dims="keepdims",
    )
for _name in ("argmax", "argmin", "arg_max", "arg_min"):
    _renamed(_name, getattr(tf, _name.replace("_", "")), dimension="axis")
_renamed("count_nonzero", tf.count_nonzero, reduction_indices="axis", keep_dims="keepdims")
_renamed("expand_dims", tf.expand_dims, dim="axis")
_renamed("reverse_sequence", tf.reverse_sequence, seq_dim="seq_axis", batch_dim="batch_axis")
_renamed("sparse_concat", tf.sparse_concat, concat_dim="axis")
_renamed("sparse_reduce_sum", tf.sparse_reduce_sum, reduction_axes="axis", keep_dims="keepdims")
_renamed("sparse_split", tf.sparse_split, split_dim="axis")
_renamed("squeeze", tf.squeeze, squeeze_dims="axis")
_renamed("multinomial", tf.multinomial, output_type="output_dtype")
for _name in ("softmax", "log_softmax"):
    _renamed(f"nn.{_name}", getattr(tf.nn, _name), dim="axis")
_renamed("nn.l2_normalize", tf.nn.l2_normalize, dim="axis")
_renamed("nn.moments", tf.nn.moments, keep_dims="keepdims")


@_old("concat")
def concat(values, axis=0, name="concat", **old):
    """Takes 0.x's concat(concat_dim, values) too."""
    axis = old.pop("concat_dim", axis)
    if isinstance(axis, (list, tuple)) or (_is_scalar(values) and not _is_scalar(axis)):
        values, axis = axis, values
    return tf.concat(values, axis, name)


@_old("split")
def split(value, num_or_size_splits=None, axis=0, num=None, name="split", **old):
    """Takes 0.x's split(split_dim, num_split, value) too."""
    if "num_split" in old or "split_dim" in old:
        return tf.split(value, old.get("num_split", num_or_size_splits), old.get("split_dim", axis))
    if isinstance(value, int) and not isinstance(axis, int):
        value, axis = axis, value
    return tf.split(value, num_or_size_splits, axis, num, name)


def _is_scalar(value):
    return isinstance(value, int) or getattr(getattr(value, "shape", None), "ndims", None) == 0


@_old("pack", "stack")
def stack(values, axis=0, name="stack"):
    return tf.stack(values, axis, name)


@_old("reverse")
def reverse(tensor, axis=None, name=None, dims=None):
    """Takes 0.x's list of booleans, one for each dimension, too."""
    axis = dims if axis is None else axis
    if isinstance(axis, (list, tuple)) and axis and all(isinstance(item, bool) for item in axis):
        axis = [number for number, item in enumerate(axis) if item]
    return tf.reverse(tensor, axis, name)


def _cross_entropy(name, function):
    @functools.wraps(function)
    def cross_entropy(*arguments, **keywords):
        """Takes 0.x's (logits, labels) and (logits, targets) too."""
        if "targets" in keywords:
            keywords["labels"] = keywords.pop("targets")
        keywords.pop("_sentinel", None)
        if arguments and arguments[0] is None:
            arguments = arguments[1:]
            names = ("labels", "logits")
        else:
            names = ("logits", "labels")
        keywords.update(zip(names, arguments[:2]))
        return function(**keywords)

    FUNCTIONS[f"tensorflow.nn.{name}"] = cross_entropy


for _name in (
    "softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy_with_logits",
    "sigmoid_cross_entropy_with_logits",
):
    _cross_entropy(_name, getattr(tf.nn, _name))


@_old("nn.weighted_cross_entropy_with_logits")
def weighted_cross_entropy_with_logits(
    labels=None, logits=None, pos_weight=None, name=None, targets=None
):
    return tf.nn.weighted_cross_entropy_with_logits(
        labels=labels if targets is None else targets,
        logits=logits,
        pos_weight=pos_weight,
        name=name,
    )


def _sampled(name, function):
    @functools.wraps(function)
    def sampled(weights, biases, labels, inputs, *arguments, **keywords):
        """Takes 0.x's order (weights, biases, inputs, labels) too."""
        first, second = (tf.convert_to_tensor(value) for value in (labels, inputs))
        if first.dtype.is_floating and second.dtype.is_integer:
            labels, inputs = inputs, labels
        return function(weights, biases, labels, inputs, *arguments, **keywords)

    FUNCTIONS[f"tensorflow.nn.{name}"] = sampled


_sampled("nce_loss", tf.nn.nce_loss)
_sampled("sampled_softmax_loss", tf.nn.sampled_softmax_loss)


@_old("nn.conv2d")
@functools.wraps(tf.nn.conv2d)
def conv2d(input, filter=None, strides=None, padding=None, *arguments, **keywords):
    """Treats the width of a text CNN, whose filters are as wide as the input, as channels.

    The sum is the same, and oneDNN takes 80 times as long for its gradient otherwise.
    """
    filter = keywords.pop("filters", filter)
    is_plain = padding == "VALID" and list(strides or ()) == [1, 1, 1, 1]
    if is_plain and not arguments and not set(keywords) - {"name"}:
        input, filter = tf.convert_to_tensor(input), tf.convert_to_tensor(filter)
        if input.shape.rank == filter.shape.rank == 4 and filter.shape.is_fully_defined():
            height, width, channels, features = filter.shape.as_list()
            if input.shape.as_list()[2:] == [width, channels]:
                shape = input.shape[:2].concatenate([1, width * channels])
                with tf.name_scope("conv2d_rows"):
                    input = tf.reshape(input, [-1, tf.shape(input)[1], 1, width * channels])
                    input.set_shape(shape)
                    filter = tf.reshape(filter, [height, 1, width * channels, features])
    return tf.nn.conv2d(input, filter, strides, padding, *arguments, **keywords)


def _resized(name, method):
    function = getattr(tf.image, name)

    @functools.wraps(function)
    def resize(images, size=None, *arguments, **keywords):
        """Takes 0.x's resize(images, height, width, method) too."""
        if "new_height" in keywords:
            size = [keywords.pop("new_height"), keywords.pop("new_width")]
        if arguments and isinstance(size, int):
            size, arguments = [size, arguments[0]], arguments[1:]
        return function(images, size, *arguments, **keywords)

    FUNCTIONS[f"tensorflow.image.{name}"] = resize


for _name in ("resize_images", "resize_bilinear", "resize_nearest_neighbor", "resize_bicubic"):
    _resized(_name, _name)


def _summary(old, new):
    function = getattr(tf.summary, new)

    @functools.wraps(function)
    def summary(tag=None, *arguments, tags=None, values=None, max_images=None, **keywords):
        """Takes 0.x's tag, which may hold what a name may not, and its lists of tags."""
        if values is not None:
            arguments = (values, *arguments)
        if max_images is not None:
            keywords["max_outputs"] = max_images
        tag = tag if tags is None else tags
        if isinstance(tag, (list, tuple)):
            value, *rest = arguments
            values = tf.unstack(tf.reshape(value, [len(tag)])) if new == "scalar" else [value]
            return tf.summary.merge(
                [summary(*pair, *rest, **keywords) for pair in zip(tag, values)]
            )
        return function(str(tag).replace(" ", "_"), *arguments, **keywords)

    FUNCTIONS[f"tensorflow.{old}"] = summary
    FUNCTIONS[f"tensorflow.contrib.deprecated.{old}"] = summary


for _name in ("scalar", "histogram", "image", "audio"):
    _summary(f"{_name}_summary", _name)


@_old("op_scope")
def op_scope(values, name, default_name=None):
    return tf.name_scope(name, default_name, values)


@_old("variable_op_scope")
def variable_op_scope(values, name_or_scope, default_name=None, **keywords):
    return tf.variable_scope(name_or_scope, default_name, values, **keywords)


@_old("batch_matmul")
def batch_matmul(x, y, adj_x=False, adj_y=False, name=None):
    return tf.matmul(x, y, adjoint_a=adj_x, adjoint_b=adj_y, name=name)


@_old("summary.FileWriter", "train.SummaryWriter")
class FileWriter(tf.summary.FileWriter):
    """Takes 0.x's `graph_def` too."""

    def __init__(self, logdir, graph=None, *arguments, **keywords):
        if graph is not None and not isinstance(graph, tf.Graph):
            graph, keywords["graph_def"] = None, graph
        super().__init__(logdir, graph, *arguments, **keywords)


class _SparseTensorType(type(tf.SparseTensor)):
    def __call__(cls, indices, values, dense_shape=None, shape=None):
        """Takes 0.x's `shape` too."""
        return tf.SparseTensor(indices, values, shape if dense_shape is None else dense_shape)

    def __instancecheck__(cls, value):
        return isinstance(value, tf.SparseTensor)


@_old("SparseTensor", "sparse.SparseTensor")
class SparseTensor(tf.SparseTensor, metaclass=_SparseTensorType):
    pass


@_old("python.framework.tensor_shape.scalar")
def scalar_shape():
    return tf.TensorShape([])
