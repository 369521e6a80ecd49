"""Stands for `tf.contrib.layers`: the layers, initializers and regularizers of tf_slim."""

import functools
import sys

import tensorflow.compat.v1 as tf

from tf1_style.run.contrib import names_of, resolve

__getattr__ = names_of(
    "tf_slim.layers.layers",
    "tf_slim.layers.initializers",
    "tf_slim.layers.regularizers",
    "tf_slim.layers.optimizers",
    "tf_slim.layers.summaries",
    "tf_slim.layers.utils",
    "tf_slim.layers.normalization",
    "tf_slim.layers.rev_block_lib",
    "tf_slim.layers.bucketization_op",
    "tf_slim.layers.sparse_ops",
    "tf_slim.layers",
    layers="tf_slim.layers.layers",
    safe_embedding_lookup_sparse="tensorflow.compat.v1.nn.safe_embedding_lookup_sparse",
    bucketized_column="tensorflow.feature_column.bucketized_column",
)

feature_column = sys.modules[__name__]  # a file of 1.15's package


def embed_sequence(
    ids,
    vocab_size=None,
    embed_dim=None,
    unique=False,
    initializer=None,
    regularizer=None,
    trainable=True,
    scope=None,
    reuse=None,
):
    """Looks up `[batch, words]` in a table; `unique` saves lookups and changes no value."""
    if not reuse and (vocab_size is None or embed_dim is None):
        raise ValueError(f"Must specify vocab size and embed_dim, got {vocab_size}, {embed_dim}")
    with tf.variable_scope(scope, "EmbedSequence", [ids], reuse=reuse):
        shape = None if reuse and not vocab_size else [vocab_size, embed_dim]
        embeddings = tf.get_variable(
            "embeddings",
            shape,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
        )
        return tf.nn.embedding_lookup(embeddings, ids)


def embedding_lookup_unique(params, ids, partition_strategy="mod", name=None):
    """Looks up each id once."""
    with tf.name_scope(name, "EmbeddingLookupUnique", [params, ids]):
        ids = tf.convert_to_tensor(ids)
        unique, where = tf.unique(tf.reshape(ids, [-1]))
        found = tf.gather(tf.nn.embedding_lookup(params, unique, partition_strategy), where)
        shape = tf.concat([tf.shape(ids), tf.shape(found)[1:]], 0)
        found = tf.reshape(found, shape)
        found.set_shape(ids.shape.concatenate(found.shape[ids.shape.ndims :]))
        return found


def bow_encoder(
    ids,
    vocab_size,
    embed_dim,
    sparse_lookup=True,
    initializer=None,
    regularizer=None,
    trainable=True,
    scope=None,
    reuse=None,
):
    """Returns the mean of the embeddings of each row, `[batch, embed_dim]`; 0 is no word."""
    with tf.variable_scope(scope, "bow_encoder", [ids], reuse=reuse):
        embeddings = _variables().model_variable(
            "embeddings",
            [vocab_size, embed_dim],
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
        )
        if not sparse_lookup:
            return tf.reduce_mean(tf.nn.embedding_lookup(embeddings, ids), 1)
        if not isinstance(ids, tf.SparseTensor):
            ids = tf.sparse.from_dense(ids)
        return tf.nn.safe_embedding_lookup_sparse([embeddings], ids, combiner="mean", default_id=0)


def _variables():
    return resolve("tf_slim.ops.variables")


# The feature columns of contrib, as those of today.


def real_valued_column(column_name, dimension=1, default_value=None, dtype=tf.float32, **rest):
    return tf.feature_column.numeric_column(
        column_name or "x", [dimension], default_value, dtype, rest.get("normalizer")
    )


def sparse_column_with_hash_bucket(column_name, hash_bucket_size, dtype=tf.string, **rest):
    return tf.feature_column.categorical_column_with_hash_bucket(
        column_name, hash_bucket_size, dtype
    )


def sparse_column_with_keys(column_name, keys, default_value=-1, dtype=tf.string, **rest):
    return tf.feature_column.categorical_column_with_vocabulary_list(
        column_name, keys, dtype, default_value
    )


