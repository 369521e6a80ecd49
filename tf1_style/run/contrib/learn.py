"""Stands for `tf.contrib.learn`: its Estimators on those of `tf.estimator`, data sets, texts."""

import collections
import os
import sys
import time
from unittest import mock

import numpy as np
import tensorflow.compat.v1 as tf

from tf1_style.run import estimator, modules
from tf1_style.run.contrib import learn_datasets as datasets  # noqa: F401
from tf1_style.run.contrib import learn_io, learn_monitors, learn_utils
from tf1_style.run.contrib import learn_preprocessing as preprocessing  # noqa: F401

io, monitors, utils = learn_io, learn_monitors, learn_utils
ExportStrategy = utils.ExportStrategy
InputFnOps = utils.InputFnOps
build_parsing_serving_input_fn = utils.build_parsing_serving_input_fn
make_export_strategy = utils.make_export_strategy
learn_runner = run_config = sys.modules[__name__]  # files of 1.15's package
NanLossDuringTrainingError = tf.train.NanLossDuringTrainingError


class ModeKeys:
    TRAIN = "train"
    EVAL = "eval"
    INFER = "infer"

    @classmethod
    def validate(cls, key):
        if key not in (cls.TRAIN, cls.EVAL, cls.INFER):
            raise ValueError(f"Invalid mode {key}.")


class MetricSpec(
    collections.namedtuple("MetricSpec", "metric_fn prediction_key label_key weight_key")
):
    """A metric, and which prediction, label and weight it is of."""

    def __new__(cls, metric_fn, prediction_key=None, label_key=None, weight_key=None):
        return super().__new__(cls, metric_fn, prediction_key, label_key, weight_key)

    def create_metric_ops(self, inputs, labels, predictions):
        def part(values, key):
            return values[key] if isinstance(values, dict) and key is not None else values

        keywords = {} if self.weight_key is None else {"weights": inputs[self.weight_key]}
        return self.metric_fn(
            predictions=part(predictions, self.prediction_key),
            labels=part(labels, self.label_key),
            **keywords,
        )


class ModelFnOps(
    collections.namedtuple(
        "ModelFnOps",
        "mode predictions loss train_op eval_metric_ops output_alternatives training_chief_hooks "
        "training_hooks scaffold",
    )
):
    """What a model function returns."""

    def __new__(
        cls,
        mode,
        predictions=None,
        loss=None,
        train_op=None,
        eval_metric_ops=None,
        output_alternatives=None,
        training_chief_hooks=None,
        training_hooks=None,
        scaffold=None,
        **rest,
    ):
        made = (mode, predictions, loss, train_op, eval_metric_ops, output_alternatives)
        return super().__new__(cls, *made, training_chief_hooks, training_hooks, scaffold)


class RunConfig:
    """Makes a `tf.estimator.RunConfig` of the arguments that one knows."""

    def __new__(cls, *arguments, **keywords):
        known = set(estimator.RunConfig().__init__.__code__.co_varnames)
        fraction = keywords.pop("gpu_memory_fraction", None)
        if fraction is not None and keywords.get("session_config") is None:
            options = tf.GPUOptions(per_process_gpu_memory_fraction=fraction)
            keywords["session_config"] = tf.ConfigProto(gpu_options=options)
        return estimator.RunConfig(**{key: keywords[key] for key in keywords if key in known})


def _input_fn(x, y, batch_size, shuffle, epochs):
    """Returns an input function of arrays, of float32 where they are float64."""

    def usual(values):
        if isinstance(values, dict):
            return {key: usual(value) for key, value in values.items()}
        array = np.asarray(values)
        return array.astype(np.float32) if array.dtype == np.float64 else array

    def input_fn():
        arrays = usual(x) if y is None else (usual(x), usual(y))
        count = len(tf.nest.flatten(arrays)[0])
        dataset = tf.data.Dataset.from_tensor_slices(arrays)
        if shuffle:
            dataset = dataset.shuffle(count)
        dataset = dataset.batch(batch_size or count).repeat(epochs)
        got = tf.data.make_one_shot_iterator(dataset).get_next()
        return (got, None) if y is None else got

    return input_fn


