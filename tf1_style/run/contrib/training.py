"""Stands for `tf.contrib.training`: HParams, and the training and evaluation loops of tf_slim."""

import json
import numbers
import re

import tensorflow.compat.v1 as tf

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tf_slim.training.training",
    "tf_slim.training.evaluation",
    "tensorflow.python.training.evaluation",
    "tensorflow.compat.v1.train",
    evaluate_once="tensorflow.python.training.evaluation._evaluate_once",
    get_or_create_eval_step="tensorflow.python.training.evaluation._get_or_create_eval_step",
)

_SETTING = re.compile(
    r"(?P<name>[a-zA-Z][\w.]*)\s*(\[\s*(?P<index>\d+)\s*\])?\s*=\s*"
    r"(\[(?P<list>[^\]]*)\]|(?P<one>[^,\[]*))($|,\s*)"
)
_BOOLEANS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}


def parse_values(values, type_map, ignore_unknown=False):
    """Reads "rate=0.1,sizes=[3,4],sizes[1]=5" into a dict; an indexed value becomes a dict."""
    parsed = {}
    position = 0
    while position < len(values):
        match = _SETTING.match(values, position)
        if match is None:
            raise ValueError(f"Malformed hyperparameter value: {values[position:]}")
        position = match.end()
        name = match["name"]
        if name not in type_map:
            if ignore_unknown:
                continue
            raise ValueError(f"Unknown hyperparameter type for {name}")
        _add(parsed, name, match, type_map[name])
    return parsed


def _add(parsed, name, match, kind):
    if match["index"] is not None:
        place, key = parsed.setdefault(name, {}), int(match["index"])
    else:
        place, key = parsed, name
    if (place is parsed and name in parsed) or (
        place is not parsed and not isinstance(place, dict)
    ):
        raise ValueError(f"Multiple assignments to variable '{name}' in {match.string}")
    if match["list"] is None:
        place[key] = _parsed(name, match["one"], kind)
    elif place is parsed:
        items = filter(None, re.split("[ ,]", match["list"]))
        place[key] = [_parsed(name, item.strip(), kind) for item in items]
    else:
        raise ValueError(f"Assignment of a list to a list index: {match[0]}")


def _parsed(name, text, kind):
    try:
        return _BOOLEANS[text] if kind is bool else kind(text)
    except (KeyError, ValueError):
        message = f"Could not parse hparam '{name}' of type '{kind.__name__}' with value '{text}'"
        raise ValueError(message) from None


def _cast(name, kind, value):
    """Returns the value as the hyperparameter's type; raises ValueError if that would lose some."""
    if value is None or kind is type(None) or isinstance(value, kind):
        return value
    lossy = isinstance(kind, type) and (
        (issubclass(kind, str) != isinstance(value, (str, bytes)))
        or (issubclass(kind, bool) != isinstance(value, bool))
        or (issubclass(kind, numbers.Integral) and not isinstance(value, numbers.Integral))
    )
    if lossy:
        raise ValueError(f"Could not cast hparam '{name}' of type '{kind}' from value {value!r}")
    return kind(value)


class HParams:
    """Hyperparameters as attributes, each of the type of its first value."""

    def __init__(self, hparam_def=None, model_structure=None, **values):
        self._hparam_types = {}
        self._model_structure = model_structure
        for name, value in values.items():
            self.add_hparam(name, value)

    def add_hparam(self, name, value):
        if getattr(self, name, None) is not None:
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        if isinstance(value, (list, tuple)):
            if not value:
                raise ValueError(f"Multi-valued hyperparameters cannot be empty: {name}")
            self._hparam_types[name] = (type(value[0]), True)
        else:
            self._hparam_types[name] = (type(value), False)
        setattr(self, name, value)

    def set_hparam(self, name, value):
        kind, is_list = self._hparam_types[name]
        if isinstance(value, list) != is_list:
            wanted = "a list" if is_list else "a single value"
            raise ValueError(f"Must pass {wanted} for hyperparameter {name}, got {value!r}")
        setattr(
            self,
            name,
            [_cast(name, kind, item) for item in value] if is_list else _cast(name, kind, value),
        )

    def del_hparam(self, name):
        if hasattr(self, name):
            delattr(self, name)
            del self._hparam_types[name]

    def parse(self, values):
        kinds = {name: kind for name, (kind, _) in self._hparam_types.items()}
        return self.override_from_dict(parse_values(values, kinds))

    def override_from_dict(self, values_dict):
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    set_from_map = override_from_dict

    def set_model_structure(self, model_structure):
        self._model_structure = model_structure

    def get_model_structure(self):
        return self._model_structure

    def to_json(self, indent=None, separators=None, sort_keys=False):
        return json.dumps(self.values(), indent=indent, separators=separators, sort_keys=sort_keys)

    def parse_json(self, values_json):
        return self.override_from_dict(json.loads(values_json))

    def values(self):
        return {name: getattr(self, name) for name in self._hparam_types}

    def get(self, key, default=None):
        return getattr(self, key) if key in self._hparam_types else default

    def __contains__(self, key):
        return key in self._hparam_types

    def __str__(self):
        return ",".join(f"{name}={value}" for name, value in self.values().items())

    def __repr__(self):
        return f"{type(self).__name__}({sorted(self.values().items())})"