def sparse_column_with_integerized_feature(column_name, bucket_size, **rest):
    return tf.feature_column.categorical_column_with_identity(column_name, bucket_size)


def sparse_column_with_vocabulary_file(
    column_name, vocabulary_file, num_oov_buckets=0, vocab_size=None, default_value=-1, **rest
):
    default_value = None if num_oov_buckets else default_value
    return tf.feature_column.categorical_column_with_vocabulary_file(
        column_name, vocabulary_file, vocab_size, num_oov_buckets, default_value
    )


def weighted_sparse_column(sparse_id_column, weight_column_name, dtype=tf.float32):
    return tf.feature_column.weighted_categorical_column(
        sparse_id_column, weight_column_name, dtype
    )


def input_from_feature_columns(
    columns_to_tensors,
    feature_columns,
    weight_collections=None,
    trainable=True,
    scope=None,
    cols_to_outs=None,
):
    """Returns the columns side by side. Weights have the names that they had in contrib."""
    tensors = list(columns_to_tensors.values())
    with tf.variable_scope(scope, "input_from_feature_columns", tensors):
        outputs = []
        for column in sorted(set(feature_columns), key=_order):
            with tf.variable_scope(None, column.name, tensors) as inner:
                name = getattr(column, "shared_embedding_collection_name", None) or "weights"
                getter = functools.partial(_get_by, new_name=f"{inner.name}/{name}")
                with tf.variable_scope(inner, custom_getter=getter):
                    outputs.append(
                        tf.feature_column.input_layer(
                            columns_to_tensors, [column], weight_collections, trainable
                        )
                    )
        if cols_to_outs is not None:
            cols_to_outs.update(zip(sorted(set(feature_columns), key=_order), outputs))
        return tf.concat(outputs, 1)


def _get_by(getter, name, *arguments, new_name, **options):
    return getter(new_name, *arguments, **options)


_CLASSES = {  # of contrib; the text of a column, by which contrib sorts, begins with its class
    "BucketizedColumn": "_BucketizedColumn",
    "NumericColumn": "_RealValuedColumn",
    "EmbeddingColumn": "_EmbeddingColumn",
    "SharedEmbeddingColumn": "_EmbeddingColumn",
    "IndicatorColumn": "_OneHotColumn",
    "CrossedColumn": "_CrossedColumn",
    "HashedCategoricalColumn": "_SparseColumnHashed",
    "IdentityCategoricalColumn": "_SparseColumnIntegerized",
    "VocabularyListCategoricalColumn": "_SparseColumnKeys",
    "VocabularyFileCategoricalColumn": "_SparseColumnVocabulary",
    "WeightedCategoricalColumn": "_WeightedSparseColumn",
}


def _order(column):
    """The classes of a column and of those inside it, then its name."""
    name, classes = column.name, []
    while column is not None:
        short = type(column).__name__
        classes.append(_CLASSES.get(short.lstrip("_"), short))
        column = getattr(column, "categorical_column", None)
    return [*classes, name]


def crossed_column(columns, hash_bucket_size, **rest):
    keys = [getattr(column, "key", column) for column in columns]
    return tf.feature_column.crossed_column(keys, hash_bucket_size)


def embedding_column(sparse_id_column, dimension, combiner="mean", initializer=None, **rest):
    made = (sparse_id_column, dimension, combiner, initializer)
    return tf.feature_column.embedding_column(*made, **rest)


def shared_embedding_columns(
    sparse_id_columns,
    dimension,
    combiner="mean",
    shared_embedding_name=None,
    initializer=None,
    **rest,
):
    made = (sparse_id_columns, dimension, combiner, initializer, shared_embedding_name)
    return tf.feature_column.shared_embedding_columns(*made, **rest)


def one_hot_column(sparse_id_column):
    return tf.feature_column.indicator_column(sparse_id_column)


def create_feature_spec_for_parsing(feature_columns):
    return tf.feature_column.make_parse_example_spec(feature_columns)


def parse_feature_columns_from_examples(serialized, feature_columns, name=None, example_names=None):
    spec = create_feature_spec_for_parsing(feature_columns)
    return tf.parse_example(serialized, spec, name, example_names)
