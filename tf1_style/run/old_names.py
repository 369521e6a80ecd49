"""Names of TensorFlow 0.5 to 1.15 that `tensorflow.compat.v1` has under another name, or not.

The 0.x names are those of TensorFlow's notes on version 1.0 and of its script tf_upgrade.
"""

VERSION = "1.15.5"
KERAS_VERSION = "2.2.4-tf"  # of tf.keras in TensorFlow 1.15.5

# Old name -> name under the old program's `tensorflow`.
NAMES = {
    f"tensorflow.{old}": new
    for old, new in {
        "mul": "multiply",
        "concat_v2": "concat",
        "sub": "subtract",
        "neg": "negative",
        "inv": "reciprocal",
        "pack": "stack",
        "unpack": "unstack",
        "select": "where",
        **{
            f"batch_{name}": name
            for name in (
                "cholesky cholesky_solve fft fft2d fft3d ifft ifft2d ifft3d matrix_band_part "
                "matrix_determinant matrix_diag matrix_diag_part matrix_inverse matrix_set_diag "
                "matrix_solve matrix_solve_ls matrix_transpose matrix_triangular_solve "
                "self_adjoint_eig self_adjoint_eigvals svd"
            ).split()
        },
        "complex_abs": "abs",
        "list_diff": "setdiff1d",
        "listdiff": "setdiff1d",
        "all_variables": "global_variables",
        "initialize_all_variables": "global_variables_initializer",
        "initialize_local_variables": "local_variables_initializer",
        "initialize_variables": "variables_initializer",
        "initialize_all_tables": "tables_initializer",
        "merge_all_summaries": "summary.merge_all",
        "merge_summary": "summary.merge",
        "train.SummaryWriter": "summary.FileWriter",
        "nn.deconv2d": "nn.conv2d_transpose",
        "nn.rnn": "nn.static_rnn",
        "nn.bidirectional_rnn": "nn.static_bidirectional_rnn",
        "nn.state_saving_rnn": "nn.static_state_saving_rnn",
        "nn.seq2seq": "contrib.legacy_seq2seq",
        "image.per_image_whitening": "image.per_image_standardization",
        "ops": "python.framework.ops",
        "parse_single_sequence_example": "io.parse_single_sequence_example",
        "errors.AlreadyExists": "errors.AlreadyExistsError",
        "flags": "app.flags",
        "models.rnn.rnn_cell": "nn.rnn_cell",
        "models.rnn.seq2seq": "contrib.legacy_seq2seq",
        "models.rnn.rnn": "nn",
        "python.ops.rnn_cell": "nn.rnn_cell",
        "python.ops.seq2seq": "contrib.legacy_seq2seq",
        "python.framework.ops.Tensor": "Tensor",
        "pywrap_tensorflow": "python.pywrap_tensorflow",
        "python.keras.engine.InputSpec": "keras.layers.InputSpec",
        "python.keras.engine.base_layer.InputSpec": "keras.layers.InputSpec",
        "python.util.nest.is_sequence": "python.util.nest.is_nested",
        "contrib.framework.nest.is_sequence": "python.util.nest.is_nested",
    }.items()
}

# Old module -> today's module, or the stand-in.
MODULES = {
    "tensorflow.contrib": "tf1_style.run.contrib",
    "tensorflow.examples": "tf1_style.run.tutorials",
    "tensorflow.examples.tutorials": "tf1_style.run.tutorials",
    "tensorflow.examples.tutorials.mnist.mnist": "tf1_style.run.tutorials.mnist",
    "tensorflow.examples.tutorials.mnist.input_data": "tf1_style.run.input_data",
    "tensorflow.models": "tf1_style.run.contrib",
    "tensorflow.models.rnn": "tf1_style.run.contrib",
    "tensorflow.python": "tensorflow.python",
    "tensorflow.core": "tensorflow.core",
    "tensorflow.tools": "tensorflow.tools",
    "tensorflow.python.keras": "tf_keras.api._v1.keras",
    "tensorflow.nn.rnn_cell": "tf1_style.run.contrib.rnn",
    "tensorflow.python.ops.rnn_cell_impl": "tf1_style.run.contrib.rnn",
    "tensorflow.estimator": "tf1_style.run.estimator",
    "tensorflow.python.training.gen_training_ops": "tensorflow.python.ops.gen_training_ops",
    "tensorflow.python.training.training_ops": "tensorflow.python.ops.gen_training_ops",
    "tensorflow.python.estimator": "tf1_style.run.estimator",
}

# Where a name of tensorflow.python.* is looked for when its module no longer has it. "" is
# tensorflow.compat.v1.
PLACES = (
    "",
    "tensorflow.compat.v1.nn",
    "tensorflow.compat.v1.math",
    "tensorflow.compat.v1.train",
    "tensorflow.compat.v1.graph_util",
    "tensorflow.python.framework.tensor_conversion",
    "tensorflow.python.framework.tensor",
    "tensorflow.python.framework.indexed_slices",
    "tensorflow.python.ops.array_ops_stack",
    "tensorflow.python.ops.cond",
    "tensorflow.python.ops.while_loop",
    "tensorflow.python.ops.control_flow_case",
    "tensorflow.python.ops.ref_variable",
    "tensorflow.python.ops.resource_variable_ops",
)
