"""Stands for `tf.contrib.tfprof.model_analyzer`: `tf.profiler`, by its names of before 1.4."""

from tensorflow.python.profiler import model_analyzer
from tensorflow.python.profiler.option_builder import ProfileOptionBuilder

from tf1_style.run.contrib import names_of

__getattr__ = names_of(
    "tensorflow.python.profiler.profile_context", "tensorflow.python.profiler.model_analyzer"
)
TRAINABLE_VARS_PARAMS_STAT_OPTIONS = ProfileOptionBuilder.trainable_variables_parameter()
FLOAT_OPS_OPTIONS = ProfileOptionBuilder.float_operation()
PRINT_ALL_TIMING_MEMORY = ProfileOptionBuilder.time_and_memory()


def advise(graph, run_meta=None, tfprof_options=0):
    return model_analyzer.advise(graph, run_meta, tfprof_options)


def print_model_analysis(graph, run_meta=None, op_log=None, tfprof_cmd="scope", tfprof_options=0):
    return model_analyzer.profile(graph, run_meta, op_log, tfprof_cmd, tfprof_options)
