"""Exports a trained model as a SavedModel (TensorFlow 1 style)."""

import tensorflow.compat.v1 as tf

from shared import files


def export(trainer, flags):
    """Writes a SavedModel that takes the model's inputs and returns its predictions.

    The trained graph holds dropout, gradients and slots. So this builds the model again in a new
    graph, and loads the weights into it.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        model_class = type(trainer.model)
        declared = getattr(model_class, "exported_inputs", model_class.inputs)
        inputs = {
            name: tf.placeholder(dtype, shape, name=name)
            for name, (shape, dtype) in declared.items()
        }
        model = model_class(flags)
        outputs, _ = model(keep_prob=None, step=None, training=False, **inputs)
        predictions = model.predictions(outputs)
        weights = trainer.values(trainer.weights)
        for variable in tf.global_variables():
            variable.load(weights[variable.op.name], session)
        with files.replacing_folder(flags.export_dir, tf.errors.OpError) as folder:
            tf.saved_model.simple_save(session, folder, inputs, predictions)