class Estimator:
    """An Estimator with `fit`, and with arrays for its functions' input."""

    def __init__(
        self,
        model_fn=None,
        model_dir=None,
        config=None,
        params=None,
        feature_engineering_fn=None,
    ):
        self._model_fn = model_fn
        self._engineer = feature_engineering_fn
        self._metrics = None
        self._labels = None
        self.params = params
        self._estimator = estimator.Estimator(self._spec, model_dir, config, params)

    def _spec(self, features, labels, mode, params, config):
        from tensorflow.python.util import function_utils

        labels = self._placeholders(labels)
        if self._engineer is not None:
            features, labels = self._engineer(features, labels)
        params = params if self.params is None else self.params
        given = {"mode": mode, "params": params, "config": config, "model_dir": self.model_dir}
        taken = function_utils.fn_args(self._model_fn)
        keywords = {key: value for key, value in given.items() if key in taken}
        ops = self._model_fn(features, labels, **keywords)
        if not isinstance(ops, ModelFnOps):
            if isinstance(ops, estimator.EstimatorSpec):
                return ops
            ops = ModelFnOps(mode, *ops)
        metrics = dict(ops.eval_metric_ops or {})
        for name, metric in (self._metrics or {}).items():
            if isinstance(metric, MetricSpec):
                metrics[name] = metric.create_metric_ops(features, labels, ops.predictions)
            else:
                metrics[name] = metric(ops.predictions, labels)
        return estimator.EstimatorSpec(
            mode,
            predictions=ops.predictions,
            loss=ops.loss,
            train_op=ops.train_op,
            eval_metric_ops=metrics,
            export_outputs=_exported(ops.predictions) if mode == ModeKeys.INFER else None,
            training_chief_hooks=ops.training_chief_hooks,
            training_hooks=ops.training_hooks,
            scaffold=ops.scaffold,
        )

    def _placeholders(self, labels):
        """Returns placeholders for labels that a prediction has not: model functions name them."""
        if labels is not None:
            kind = lambda tensor: (tensor.dtype, [None, *tensor.shape[1:]])
            named = isinstance(labels, dict)
            self._labels = {k: kind(v) for k, v in labels.items()} if named else kind(labels)
        elif self._labels is not None:
            one = not isinstance(self._labels, dict)
            kinds = {"": self._labels} if one else self._labels
            labels = {key: tf.placeholder(*kind) for key, kind in kinds.items()}
            return labels[""] if one else labels
        return labels

    def fit(
        self,
        x=None,
        y=None,
        input_fn=None,
        steps=None,
        batch_size=None,
        monitors=None,
        max_steps=None,
    ):
        input_fn = input_fn or _input_fn(x, y, batch_size, True, None)
        hooks = learn_monitors.replace_monitors_with_hooks(monitors, self)
        self._estimator.train(input_fn, hooks=hooks, steps=steps, max_steps=max_steps)
        return self

    partial_fit = fit

    def evaluate(
        self,
        x=None,
        y=None,
        input_fn=None,
        feed_fn=None,
        batch_size=None,
        steps=None,
        metrics=None,
        name=None,
        checkpoint_path=None,
        hooks=None,
        log_progress=True,
    ):
        input_fn = input_fn or _input_fn(x, y, batch_size, False, 1)
        self._metrics = metrics
        try:
            return self._estimator.evaluate(input_fn, steps, hooks, checkpoint_path, name)
        finally:
            self._metrics = None

    def predict(
        self,
        x=None,
        input_fn=None,
        batch_size=None,
        outputs=None,
        as_iterable=True,
        iterate_batches=False,
    ):
        input_fn = input_fn or _input_fn(x, None, batch_size, False, 1)
        found = self._estimator.predict(
            input_fn, outputs, yield_single_examples=not iterate_batches
        )
        if as_iterable:
            return found
        found = list(found)
        if isinstance(found[0], dict):
            return {key: np.stack([one[key] for one in found]) for key in found[0]}
        return np.stack(found)

    def arrays(self, x, batch_size, outputs):
        """Returns what a model predicts of all rows, under contrib's names."""
        return self.predict(x, batch_size=batch_size, outputs=outputs, as_iterable=False)

    def export_savedmodel(
        self,
        export_dir_base,
        serving_input_fn,
        default_output_alternative_key=None,
        assets_extra=None,
        as_text=False,
        checkpoint_path=None,
        **rest,
    ):
        return self._estimator.export_saved_model(
            export_dir_base,
            utils.receiver_of(serving_input_fn),
            assets_extra,
            as_text,
            checkpoint_path,
        )

    def get_params(self, deep=True):
        return {"params": self.params}

    def set_params(self, **params):
        for key, value in params.items():
            if key not in self.get_params():
                raise ValueError(f"Invalid parameter {key} for estimator {type(self).__name__}.")
            setattr(self, key, value)
        return self

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._estimator, name)


