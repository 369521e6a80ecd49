"""Stands for `tf.contrib.learn.learn_io`: examples from files, through queues."""

import tensorflow.compat.v1 as tf

from tf1_style.run import estimator, modules, symbols


def read_keyed_batch_examples(
    file_pattern,
    batch_size,
    reader,
    randomize_input=True,
    num_epochs=None,
    queue_capacity=10000,
    num_threads=1,
    read_batch_size=1,
    parse_fn=None,
    name=None,
    seed=None,
):
    """Returns the keys and the serialized examples of a batch."""
    with tf.name_scope(name, "read_batch_examples", [file_pattern]):
        patterns = file_pattern if isinstance(file_pattern, (list, tuple)) else [file_pattern]
        files = sorted(file for pattern in patterns for file in tf.gfile.Glob(pattern))
        if not files:
            raise ValueError(f"No files match {file_pattern}.")
        queue = tf.train.string_input_producer(
            files, num_epochs, shuffle=randomize_input, seed=seed
        )
        pairs = []
        for _ in range(num_threads):
            key, example = reader().read(queue)
            pairs.append((key, parse_fn(example) if parse_fn else example))
        options = {"capacity": queue_capacity, "allow_smaller_final_batch": True}
        if not randomize_input:
            return tf.train.batch_join(pairs, batch_size, **options)
        least = max(queue_capacity - 2 * batch_size, batch_size)
        return tf.train.shuffle_batch_join(
            pairs,
            batch_size,
            min_after_dequeue=min(least, queue_capacity - 1),
            seed=seed,
            **options,
        )


def read_batch_examples(*arguments, **keywords):
    return read_keyed_batch_examples(*arguments, **keywords)[1]


def read_keyed_batch_features(
    file_pattern,
    batch_size,
    features,
    reader,
    randomize_input=True,
    num_epochs=None,
    queue_capacity=10000,
    reader_num_threads=1,
    feature_queue_capacity=100,
    num_enqueue_threads=2,
    parse_fn=None,
    name=None,
    read_batch_size=None,
):
    """Returns the keys and the parsed features of a batch."""
    keys, examples = read_keyed_batch_examples(
        file_pattern,
        batch_size,
        reader,
        randomize_input,
        num_epochs,
        queue_capacity,
        reader_num_threads,
        parse_fn=parse_fn,
        name=name,
    )
    return keys, tf.parse_example(examples, features)


def read_batch_features(*arguments, **keywords):
    return read_keyed_batch_features(*arguments, **keywords)[1]


def read_batch_record_features(
    file_pattern,
    batch_size,
    features,
    randomize_input=True,
    num_epochs=None,
    queue_capacity=10000,
    reader_num_threads=1,
    name="dequeue_record_examples",
):
    """Reads Examples from files of TFRecords."""
    return read_batch_features(
        file_pattern,
        batch_size,
        features,
        tf.TFRecordReader,
        randomize_input=randomize_input,
        num_epochs=num_epochs,
        queue_capacity=queue_capacity,
        reader_num_threads=reader_num_threads,
        name=name,
    )


def __getattr__(name):
    if name in ("numpy_input_fn", "pandas_input_fn"):
        return getattr(estimator.inputs, name)
    if symbols.rows().get(f"tensorflow.contrib.learn.{name}") == "gone":
        raise modules.Gone(f"tf.contrib.learn.{name}")
    raise AttributeError(name)
