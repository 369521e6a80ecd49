"""An input pipeline of tf.data: from IDX files to batches (TensorFlow 2 style).

    python tf2_style/mnist_pipeline.py --dataset=digits
    python tf2_style/mnist_pipeline.py --hidden=200,60 --max_steps=5000 --run_dir=run

A dataset is iterated over like a list. TensorFlow 1's iterators, and the error at the end of their
data, are gone. Without --hidden the model is a softmax regression. The same command with more
--max_steps resumes the run in --run_dir, in either style. It skips the batches of the steps that
are done. Its twin is tf1_style/mnist_pipeline.py.
"""

import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow as tf

from absl.flags import DEFINE_integer, FlagValues

from shared import console
from shared.datasets import Images, idx_files
from shared.flags import (
    define_dataset,
    define_hidden,
    define_learning_rate,
    define_run_dir,
    parse_values,
)
from shared.runs import resume
from shared.trace import Trace
from tf2_style.training.checkpoints import Checkpoints, restore
from tf2_style.training.layers import DenseNet


def decode(image, label):
    """Converts the bytes of one example to float32 [784] in [0, 1] and an int64."""
    image = tf.cast(tf.io.decode_raw(image, tf.uint8), tf.float32) * Images.SCALE
    return image, tf.cast(tf.io.decode_raw(label, tf.uint8), tf.int64)[0]


def pipeline(folder, part):
    """Returns the examples of a part, in file order."""
    images = tf.data.FixedLengthRecordDataset(f"{folder}/{part}_images", 784, header_bytes=16)
    labels = tf.data.FixedLengthRecordDataset(f"{folder}/{part}_labels", 1, header_bytes=8)
    return tf.data.Dataset.zip((images, labels)).map(decode).cache()


def train_and_test(folder, flags):
    """Trains the model, saves it, and prints its test accuracy."""
    path = resume.checkpoint_in(flags.run_dir, flags.max_steps)
    global_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="global_step")
    model = DenseNet(flags.hidden, flags.seed)
    variables = {
        variable.name.split(":")[0]: variable for variable in [global_step, *model.variables]
    }

    @tf.function
    def train_step(images, labels):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model(images))
            )
        weights = model.trainable_variables
        for weight, gradient in zip(weights, tape.gradient(loss, weights)):
            weight.assign_sub(flags.learning_rate * gradient)
        global_step.assign_add(1)
        return loss

    checkpoint = tf.train.Checkpoint(model=model, global_step=global_step)
    state = SimpleNamespace(checkpoint=checkpoint, variables=variables, global_step=global_step)
    first_step = restore(state, path, partial=False) if path else 0
    dataset = pipeline(folder, "train").shuffle(5000, seed=flags.seed).repeat()
    dataset = dataset.batch(flags.batch_size).skip(first_step).prefetch(1)
    trace = Trace(first_step=first_step)
    if not path:
        trace.record(0, None, variables)
    for step, (images, labels) in zip(range(first_step, flags.max_steps), dataset):
        loss = train_step(images, labels)
        if step % 100 == 0:
            print(f"step {step}, training loss {loss:.4f}", flush=True)
        trace.record(step + 1, loss, {**variables, "images": images, "labels": labels})
    trace.save()
    if flags.run_dir:
        Checkpoints(f"{flags.run_dir}/checkpoints/tf2", state, 5).save(flags.max_steps)
    correct = [
        tf.equal(tf.argmax(model(images), 1), labels)
        for images, labels in pipeline(folder, "test").batch(500)
    ]
    print(f"test accuracy {tf.concat(correct, 0).numpy().mean():g}")


def main():
    """Runs the program."""
    with console.one_line_errors(), tempfile.TemporaryDirectory() as folder:
        flags = FlagValues()
        define_dataset(flags)
        DEFINE_integer("max_steps", 1000, "Step limit.", 1, flag_values=flags)
        DEFINE_integer("batch_size", 100, "Examples per step.", 1, flag_values=flags)
        define_learning_rate(flags, 0.5)
        define_hidden(flags, "")
        define_run_dir(flags, "Folder for the checkpoints. Resume a run with the same flags.")
        DEFINE_integer("seed", 0, "Seed of weights and order.", 0, 2**31 - 1, flag_values=flags)
        parse_values(flags, sys.argv, __doc__)
        idx_files(flags, folder)
        train_and_test(folder, flags)


if __name__ == "__main__":
    main()
