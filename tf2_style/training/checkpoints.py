"""Saves and restores a training program's state (TensorFlow 2 style)."""

import os

import tensorflow as tf
from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from shared import checkpoint_files, checkpoints, repair


def restore(trainer, path, partial):
    """Restores a checkpoint of either style; returns its step."""
    with checkpoints.restoring(path, tf.errors.OpError):
        checkpoint_files.check(path, BundleHeaderProto, BundleEntryProto)
        reader = tf.train.load_checkpoint(path)
        shapes = reader.get_variable_to_shape_map()
        keys = checkpoints.tensors(reader, TrackableObjectGraph)
    # A Checkpoint silently ignores variables that only a Saver's file has.
    checkpoints.restorable(
        path,
        {name: shapes[key] for name, key in keys.items()},
        {name: variable.shape.as_list() for name, variable in trainer.variables.items()},
        partial,
    )
    with checkpoints.restoring(path, tf.errors.OpError):
        # A Checkpoint also reads the files of a Saver, by the names of the variables.
        status = trainer.checkpoint.restore(path)
        if not partial:
            # Without this, a variable that does not match silently keeps its initial value.
            status.assert_consumed()
    return int(trainer.global_step.numpy())


class Checkpoints:
    """The checkpoints of one run: every variable of the trainer, the optimizer's included."""

    def __init__(self, directory, trainer, max_to_keep):
        self._directory = directory
        with checkpoints.restoring(directory, tf.errors.OpError):
            self._manager = tf.train.CheckpointManager(
                trainer.checkpoint,
                directory,
                max_to_keep=max_to_keep,
                checkpoint_name=checkpoints.NAME,
            )
        repair.remove_lost_checkpoints(directory, self._manager.checkpoints)

    def save(self, step):
        """Writes the checkpoint of `step`, and removes all but the newest `max_to_keep`."""
        path = os.path.join(self._directory, checkpoints.NAME)
        with checkpoints.writing(f"{path}-{step}", tf.errors.OpError):
            os.makedirs(self._directory, exist_ok=True)
            self._manager.save(checkpoint_number=step)
