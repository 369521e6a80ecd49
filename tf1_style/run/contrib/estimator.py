"""Stands for `tf.contrib.estimator`: what tensorflow-estimator has of it."""

import tensorflow.compat.v1 as tf

from tf1_style.run import estimator
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
)
_HEADS = {
    "multi_class_head": "MultiClassHead",
    "multi_label_head": "MultiLabelHead",
    "multi_head": "MultiHead",
    "binary_classification_head": "BinaryClassHead",
    "regression_head": "RegressionHead",
    "poisson_regression_head": "PoissonRegressionHead",
    "logistic_regression_head": "LogisticRegressionHead",
}


def __getattr__(name):
    if name not in _HEADS:
        return _places(name)
    return lambda *arguments, **keywords: _head(_HEADS[name], *arguments, **keywords)


def _head(symbol, *arguments, **keywords):
    """Makes a head of `tf.estimator` that takes an optimizer of `tf.train`."""
    head = getattr(estimator, symbol)(*arguments, **keywords)
    make = head.create_estimator_spec

    def create_estimator_spec(
        features,
        mode,
        logits,
        labels=None,
        optimizer=None,
        train_op_fn=None,
        regularization_losses=None,
    ):
        def train(loss):
            return optimizer.minimize(loss, tf.train.get_global_step())

        return make(
            features,
            mode,
            logits,
            labels,
            train_op_fn=train_op_fn if optimizer is None else train,
            update_ops=tf.get_collection(tf.GraphKeys.UPDATE_OPS),
            regularization_losses=regularization_losses,
        )

    head.create_estimator_spec = create_estimator_spec
    return head


def clip_gradients_by_norm(optimizer, clip_norm):
    """Returns the optimizer; it clips the gradients by their common norm before it applies them."""
    apply = optimizer.apply_gradients

    def apply_gradients(grads_and_vars, *arguments, **keywords):
        gradients, variables = zip(*grads_and_vars)
        clipped = tf.clip_by_global_norm(gradients, clip_norm)[0]
        return apply(list(zip(clipped, variables)), *arguments, **keywords)

    optimizer.apply_gradients = apply_gradients
    return optimizer