def _exported(predictions):
    outputs = predictions if isinstance(predictions, dict) else {"output": predictions}
    return {"serving_default": estimator.export.PredictOutput(outputs)}


class SKCompat:
    """An Estimator with the methods of scikit-learn: arrays in, arrays out."""

    def __init__(self, estimator):
        self._estimator = estimator

    def fit(self, x, y, batch_size=128, steps=None, max_steps=None, monitors=None):
        self._estimator.fit(
            x, y, batch_size=batch_size, steps=steps, max_steps=max_steps, monitors=monitors
        )
        return self

    def score(self, x, y, batch_size=128, steps=None, metrics=None, name=None):
        return self._estimator.evaluate(
            x, y, batch_size=batch_size, steps=steps, metrics=metrics, name=name
        )

    def predict(self, x, batch_size=128, outputs=None):
        """Returns a dict of arrays, or the array of a model function that predicts one."""
        return self._estimator.arrays(x, batch_size, outputs)


class Experiment:
    """An Estimator with the data to train and to evaluate it."""

    def __init__(
        self,
        estimator,
        train_input_fn,
        eval_input_fn,
        eval_metrics=None,
        train_steps=None,
        eval_steps=100,
        train_monitors=None,
        eval_hooks=None,
        local_eval_frequency=None,
        eval_delay_secs=120,
        continuous_eval_throttle_secs=60,
        min_eval_frequency=None,
        delay_workers_by_global_step=False,
        export_strategies=None,
        train_steps_per_iteration=None,
        **rest,
    ):
        self.estimator = estimator
        self._hooks = {"train": train_monitors, "eval": eval_hooks}
        self._delays = (eval_delay_secs, continuous_eval_throttle_secs)
        self._turn = train_steps_per_iteration
        one = isinstance(export_strategies, utils.ExportStrategy)
        self._exports = [export_strategies] if one else list(export_strategies or ())
        self._inputs = {"train": train_input_fn, "eval": eval_input_fn}
        self._metrics = {} if eval_metrics is None else {"metrics": eval_metrics}
        self._steps = {"train": train_steps, "eval": eval_steps}

    def train(self, delay_secs=None):
        return self._train(max_steps=self.train_steps)

    def _train(self, **steps):
        train, name = getattr(self.estimator, "fit", None), "monitors"
        if train is None:
            train, name = self.estimator.train, "hooks"
        hooks = monitors.replace_monitors_with_hooks(self._hooks["train"], self.estimator)
        return train(input_fn=self._inputs["train"], **{name: hooks}, **steps)

    def evaluate(self, delay_secs=None, name=None):
        return self._evaluate("eval", name=name)

    def _evaluate(self, data, **keywords):
        keywords = {"steps": self.eval_steps, **self._metrics, **keywords}
        hooks = self._hooks["eval"]
        return self.estimator.evaluate(input_fn=self._inputs[data], hooks=hooks, **keywords)

    def _export(self, found, checkpoint=None):
        folder = os.path.join(self.estimator.model_dir, "export")
        return [
            strategy.export(self.estimator, os.path.join(folder, strategy.name), checkpoint, found)
            for strategy in self._exports
        ]

    def _latest(self):
        return tf.train.latest_checkpoint(self.estimator.model_dir)

    def _is_trained(self, found):
        step = (found or {}).get("global_step")
        return bool(step and self.train_steps and step >= self.train_steps)

    eval_metrics = property(lambda self: self._metrics.get("metrics"))
    train_steps = property(lambda self: self._steps["train"])
    eval_steps = property(lambda self: self._steps["eval"])

    def extend_train_hooks(self, additional_hooks):
        self._hooks["train"] = [*(self._hooks["train"] or ()), *additional_hooks]

    def continuous_train_and_eval(self, continuous_eval_predicate_fn=None):
        """Trains and evaluates in turns until all steps are done or the predicate is false."""
        goes_on = _predicate(continuous_eval_predicate_fn)
        turn = 1000 if self.train_steps is None else int(self.train_steps / 10)
        found = exports = path = None
        while goes_on(found, path if found else None) and not self._is_trained(found):
            self._train(steps=turn if self._turn is None else self._turn)
            path = self._latest()
            found = self._evaluate("eval", name="one_pass", checkpoint_path=path)
            exports = self._export(found)
        return found, exports

    def continuous_eval(
        self,
        delay_secs=None,
        throttle_delay_secs=None,
        evaluate_checkpoint_only_once=True,
        continuous_eval_predicate_fn=None,
        name="continuous",
    ):
        """Evaluates each new checkpoint until all steps are done or the predicate is false."""
        once = evaluate_checkpoint_only_once
        delays = (delay_secs, throttle_delay_secs)
        self._watch("eval", name, delays, continuous_eval_predicate_fn, once)

    def continuous_eval_on_train_data(
        self,
        delay_secs=None,
        throttle_delay_secs=None,
        continuous_eval_predicate_fn=None,
        name="continuous_on_train_data",
    ):
        delays = (delay_secs, throttle_delay_secs)
        self._watch("train", name, delays, continuous_eval_predicate_fn, True)

    def _watch(self, data, name, delays, predicate, once):
        goes_on = _predicate(predicate)
        delay, pause = (own if given is None else given for given, own in zip(delays, self._delays))
        time.sleep(delay or 0)
        found = seen = None
        while goes_on(found, seen) and not self._is_trained(found):
            start, path = time.time(), self._latest()
            if path is None or (once and path == seen):
                found = {}
            else:
                found = self._evaluate(data, name=name, checkpoint_path=path) or {}
                if data == "eval":
                    self._export(found, path)
                seen = path
            time.sleep(max(0, start + pause - time.time()))

    def local_run(self):
        return self.train_and_evaluate()

    def test(self):
        """Trains and evaluates for a step each; returns the evaluation."""
        self._train(steps=1)
        found = self._evaluate("eval", steps=1, name="one_pass")
        self._export(found)
        return found

    def train_and_evaluate(self):
        self.train()
        found = self.evaluate()
        return found, self._export(found)


