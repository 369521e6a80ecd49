"""Stands for `tf.contrib.estimator`: what tensorflow-estimator has of it."""

import tensorflow.compat.v1 as tf

from tf1_style.run.contrib import names_of

_ESTIMATOR = "tensorflow_estimator.python.estimator"
_places = names_of(
    "tf1_style.run.estimator",
    f"{_ESTIMATOR}.early_stopping",
    f"{_ESTIMATOR}.hooks.hooks",
    f"{_ESTIMATOR}.export.export_lib",
    f"{_ESTIMATOR}.canned.saved_model_estimator",
    call_logit_fn=f"{_ESTIMATOR}.model_fn.call_logit_fn",
    dnn_logit_fn_builder=f"{_ESTIMATOR}.canned.dnn.dnn_logit_fn_builder",
    linear_logit_fn_builder=f"{_ESTIMATOR}.canned.linear.linear_logit_fn_builder",
    multi_class_head="tf1_style.run.estimator.MultiClassHead",
    multi_label_head="tf1_style.run.estimator.MultiLabelHead",
    multi_head="tf1_style.run.estimator.MultiHead",
    binary_classification_head="tf1_style.run.estimator.BinaryClassHead",
    regression_head="tf1_style.run.estimator.RegressionHead",
    poisson_regression_head="tf1_style.run.estimator.PoissonRegressionHead",
    logistic_regression_head="tf1_style.run.estimator.LogisticRegressionHead",
)


def __getattr__(name):
    return _places(name)


def clip_gradients_by_norm(optimizer, clip_norm):
    """Returns the optimizer; it clips the gradients by their common norm before it applies them."""
    apply = optimizer.apply_gradients

    def apply_gradients(grads_and_vars, *arguments, **keywords):
        gradients, variables = zip(*grads_and_vars)
        clipped = tf.clip_by_global_norm(gradients, clip_norm)[0]
        return apply(list(zip(clipped, variables)), *arguments, **keywords)

    optimizer.apply_gradients = apply_gradients
    return optimizer
