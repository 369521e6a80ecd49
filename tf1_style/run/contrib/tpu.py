"""Stands for `tf.contrib.tpu` without a TPU: TPUEstimator with use_tpu=False."""

import inspect

import tensorflow.compat.v1 as tf

from tf1_style.run import estimator, modules
from tf1_style.run.contrib import names_of

__getattr__ = names_of("tensorflow.compat.v1.tpu", "tensorflow.python.tpu.training_loop")
Estimator = estimator.Estimator  # loads tensorflow-estimator, which has the rest

from tensorflow_estimator.python.estimator import model_fn, util
from tensorflow_estimator.python.estimator.tpu.tpu_config import (  # noqa: F401
    InputPipelineConfig,
    RunConfig,
    TPUConfig,
)


class TPUEstimatorSpec(model_fn._TPUEstimatorSpec):
    """Takes a scaffold and a list of tensors for its metrics too."""

    def as_estimator_spec(self):
        metrics = None
        if self.eval_metrics:
            function, tensors = self.eval_metrics
            metrics = function(**tensors) if isinstance(tensors, dict) else function(*tensors)
        return model_fn.EstimatorSpec(
            mode=self.mode,
            predictions=self.predictions,
            loss=self.loss,
            train_op=self.train_op,
            eval_metric_ops=metrics,
            export_outputs=self.export_outputs,
            scaffold=self.scaffold_fn() if self.scaffold_fn else None,
            training_hooks=self.training_hooks,
            evaluation_hooks=self.evaluation_hooks,
            prediction_hooks=self.prediction_hooks,
        )


class TPUEstimator(Estimator):
    """An Estimator that tells its functions the batch's size as `params["batch_size"]`."""

    def __init__(
        self,
        model_fn=None,
        model_dir=None,
        config=None,
        params=None,
        use_tpu=True,
        train_batch_size=None,
        eval_batch_size=None,
        predict_batch_size=None,
        batch_axis=None,
        eval_on_tpu=True,
        export_to_tpu=True,
        warm_start_from=None,
        **rest,
    ):
        if use_tpu:
            raise modules.Gone("tensorflow.contrib.tpu.TPUEstimator with use_tpu=True")
        super().__init__(model_fn, model_dir, config, params, warm_start_from)
        self._batch_sizes = {
            "train": train_batch_size,
            "eval": eval_batch_size,
            "infer": predict_batch_size,
        }

    def _set_batch_size(self, mode):
        if self._batch_sizes[mode] is not None:
            self._params["batch_size"] = self._batch_sizes[mode]

    def _call_input_fn(self, input_fn, mode, input_context=None):
        self._set_batch_size(mode)
        with tf.device("/cpu:0"):
            return self._called(input_fn, mode=mode, params=self.params, config=self.config)

    def _call_model_fn(self, features, labels, mode, config):
        self._set_batch_size(mode)
        given = {"features": features, "labels": labels, "mode": mode, "config": config}
        spec = self._called(self._model_fn, params=self.params, **given)
        return spec.as_estimator_spec() if isinstance(spec, TPUEstimatorSpec) else spec

    @staticmethod
    def _called(function, **given):
        """Calls it with what it takes of the arguments given."""
        kinds = [one.kind for one in inspect.signature(function).parameters.values()]
        taken = given if inspect.Parameter.VAR_KEYWORD in kinds else util.fn_args(function)
        return function(**{key: value for key, value in given.items() if key in taken})
