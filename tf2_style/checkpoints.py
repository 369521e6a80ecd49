"""Saves and restores a training program's state (TensorFlow 2 style)."""

import os

import tensorflow as tf

from shared import runs

NAME = "model.ckpt"


class Checkpoints:
    """The checkpoints of one run: every variable of the trainer, the optimizer's included."""

    def __init__(self, directory, trainer):
        self._directory = directory
        self._trainer = trainer
        checkpoint = tf.train.Checkpoint(
            model=trainer.model, optimizer=trainer.optimizer, global_step=trainer.global_step
        )
        with runs.restoring(directory, tf.errors.OpError):
            self._manager = tf.train.CheckpointManager(
                checkpoint, directory, max_to_keep=5, checkpoint_name=NAME
            )

    def restore(self):
        """Restores the newest checkpoint and returns its step, or None where there is none."""
        path = self._manager.latest_checkpoint
        if not path:
            return None
        with runs.restoring(self._directory, tf.errors.OpError):
            # Without the assertion, what does not match is left at its initial value, in silence.
            self._manager.checkpoint.restore(path).assert_consumed()
        return int(self._trainer.global_step)

    def save(self, step):
        """Writes the checkpoint of `step`, and removes all but the five newest."""
        path = os.path.join(self._directory, NAME)
        with runs.writing_whole(f"{path}-{step}", tf.errors.OpError):
            os.makedirs(self._directory, exist_ok=True)
            self._manager.save(checkpoint_number=step)
