"""Saves and restores a training program's state (TensorFlow 1 style)."""

import os

import tensorflow.compat.v1 as tf
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
    # A Saver silently ignores variables that only the checkpoint has.
    names = checkpoints.restorable(
        path,
        {name: shapes[key] for name, key in keys.items()},
        {name: variable.shape.as_list() for name, variable in trainer.variables.items()},
        partial,
    )
    with checkpoints.restoring(path, tf.errors.OpError):
        # A Saver also reads the files of a tf.train.Checkpoint, by the names of the variables.
        saver = tf.train.Saver({name: trainer.variables[name] for name in names})
        saver.restore(trainer.session, path)
    return int(trainer.session.run(trainer.global_step))


class Checkpoints:
    """The checkpoints of one run: every variable of the graph, the optimizer's included."""

    def __init__(self, directory, trainer, max_to_keep):
        self._directory = directory
        self._trainer = trainer
        # With absolute paths, a copy of the folder would restore and remove the original's files.
        self._saver = tf.train.Saver(max_to_keep=max_to_keep, save_relative_paths=True)
        with checkpoints.restoring(directory, tf.errors.OpError):
            state = tf.train.get_checkpoint_state(directory)
        listed = state.all_model_checkpoint_paths if state else []
        repair.remove_lost_checkpoints(directory, listed)
        # Without this a new Saver forgets the older files and never removes them.
        self._saver.recover_last_checkpoints(listed)

    def save(self, step):
        """Writes the checkpoint of `step`, and removes all but the newest `max_to_keep`."""
        path = os.path.join(self._directory, checkpoints.NAME)
        with checkpoints.writing(f"{path}-{step}", tf.errors.OpError):
            os.makedirs(self._directory, exist_ok=True)
            self._saver.save(self._trainer.session, path, global_step=step)
