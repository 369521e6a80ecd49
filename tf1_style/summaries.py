"""Writes what TensorBoard shows of a run (TensorFlow 1 style)."""

import tensorflow.compat.v1 as tf

from shared import files


class Summaries:
    """The summaries of one run, in one folder; none where `directory` is None.

    Where old code makes `tf.summary.scalar` operations and runs `tf.summary.merge_all()`, this
    writes numbers that the loop already has.
    """

    def __init__(self, directory, trainer):
        self._directory = directory
        self._writer = None
        if directory:
            with files.writing(directory, tf.errors.OpError):
                self._writer = tf.summary.FileWriter(directory, trainer.session.graph)

    def scalars(self, step, values):
        """Writes a dict of numbers as they are at `step`."""
        if not self._writer:
            return
        summary = tf.Summary()
        for tag, value in values.items():
            summary.value.add(tag=tag, simple_value=value)
        with files.writing(self._directory, RuntimeError):
            self._writer.add_summary(summary, step)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self._writer:
            with files.writing(self._directory, RuntimeError):
                self._writer.close()
