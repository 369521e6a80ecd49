"""Writes a trained model for others to use (TensorFlow 1 style)."""

import tensorflow.compat.v1 as tf

from shared import files


def export(trainer, values):
    """Writes a SavedModel: images [n, 784] to scores [n, 10], which sum to 1, and classes [n].

    The graph that was trained holds dropout, gradients and slots, so the model is built once more,
    in a graph of its own, and takes over the weights.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, 784], name="images")
        model = type(trainer.model)(values)
        logits, _ = model(images, keep_prob=None, step=None, training=False)
        outputs = {"scores": tf.nn.softmax(logits), "classes": tf.argmax(logits, 1)}
        weights = trainer.values(trainer.weights)
        for variable in tf.global_variables():
            variable.load(weights[variable.op.name], session)
        with files.replacing_folder(values.export_dir, tf.errors.OpError) as folder:
            tf.saved_model.simple_save(session, folder, {"images": images}, outputs)
