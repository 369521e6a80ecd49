"""Saves and restores a training program's state (TensorFlow 1 style)."""

import os

import tensorflow.compat.v1 as tf

from shared import runs

NAME = "model.ckpt"


class Checkpoints:
    """The checkpoints of one run: every variable of the graph, the optimizer's included."""

    def __init__(self, directory, trainer):
        self._directory = directory
        self._trainer = trainer
        # Relative, or a copy of the folder would restore, and remove, the files of the original.
        self._saver = tf.train.Saver(max_to_keep=5, save_relative_paths=True)

    def restore(self):
        """Restores the newest checkpoint and returns its step, or None where there is none."""
        with runs.restoring(self._directory, tf.errors.OpError):
            state = tf.train.get_checkpoint_state(self._directory)
            if not state:
                return None
            self._saver.restore(self._trainer.session, state.model_checkpoint_path)
        # Without this a new Saver forgets the older files and never removes them.
        self._saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        return int(self._trainer.session.run(self._trainer.global_step))

    def save(self, step):
        """Writes the checkpoint of `step`, and removes all but the five newest."""
        path = os.path.join(self._directory, NAME)
        with runs.writing_whole(f"{path}-{step}", tf.errors.OpError):
            os.makedirs(self._directory, exist_ok=True)
            self._saver.save(self._trainer.session, path, global_step=step)