def _predicate(function):
    """Returns a function of an evaluation and its checkpoint: whether to go on."""
    from tensorflow.python.util import function_utils

    if function is None:
        return lambda found, path: True
    if not callable(function):
        raise ValueError(  # noqa: TRY004 (as contrib does)
            "`continuous_eval_predicate_fn` must be a callable, or None."
        )
    if "checkpoint_path" in function_utils.fn_args(function):
        return lambda found, path: function(found, checkpoint_path=path)
    return lambda found, path: function(found)


def run(experiment_fn, output_dir=None, schedule=None, run_config=None, hparams=None):
    """1.15's `learn_runner.run`: runs an Experiment's method, by default train_and_evaluate."""
    given = output_dir if run_config is None else run_config
    experiment = experiment_fn(given) if hparams is None else experiment_fn(given, hparams)
    return getattr(experiment, schedule or "train_and_evaluate")()


def _canned(name):
    """Makes one of `tf.estimator`'s models take arrays, and the mean of the loss as contrib did."""

    class Canned(Estimator):
        def __init__(self, *arguments, **keywords):
            self._metrics = None
            norm = keywords.pop("gradient_clip_norm", None)
            keywords = _keywords(name, keywords)
            keywords["loss_reduction"] = tf.losses.Reduction.SUM_OVER_BATCH_SIZE
            self._estimator = getattr(estimator, name)(*arguments, **keywords)
            if norm:
                self._estimator._model_fn = _clipping(self._estimator._model_fn, norm)

        def fit(self, x=None, y=None, **keywords):
            return super().fit(_named(x), y, **keywords)

        def evaluate(self, x=None, y=None, **keywords):
            return super().evaluate(_named(x), y, **keywords)

        def predict(self, x=None, **keywords):
            """Yields classes, or a regression's values."""
            return self._each(x, ("class_ids", "predictions"), keywords)

        def predict_proba(self, x=None, **keywords):
            return self._each(x, ("probabilities",), keywords)

        def arrays(self, x, batch_size, outputs):
            found = super().predict(_named(x), batch_size=batch_size, as_iterable=False)
            found = {new: found[old] for new, old in _PREDICTIONS.items() if old in found}
            for key in {"classes", "scores"}.intersection(found):
                found[key] = np.squeeze(found[key], 1) if found[key].shape[1] == 1 else found[key]
            return found if outputs is None else {key: found[key] for key in outputs}

        def _each(self, x, keys, keywords):
            keywords.pop("outputs", None)
            as_iterable = keywords.pop("as_iterable", True)
            found = Estimator.predict(self, _named(x), **keywords)
            values = (next(one[key] for key in keys if key in one) for one in found)
            values = (value[0] if len(value) == 1 else value for value in values)
            return values if as_iterable else np.array(list(values))

        predict_classes = predict_scores = predict

    Canned.__name__ = name
    return Canned


