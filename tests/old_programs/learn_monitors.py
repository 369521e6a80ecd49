"""Estimators of contrib.learn with monitors, an Experiment that exports, and its SavedModel."""

import os
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.contrib.learn.python.learn.utils import input_fn_utils, saved_model_export_utils

learn = tf.contrib.learn
tf.logging.set_verbosity(tf.logging.ERROR)
x = np.linspace(-1, 1, 40).reshape(20, 2).astype("f")
y = x.sum(1) * 3 + 1


def model_fn(features, labels, mode):
    features = features["x"] if isinstance(features, dict) else features
    start = tf.zeros_initializer()
    out = tf.layers.dense(features, 1, kernel_initializer=start)[:, 0]
    if mode == learn.ModeKeys.INFER:
        return learn.ModelFnOps(mode, predictions=out)
    loss = tf.losses.mean_squared_error(tf.cast(labels, tf.float32), out)
    step = tf.train.get_global_step()
    train_op = tf.train.GradientDescentOptimizer(0.1).minimize(loss, step)
    return learn.ModelFnOps(mode, predictions=out, loss=loss, train_op=train_op)


class Seen(learn.monitors.EveryN):
    """Keeps the losses of every fourth step."""

    def __init__(self):
        super(Seen, self).__init__(every_n_steps=4, first_n_steps=1)
        self.found = []

    def every_n_step_begin(self, step):
        return ["mean_squared_error/value:0"]

    def every_n_step_end(self, step, outputs):
        self.found.append((step, round(float(outputs["mean_squared_error/value:0"]), 4)))

    def every_n_post_step(self, step, session):
        self.found.append((step, "post"))


class Stop(learn.monitors.BaseMonitor):
    def step_end(self, step, output):
        learn.monitors.BaseMonitor.step_end(self, step, output)
        return step == 11


def input_fn():
    return tf.constant(x), tf.constant(y)


config = learn.RunConfig(save_checkpoints_steps=5, save_checkpoints_secs=None)
model = learn.Estimator(model_fn, model_dir=tempfile.mkdtemp(), config=config)
seen = Seen()
early = learn.monitors.ValidationMonitor(
    input_fn=input_fn,
    eval_steps=1,
    every_n_steps=5,
    early_stopping_rounds=100,
    check_interval_secs=0,
)
model.fit(input_fn=input_fn, steps=30, monitors=[seen, early, Stop()])
print(seen.found)
print(early.best_step > 0, early.early_stopped, round(float(early.best_value), 4) < 2.0)
found = model.evaluate(input_fn=input_fn, steps=1)
print(sorted((key, round(float(value), 4)) for key, value in found.items()))


def serving():
    given = {"x": tf.placeholder(tf.float32, [None, 2], "given")}
    return input_fn_utils.InputFnOps({"x": given["x"] * 2}, None, given)


def experiment_fn(output_dir):
    estimator = learn.Estimator(model_fn, model_dir=output_dir, config=config)
    return learn.Experiment(
        estimator,
        train_input_fn=input_fn,
        eval_input_fn=input_fn,
        train_steps=20,
        eval_steps=1,
        export_strategies=[saved_model_export_utils.make_export_strategy(serving)],
    )


folder = tempfile.mkdtemp()
tf.contrib.learn.learn_runner.run(experiment_fn, folder, schedule="train_and_evaluate")
place = os.path.join(folder, "export", "Servo")
exports = sorted(os.listdir(place))
with tf.Graph().as_default(), tf.Session() as session:
    loaded = tf.saved_model.loader.load(session, ["serve"], os.path.join(place, exports[-1]))
    print(sorted(loaded.signature_def) != [])
    signature = loaded.signature_def["serving_default"]
    output = list(signature.outputs.values())[0].name
    given = list(signature.inputs.values())[0].name
    print(np.round(session.run(output, {given: x[:3]}), 4).tolist())
