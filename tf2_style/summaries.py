"""Writes what TensorBoard shows of a run (TensorFlow 2 style)."""

import tensorflow as tf

from shared import files


class Summaries:
    """The summaries of one run, in one folder; none where `directory` is None.

    There are no summary operations to merge and run: a summary is a call, outside `tf.function`.
    """

    def __init__(self, directory, trainer):
        self._directory = directory
        self._writer = None
        if directory:
            with files.writing(directory, tf.errors.OpError):
                self._writer = tf.summary.create_file_writer(directory)
                with self._writer.as_default():
                    tf.summary.graph(trainer.train_step.get_concrete_function().graph)

    def scalars(self, step, values):
        """Writes a dict of numbers as they are at `step`."""
        if not self._writer:
            return
        with files.writing(self._directory, tf.errors.OpError), self._writer.as_default(step=step):
            for tag, value in values.items():
                tf.summary.scalar(tag, value)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self._writer:
            with files.writing(self._directory, tf.errors.OpError):
                self._writer.close()
