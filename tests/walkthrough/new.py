"""Tells the direction of stripes: old.py in TensorFlow 2."""

import itertools
import os

import stripes
import tensorflow as tf
from absl import app, flags

flags.DEFINE_string("logdir", "new_logs", "Where summaries and checkpoints go.")
flags.DEFINE_string("checkpoint", "", "Start from this checkpoint.")
flags.DEFINE_integer("max_steps", 200, "How many steps to train.")
flags.DEFINE_integer("batch_size", 32, "Pictures in a batch.")
flags.DEFINE_float("learning_rate", 0.02, "Learning rate at the start.")
flags.DEFINE_float("keep_prob", 0.8, "Part of the units that dropout keeps.")
FLAGS = flags.FLAGS
IMAGES = tf.TensorSpec([None, stripes.SIZE, stripes.SIZE, 1], tf.float32, "images")
LABELS = tf.TensorSpec([None], tf.int64, "labels")


def weights(name, shape):
    return tf.Variable(tf.keras.initializers.GlorotUniform()(shape), name=name)


class ConvNorm(tf.Module):
    """A convolution 3x3, batch norm, ReLU and max pooling."""

    def __init__(self, scope, inputs, filters):
        super().__init__(name=scope)
        with self.name_scope:
            self.kernel = weights("conv2d/kernel", [3, 3, inputs, filters])
            self.gamma = tf.Variable(tf.ones([filters]), name="batch_normalization/gamma")
            self.beta = tf.Variable(tf.zeros([filters]), name="batch_normalization/beta")
            self.mean = tf.Variable(
                tf.zeros([filters]), name="batch_normalization/moving_mean", trainable=False
            )
            self.variance = tf.Variable(
                tf.ones([filters]), name="batch_normalization/moving_variance", trainable=False
            )

    @tf.Module.with_name_scope
    def __call__(self, h, training):
        h = tf.nn.conv2d(h, self.kernel, strides=1, padding="SAME")
        h, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=h,
            scale=self.gamma,
            offset=self.beta,
            mean=self.mean,
            variance=self.variance,
            epsilon=1e-3,
            is_training=training,
        )
        if training:
            for average, value in ((self.mean, mean), (self.variance, variance)):
                average.assign_sub((average - value) * (1 - 0.9))
        return tf.nn.max_pool(tf.nn.relu(h), 2, 2, "VALID")


class Model(tf.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = ConvNorm("conv1", 1, 8), ConvNorm("conv2", 8, 16)
        with tf.name_scope("fc"):
            self.dense = weights("dense/kernel", [144, 32])
            self.dense_bias = tf.Variable(tf.zeros([32]), name="dense/bias")
            self.logits = weights("logits/kernel", [32, len(stripes.CLASSES)])
            self.logits_bias = tf.Variable(tf.zeros([len(stripes.CLASSES)]), name="logits/bias")

    def __call__(self, images, keep_prob, training):
        h = self.conv2(self.conv1(images, training), training)
        with tf.name_scope("fc"):
            h = tf.reshape(h, [-1, 144])
            h = tf.nn.relu(tf.matmul(h, self.dense) + self.dense_bias)
            if training:
                h = tf.nn.dropout(h, rate=1 - keep_prob)
            return tf.matmul(h, self.logits) + self.logits_bias


class Momentum(tf.Module):
    """tf.train.MomentumOptimizer: the rate is not part of the accumulation."""

    def __init__(self, variables):
        super().__init__()
        self.variables_ = variables
        self.slots = [
            tf.Variable(tf.zeros_like(v), trainable=False, name=f"{v.name[:-2]}/Momentum")
            for v in variables
        ]

    @tf.Module.with_name_scope
    def apply(self, gradients, learning_rate):
        for variable, slot, gradient in zip(self.variables_, self.slots, gradients):
            tf.raw_ops.ResourceApplyMomentum(
                var=variable.handle,
                accum=slot.handle,
                lr=learning_rate,
                grad=gradient,
                momentum=0.9,
            )


class Trainer(tf.Module):
    def __init__(self):
        super().__init__()
        self.model = Model()
        self.optimizer = Momentum(self.model.trainable_variables)
        self.global_step = tf.Variable(0, trainable=False, dtype=tf.int64, name="global_step")

    def learning_rate(self):
        with tf.name_scope("learning_rate"):
            stair = tf.floor(tf.cast(self.global_step, tf.float32) / 50)
            return FLAGS.learning_rate * tf.pow(0.5, stair)

    @tf.function(input_signature=[IMAGES, LABELS])
    def train_step(self, images, labels):
        with tf.GradientTape() as tape:
            logits = self.model(images, FLAGS.keep_prob, training=True)
            with tf.name_scope("loss"):
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
                loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, self.model.trainable_variables)
        learning_rate = self.learning_rate()
        self.optimizer.apply(gradients, learning_rate)
        self.global_step.assign_add(1)
        return loss, learning_rate

    @tf.function(input_signature=[IMAGES, LABELS])
    def accuracy(self, images, labels):
        logits = self.model(images, keep_prob=1.0, training=False)
        return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, axis=1), labels), tf.float32))


def main(_):
    tf.keras.utils.set_random_seed(0)
    train, test = stripes.load(2000, seed=1), stripes.load(500, seed=2)
    trainer = Trainer()
    checkpoint = tf.train.Checkpoint(trainer=trainer)
    manager = tf.train.CheckpointManager(checkpoint, FLAGS.logdir, max_to_keep=5)
    if FLAGS.checkpoint:
        checkpoint.restore(FLAGS.checkpoint).assert_consumed()
    else:
        print("at the start", checkpoint.save(os.path.join(FLAGS.logdir, "start")))

    with tf.summary.create_file_writer(FLAGS.logdir).as_default():
        tf.summary.graph(trainer.train_step.get_concrete_function().graph)
        start = int(trainer.global_step)
        batches = stripes.batches(train[0], train[1], FLAGS.batch_size, seed=3)
        batches = itertools.islice(batches, start, None)  # without those of the steps before
        for step in range(start + 1, FLAGS.max_steps + 1):
            loss, learning_rate = trainer.train_step(*next(batches))
            if step % 50 == 0:
                print(f"step {step}, loss {loss:.4f}")
                tf.summary.scalar("loss", loss, step=step)
                tf.summary.scalar("learning_rate", learning_rate, step=step)
    print(f"test accuracy {trainer.accuracy(*test):.3f}")
    print("saved", manager.save(trainer.global_step))


if __name__ == "__main__":
    app.run(main)
