"""Writes a trained model for others to use (TensorFlow 2 style)."""

import tensorflow as tf

from shared import files


def export(trainer, values):
    """Writes a SavedModel: images [n, 784] to scores [n, 10], which sum to 1, and classes [n].

    What the functions that were trained with hold of dropout and gradients stays behind: only the
    function that is a signature goes along, and the variables that it reads.
    """

    @tf.function(input_signature=[tf.TensorSpec([None, 784], tf.float32, name="images")])
    def predict(images):
        logits, _ = trainer.model(images, keep_prob=None, step=None, training=False)
        return {"scores": tf.nn.softmax(logits), "classes": tf.argmax(logits, 1)}

    with files.replacing_folder(values.export_dir, tf.errors.OpError) as folder:
        tf.saved_model.save(trainer.model, folder, signatures={"serving_default": predict})
