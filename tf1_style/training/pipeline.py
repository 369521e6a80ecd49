"""A trainer whose batches come from an input pipeline of tf.data (TensorFlow 1 style).

The model has two methods. `examples(folder)` returns a dataset of the examples in IDX files, and
`batches(folder, flags)` one of the batches of all steps. The twin is
tf2_style/training/pipeline.py.
"""

import tempfile

import tensorflow.compat.v1 as tf

from shared.datasets import write_idx
from tf1_style.training.trainer import Trainer


class PipelineTrainer(Trainer):
    """Draws its batches itself. The loop asks for them in the order of the steps."""

    files = step = None  # the folder of the IDX files; the step of the last batch

    def __init__(self, model_class, flags):
        super().__init__(model_class, flags)
        # Unlike a one-shot iterator, this one takes values that are known only when it starts.
        self.folder = tf.placeholder(tf.string, [], name="folder")
        self.done = tf.placeholder(tf.int64, [], name="done")
        dataset = self.model.batches(self.folder, flags).skip(self.done).prefetch(1)
        self.iterator = tf.data.make_initializable_iterator(dataset)
        self.next_batch = self.iterator.get_next()

    def start(self, step, flags, examples):
        """Starts the pipeline at a step; skips the batches before it."""
        self.files = tempfile.TemporaryDirectory()
        write_idx(self.files.name, examples)
        feed_dict = {self.folder: self.files.name, self.done: step}
        self.session.run(self.iterator.initializer, feed_dict)

    def batch_of_step(self, step, flags, examples):
        """Returns the batch of a step: the last one again, or the next one."""
        if not self.files:
            self.start(step, flags, examples)
        if step != self.step:
            self.step, self.batch = step, self.session.run(self.next_batch)
        return self.batch

    def batches_of(self, examples):
        """Yields all examples in their order, in batches, to evaluate the model on them."""
        with tempfile.TemporaryDirectory() as folder:
            write_idx(folder, examples)
            dataset = self.model.examples(folder).batch(500)
            # A one-shot iterator cannot start again. Each call adds a new one to the graph.
            batch = tf.data.make_one_shot_iterator(dataset).get_next()
            try:
                while True:
                    yield self.session.run(batch)
            except tf.errors.OutOfRangeError:  # the end of the data
                pass
