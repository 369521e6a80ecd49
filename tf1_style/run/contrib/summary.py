"""Stands for `tf.contrib.summary`: the summaries for eager execution, which TensorFlow keeps."""

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tensorflow.python.ops.summary_ops_v2",
    graph="tensorflow.python.ops.summary_ops_v2.graph_v1",
    all_summary_ops="tensorflow.python.ops.summary_ops_v2.all_v2_summary_ops",
)
