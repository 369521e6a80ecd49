"""What the programs share in TensorFlow 2 style: the parts of a trainer, and `main`."""

import functools

import tensorflow as tf

from shared import training
from tf2_style.training.checkpoints import Checkpoints, restore
from tf2_style.training.export import export
from tf2_style.training.multi_step import MultiStep
from tf2_style.training.replicas import replicated, serve
from tf2_style.training.summaries import Summaries, shown_graph
from tf2_style.training.trainer import Trainer

STYLE = training.Style(
    name="tf2_style",
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
