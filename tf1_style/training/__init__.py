"""What the programs share in TensorFlow 1 style: the parts of a trainer, and `main`."""

import functools

import tensorflow.compat.v1 as tf

from shared import training
from tf1_style.training.checkpoints import Checkpoints, restore
from tf1_style.training.export import export
from tf1_style.training.multi_step import MultiStep
from tf1_style.training.replicas import replicated, serve
from tf1_style.training.summaries import Summaries, shown_graph
from tf1_style.training.trainer import Trainer

STYLE = training.Style(
    name="tf1_style",
    version=tf.__version__,
    list_devices=tf.config.experimental.list_physical_devices,
    Trainer=Trainer,
    MultiStep=MultiStep,
    Summaries=Summaries,
    Checkpoints=Checkpoints,
    restore=restore,
    export=export,
    graph=shown_graph,
    replicated=replicated,
    serve=serve,
)
main = functools.partial(training.main, STYLE)
