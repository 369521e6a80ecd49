"""A trainer whose batches come from an input pipeline of tf.data (TensorFlow 2 style).

The model has two methods. `examples(folder)` returns a dataset of the examples in IDX files, and
`batches(folder, flags)` one of the batches of all steps. The twin is
tf1_style/training/pipeline.py.
"""

import tempfile

from shared.datasets import write_idx
from tf2_style.training.trainer import Trainer


class PipelineTrainer(Trainer):
    """Draws its batches itself. The loop asks for them in the order of the steps."""

    files = step = None  # the folder of the IDX files; the step of the last batch

    def start(self, step, flags, examples):
        """Starts the pipeline at a step; skips the batches before it."""
        self.files = tempfile.TemporaryDirectory()
        write_idx(self.files.name, examples)
        dataset = self.model.batches(self.files.name, flags).skip(step).prefetch(1)
        self.iterator = dataset.as_numpy_iterator()

    def batch_of_step(self, step, flags, examples):
        """Returns the batch of a step: the last one again, or the next one."""
        if not self.files:
            self.start(step, flags, examples)
        if step != self.step:
            self.step, self.batch = step, next(self.iterator)
        return self.batch

    def batches_of(self, examples):
        """Yields all examples in their order, in batches, to evaluate the model on them."""
        with tempfile.TemporaryDirectory() as folder:
            write_idx(folder, examples)
            dataset = self.model.examples(folder).batch(500)
            yield from dataset.as_numpy_iterator()
