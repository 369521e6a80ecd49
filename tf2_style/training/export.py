"""Exports a trained model as a SavedModel (TensorFlow 2 style)."""

import tensorflow as tf

from shared import files
from tf2_style.training.trainer import signature


def export(trainer, flags):
    """Writes a SavedModel that takes the model's inputs and returns its predictions.

    The functions that train hold dropout and gradients. They are not exported: TensorFlow saves
    only the function given as a signature, and the variables that it reads.
    """
    model = trainer.model
    declared = getattr(model, "exported_inputs", model.inputs)

    @tf.function(input_signature=[signature(declared)])
    def predict(inputs):
        outputs, _ = model(keep_prob=None, step=None, training=False, **inputs)
        return model.predictions(outputs)

    with files.replacing_folder(flags.export_dir, tf.errors.OpError) as folder:
        tf.saved_model.save(model, folder, signatures={"serving_default": predict})
