"""An input pipeline of tf.data: from IDX files to batches (TensorFlow 2 style).

    python tf2_style/mnist_pipeline.py --dataset=digits
    python tf2_style/mnist_pipeline.py --hidden=200,60 --max_steps=5000 --run_dir=run

The model defines the pipeline. In TensorFlow 2 a dataset is iterated over like a list; the
iterators of TensorFlow 1, and the error at the end of their data, are gone: see
training/pipeline.py. A resumed run skips the batches of the steps that are done. Without --hidden
the model is a softmax regression. The twin is tf1_style/mnist_pipeline.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf

from shared.datasets import CLASSES, PIXELS, Images
from tf2_style.training import main
from tf2_style.training.classifier import Classifier
from tf2_style.training.layers import DenseNet
from tf2_style.training.pipeline import PipelineTrainer


class MnistPipeline(Classifier):
    """Maps flat images to the outputs for ten classes, through layers with ReLU."""

    def __init__(self, flags):
        super().__init__(flags)
        self.net = DenseNet(flags.hidden, flags.seed)

    def __call__(self, images, keep_prob, step, training):
        # No dropout: `keep_prob`, `step` and `training` go unused.
        logits, activations = self.net(images)  # [n, 784] to [n, 10]
        return {"logits": logits}, activations

    def examples(self, folder):
        """Returns the examples of the IDX files in a folder, in their order."""
        images = tf.data.FixedLengthRecordDataset(folder + "/images", PIXELS, header_bytes=16)
        labels = tf.data.FixedLengthRecordDataset(folder + "/labels", 1, header_bytes=8)
        return tf.data.Dataset.zip((images, labels)).map(decode)

    def batches(self, folder, flags):
        """Returns the batches of all steps, without end."""
        dataset = self.examples(folder).cache()
        if flags.batch_order == "shuffled":
            dataset = dataset.shuffle(5000, seed=flags.seed)  # another order in each epoch
        if flags.last_batch == "short":
            return dataset.batch(flags.batch_size).repeat()
        return dataset.repeat().batch(flags.batch_size)  # a batch may span two epochs


def decode(image, label):
    """Converts the bytes of an example to float32 [784] in [0, 1] and a one-hot float32 [10]."""
    image = tf.cast(tf.io.decode_raw(image, tf.uint8), tf.float32) * Images.SCALE
    label = tf.io.decode_raw(label, tf.uint8)[0]
    return {"images": image, "labels": tf.one_hot(label, CLASSES)}


if __name__ == "__main__":
    main(
        MnistPipeline,
        __doc__,
        Trainer=PipelineTrainer,
        max_steps=1000,
        batch_size=100,
        optimizer="sgd",
        learning_rate=0.5,
        hidden="",
        validation_size=0,
        summary_every=100,
    )
