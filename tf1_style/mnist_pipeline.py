"""An input pipeline of tf.data: from IDX files to batches (TensorFlow 1 style).

    python tf1_style/mnist_pipeline.py --dataset=digits
    python tf1_style/mnist_pipeline.py --hidden=200,60 --max_steps=5000 --run_dir=run

TensorFlow 1 has initializable iterators, here for training, and one-shot iterators, here for the
test. Both give tensors of the graph, so the steps need no feed_dict. Without --hidden the model is
a softmax regression. The same command with more --max_steps resumes the run in --run_dir, in either
style. It skips the batches of the steps that are done. Its twin is tf2_style/mnist_pipeline.py.
"""

import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.console import quiet_import

with quiet_import():
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()

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
from tf1_style.training.checkpoints import Checkpoints, restore
from tf1_style.training.layers import DenseNet


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
    global_step = tf.train.create_global_step()
    model = DenseNet(flags.hidden, flags.seed)
    variables = {variable.op.name: variable for variable in tf.global_variables()}
    done = tf.placeholder(tf.int64, [], name="done")
    dataset = pipeline(folder, "train").shuffle(5000, seed=flags.seed).repeat()
    dataset = dataset.batch(flags.batch_size).skip(done).prefetch(1)
    iterator = tf.data.make_initializable_iterator(dataset)
    images, labels = iterator.get_next()
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model(images))
    )
    train_op = tf.train.GradientDescentOptimizer(flags.learning_rate).minimize(loss, global_step)
    test = tf.data.make_one_shot_iterator(pipeline(folder, "test").batch(500)).get_next()
    correct = tf.equal(tf.argmax(model(test[0]), 1), test[1])

    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        state = SimpleNamespace(session=session, variables=variables, global_step=global_step)
        first_step = restore(state, path, partial=False) if path else 0
        session.run(iterator.initializer, feed_dict={done: first_step})
        trace = Trace(first_step=first_step)
        if not path and trace.is_due(0):
            trace.record(0, None, session.run(variables))
        for step in range(first_step, flags.max_steps):
            # Each run of the session takes the next batch.
            batch = {"images": images, "labels": labels}
            _, loss_before, drawn = session.run([train_op, loss, batch])
            if step % 100 == 0:
                print(f"step {step}, training loss {loss_before:.4f}", flush=True)
            if trace.is_due(step + 1):
                trace.record(step + 1, loss_before, {**session.run(variables), **drawn})
        trace.save()
        if flags.run_dir:
            Checkpoints(f"{flags.run_dir}/checkpoints/tf1", state, 5).save(flags.max_steps)
        parts = []
        try:
            while True:
                parts.append(session.run(correct))
        except tf.errors.OutOfRangeError:  # the end of the data
            pass
    print(f"test accuracy {sum(map(sum, parts)) / sum(map(len, parts)):g}")


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