# contrib's name of a prediction -> that of `tf.estimator`.
_PREDICTIONS = {
    "classes": "class_ids",
    "scores": "predictions",
    **{name: name for name in ("logistic", "logits", "probabilities")},
}
_RENAMED = {"weight_column_name": "weight_column", "label_keys": "label_vocabulary"}
_WITHOUT_EFFECT = ("fix_global_step_increment_bug", "input_layer_min_slice_size")
_GONE = (
    "_joint_linear_weights _joint_weight _joint_weights embedding_lr_multipliers "
    "enable_centered_bias feature_engineering_fn"
).split()


def _keywords(name, keywords):
    """Returns the arguments of `tf.estimator`'s model for those of contrib's; None is a default."""
    for argument in _GONE:
        if keywords.pop(argument, None):
            raise modules.Gone(f"tf.contrib.learn.{name}({argument}=...)")
    return {
        _RENAMED.get(key, key): value
        for key, value in keywords.items()
        if value is not None and key not in _WITHOUT_EFFECT
    }


def _clipping(model_fn, norm):
    """Makes each optimizer of a model clip its gradients, all together, to a norm."""
    apply_gradients = tf.train.Optimizer.apply_gradients

    def clipped(self, grads_and_vars, *arguments, **keywords):
        gradients, variables = zip(*grads_and_vars)
        pairs = zip(tf.clip_by_global_norm(gradients, norm)[0], variables)
        return apply_gradients(self, list(pairs), *arguments, **keywords)

    def clipping_model_fn(features, labels, mode, config):
        with mock.patch.object(tf.train.Optimizer, "apply_gradients", clipped):
            return model_fn(features, labels, mode, config)

    return clipping_model_fn


def _named(x):
    """An array is the feature "x", as `real_valued_column("")` names it."""
    return x if x is None or isinstance(x, dict) else {"x": x}


_CANNED = (
    "DNNClassifier",
    "DNNRegressor",
    "LinearClassifier",
    "LinearRegressor",
    "DNNLinearCombinedClassifier",
    "DNNLinearCombinedRegressor",
)


def __getattr__(name):
    if name not in _CANNED:
        return getattr(learn_io, name)
    globals()[name] = _canned(name)
    return globals()[name]


def infer_real_valued_columns_from_input(x):
    array = np.asarray(x)
    return [tf.feature_column.numeric_column("x", array.shape[1:] or (1,))]