def bucket_by_sequence_length(
    input_length, tensors, batch_size, bucket_boundaries, num_threads=1, capacity=32, **keywords
):
    """Batches sequences with others of like length; returns their lengths and the batch."""
    boundaries = tf.constant(sorted(bucket_boundaries), tf.int32)
    which = tf.reduce_sum(tf.cast(tf.cast(input_length, tf.int32) >= boundaries, tf.int32))
    keywords.setdefault("dynamic_pad", False)
    single = not isinstance(tensors, (list, tuple, dict))
    named = (
        tensors if isinstance(tensors, dict) else dict(enumerate([tensors] if single else tensors))
    )
    flat = [input_length, *named.values()]
    count = len(bucket_boundaries) + 1
    _, batch = bucket(flat, which, batch_size, count, num_threads, capacity, **keywords)
    lengths, *values = batch
    if single:
        return lengths, values[0]
    return lengths, dict(zip(named, values)) if isinstance(tensors, dict) else values


def bucket(
    tensors,
    which_bucket,
    batch_size,
    num_buckets,
    num_threads=1,
    capacity=32,
    bucket_capacities=None,
    shapes=None,
    dynamic_pad=False,
    allow_smaller_final_batch=False,
    keep_input=True,
    shared_name=None,
    name=None,
):
    """Batches examples with others of their bucket, by a queue for each bucket and one for batches.

    Returns the batch's bucket and the batch.
    """
    named = tensors if isinstance(tensors, dict) else dict(enumerate(tensors))
    values = [tf.convert_to_tensor(value) for value in named.values()]
    sizes = batch_size if isinstance(batch_size, (list, tuple)) else [batch_size] * num_buckets
    capacities = bucket_capacities or [capacity] * num_buckets
    types = [value.dtype for value in values]
    shapes = shapes or [value.shape for value in values]
    with tf.name_scope(name, "bucket", values):
        make = tf.PaddingFIFOQueue if dynamic_pad else tf.FIFOQueue
        queues = [make(size, types, shapes) for size in capacities]
        top = tf.FIFOQueue(capacity, [tf.int32, *types])
        _fill(queues, values, which_bucket, keep_input, num_threads)
        _move(queues, top, sizes, allow_smaller_final_batch)
        which, *batch = top.dequeue()
        which.set_shape([])
        size = None if allow_smaller_final_batch or len(set(sizes)) > 1 else sizes[0]
        for value, shape in zip(batch, shapes):
            value.set_shape(tf.TensorShape([size]).concatenate(shape))
    return which, dict(zip(named, batch)) if isinstance(tensors, dict) else batch


def _fill(queues, values, which_bucket, keep_input, num_threads):
    """Runs threads that put each example into the queue of its bucket."""

    def put():
        pairs = [
            (tf.equal(which_bucket, number), lambda queue=queue: queue.enqueue(values))
            for number, queue in enumerate(queues)
        ]
        return tf.case(pairs, exclusive=True)

    enqueue = put() if keep_input is True else tf.cond(keep_input, put, tf.no_op)
    close = tf.group(*[queue.close() for queue in queues])
    cancel = tf.group(*[queue.close(cancel_pending_enqueues=True) for queue in queues])
    tf.train.add_queue_runner(
        tf.train.QueueRunner(queues[0], [enqueue] * num_threads, close, cancel)
    )


def _move(queues, top, sizes, allow_smaller):
    """Runs a thread for each bucket that moves full batches into the queue of batches."""
    moves = []
    for number, (queue, size) in enumerate(zip(queues, sizes)):
        batch = queue.dequeue_up_to(size) if allow_smaller else queue.dequeue_many(size)
        batch = batch if isinstance(batch, (list, tuple)) else [batch]
        moves.append(top.enqueue([tf.constant(number), *batch]))
    closed = (tf.errors.OutOfRangeError, tf.errors.CancelledError)
    runner = tf.train.QueueRunner(top, moves, queue_closed_exception_types=closed)
    tf.train.add_queue_runner(runner)
