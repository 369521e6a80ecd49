"""Stands for `tf.contrib.learn.monitors`: what `fit` calls at its steps.

The monitors that became hooks of `tf.train` are those hooks. The others keep their methods, and
`replace_monitors_with_hooks` wraps them in a hook.
"""

import inspect
import time

import tensorflow.compat.v1 as tf

NanLossDuringTrainingError = tf.train.NanLossDuringTrainingError


def CheckpointSaver(
    checkpoint_dir,
    save_secs=None,
    save_steps=None,
    saver=None,
    checkpoint_basename="model.ckpt",
    scaffold=None,
):
    return tf.train.CheckpointSaverHook(
        checkpoint_dir, save_secs, save_steps, saver, checkpoint_basename, scaffold
    )


def NanLoss(loss_tensor, every_n_steps=100, fail_on_nan_loss=True):
    return tf.train.NanTensorHook(loss_tensor, fail_on_nan_loss)


def PrintTensor(tensor_names, every_n=100, first_n=1):
    return tf.train.LoggingTensorHook(tensor_names, every_n_iter=every_n)


def StepCounter(every_n_steps=100, output_dir=None, summary_writer=None):
    return tf.train.StepCounterHook(every_n_steps, None, output_dir, summary_writer)


def StopAtStep(num_steps=None, last_step=None):
    return tf.train.StopAtStepHook(num_steps, last_step)


def SummarySaver(summary_op, save_steps=100, output_dir=None, summary_writer=None, scaffold=None):
    return tf.train.SummarySaverHook(
        save_steps, None, output_dir, summary_writer, scaffold, summary_op
    )


class BaseMonitor:
    """Is told of each step; `step_end` says whether to stop."""

    run_on_all_workers = False
    _estimator = _max_steps = None

    def set_estimator(self, estimator):
        self._estimator = estimator

    def begin(self, max_steps=None):
        self._max_steps = max_steps

    def end(self, session=None):
        """Is told that the training is over."""

    def step_begin(self, step):
        """Returns the names of tensors to fetch."""
        return []

    def step_end(self, step, output):
        return False

    def post_step(self, step, session):
        """Is told that a step is over."""


class EveryN(BaseMonitor):
    """Is told of the first steps, then of each n-th."""

    def __init__(self, every_n_steps=100, first_n_steps=1):
        super().__init__()
        self._every_n_steps = every_n_steps
        self._first_n_steps = first_n_steps
        self._active = self._last = 0
        self._is_active = False

    def every_n_step_begin(self, step):
        return []

    def every_n_step_end(self, step, outputs):
        return False

    def every_n_post_step(self, step, session):
        """Is told that such a step is over."""

    def step_begin(self, step):
        due = step <= self._first_n_steps or step >= self._active + self._every_n_steps
        self._is_active = due or step == self._max_steps
        return self.every_n_step_begin(step) if self._is_active else []

    def step_end(self, step, output):
        return self.every_n_step_end(step, output) if self._is_active else False

    def post_step(self, step, session):
        if self._is_active:
            self.every_n_post_step(step, session)
            self._active = step
        self._last = step

    def end(self, session=None):
        if self._last != self._active:
            self.every_n_post_step(self._last, session)


class ValidationMonitor(EveryN):
    """Evaluates each new checkpoint, and stops when a metric has not improved for long."""

    def __init__(
        self,
        x=None,
        y=None,
        input_fn=None,
        batch_size=None,
        eval_steps=None,
        every_n_steps=100,
        metrics=None,
        hooks=None,
        early_stopping_rounds=None,
        early_stopping_metric="loss",
        early_stopping_metric_minimize=True,
        name=None,
        check_interval_secs=5,
    ):
        super().__init__(every_n_steps, first_n_steps=-1)
        if x is None and input_fn is None:
            raise ValueError("Either x or input_fn should be provided.")
        arguments = {"x": x, "y": y, "batch_size": batch_size, "metrics": metrics}
        self._arguments = {key: value for key, value in arguments.items() if value is not None}
        self._arguments.update(input_fn=input_fn, steps=eval_steps, hooks=hooks, name=name)
        self.early_stopping_rounds = early_stopping_rounds
        self.early_stopping_metric = early_stopping_metric
        self.early_stopping_metric_minimize = early_stopping_metric_minimize
        self.best_step = self.best_value = self.best_metrics = None
        self.early_stopped = False
        self._interval = check_interval_secs or 0
        self._checked = None
        self._checkpoint = None

    def every_n_step_end(self, step, outputs):
        super().every_n_step_end(step, outputs)
        if self._checked is not None and time.time() - self._checked <= self._interval:
            return False
        self._checked = time.time()
        latest = tf.train.latest_checkpoint(self._estimator.model_dir)
        if latest in (None, self._checkpoint):
            return False
        self._checkpoint = latest
        found = self._estimator.evaluate(**self._arguments)
        shown = ", ".join(f"{name} = {value}" for name, value in found.items())
        tf.logging.info("Validation (step %d): %s", step, shown)
        return self.early_stopping_rounds is not None and self._is_late(step, found)

    def _is_late(self, step, found):
        if self.early_stopping_metric not in found:
            raise ValueError(
                f"Metric {self.early_stopping_metric} missing from outputs {set(found)}."
            )
        value, best = found[self.early_stopping_metric], self.best_value
        sign = 1 if self.early_stopping_metric_minimize else -1
        if best is None or sign * value < sign * best:
            self.best_value, self.best_step, self.best_metrics = value, step, dict(found)
        self.early_stopped = step - self.best_step >= self.early_stopping_rounds
        if self.early_stopped:
            tf.logging.info(
                "Stopping. Best step: %s with %s = %s.",
                self.best_step,
                self.early_stopping_metric,
                self.best_value,
            )
        return self.early_stopped


class RunHookAdapterForMonitors(tf.train.SessionRunHook):
    """Tells monitors of the steps."""

    def __init__(self, monitors):
        self._monitors = monitors

    def begin(self):
        self._step, self._tensor = None, tf.train.get_global_step()
        for monitor in self._monitors:
            monitor.begin(max_steps=None)

    def before_run(self, run_context):
        graph = run_context.session.graph
        if self._step is None:
            self._step = run_context.session.run(self._tensor) + 1
        names = [
            name for monitor in self._monitors for name in monitor.step_begin(self._step) or ()
        ]
        fetches = {
            name: graph.as_graph_element(name if ":" in name else f"{name}:0")
            if isinstance(name, str)
            else name
            for name in names
        }
        return tf.train.SessionRunArgs({"step": self._tensor, "monitors": fetches})

    def after_run(self, run_context, run_values):
        for monitor in self._monitors:
            if monitor.step_end(self._step, run_values.results["monitors"]):
                run_context.request_stop()
        for monitor in self._monitors:
            monitor.post_step(self._step, run_context.session)
        self._step = run_values.results["step"] + 1

    def end(self, session):
        for monitor in self._monitors:
            takes = "session" in inspect.signature(monitor.end).parameters
            monitor.end(**({"session": session} if takes else {}))


def replace_monitors_with_hooks(monitors_or_hooks, estimator):
    """Returns hooks, of which one tells the monitors."""
    given = list(monitors_or_hooks or [])
    hooks = [one for one in given if isinstance(one, tf.train.SessionRunHook)]
    monitors = [one for one in given if not isinstance(one, tf.train.SessionRunHook)]
    for monitor in monitors:
        monitor.set_estimator(estimator)
    return hooks + [RunHookAdapterForMonitors(monitors)] * bool(monitors)
