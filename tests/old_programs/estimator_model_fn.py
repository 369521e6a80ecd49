"""An Estimator with a model function: train, evaluate, predict, export, and a predictor."""

import numpy as np
import tensorflow as tf

tf.set_random_seed(1)


def model_fn(features, labels, mode, params):
    w = tf.get_variable(
        "w", [4, 3], initializer=tf.constant_initializer(np.linspace(-1, 1, 12).reshape(4, 3))
    )
    b = tf.get_variable("b", [3], initializer=tf.zeros_initializer())
    logits = tf.matmul(features["x"], w) + b
    classes = tf.argmax(logits, 1)
    predictions = {"classes": classes, "probs": tf.nn.softmax(logits)}
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(
            mode,
            predictions=predictions,
            export_outputs={"serving_default": tf.estimator.export.PredictOutput(predictions)},
        )
    loss = tf.losses.sparse_softmax_cross_entropy(labels=labels, logits=logits)
    if mode == tf.estimator.ModeKeys.TRAIN:
        train_op = tf.train.AdamOptimizer(params["lr"]).minimize(
            loss, global_step=tf.train.get_global_step()
        )
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)
    acc = tf.metrics.accuracy(labels, classes)
    return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops={"accuracy": acc})


class Hook(tf.train.SessionRunHook):
    def begin(self):
        self.n = 0

    def before_run(self, ctx):
        return tf.train.SessionRunArgs(tf.train.get_global_step())

    def after_run(self, ctx, values):
        self.n += 1
        self.last = values.results

    def end(self, session):
        print("hook", self.n, int(self.last))


r = np.random.RandomState(0)
x = r.rand(100, 4).astype("f")
y = (x.sum(1) * 1.4).astype("i") % 3
import os
import tempfile

d = tempfile.mkdtemp()
est = tf.estimator.Estimator(
    model_fn,
    model_dir=d,
    params={"lr": 0.05},
    config=tf.estimator.RunConfig(tf_random_seed=3, save_checkpoints_steps=20),
)
inp = tf.estimator.inputs.numpy_input_fn({"x": x}, y, batch_size=10, num_epochs=None, shuffle=False)
ev = tf.estimator.inputs.numpy_input_fn({"x": x}, y, batch_size=50, num_epochs=1, shuffle=False)
est.train(inp, steps=30, hooks=[Hook(), tf.train.LoggingTensorHook(["b"], every_n_iter=10)])
m = est.evaluate(ev)
print(sorted((k, round(float(v), 6)) for k, v in m.items()))
p = list(est.predict(tf.estimator.inputs.numpy_input_fn({"x": x[:3]}, shuffle=False)))
print([(int(q["classes"]), np.round(q["probs"], 5).tolist()) for q in p])
print(est.get_variable_names(), est.get_variable_value("b"))
print(os.path.basename(est.latest_checkpoint()))


def ds_fn():
    return tf.data.Dataset.from_tensor_slices(({"x": x}, y)).repeat().batch(20)


def ds_eval():
    return tf.data.Dataset.from_tensor_slices(({"x": x}, y)).batch(20)


exporter = tf.estimator.LatestExporter(
    "e",
    tf.estimator.export.build_raw_serving_input_receiver_fn(
        {"x": tf.placeholder(tf.float32, [None, 4], name="x")}
    ),
)


def serving():
    t = tf.placeholder(tf.float32, [None, 4], name="inp")
    return tf.estimator.export.ServingInputReceiver({"x": t}, {"inp": t})


exporter = tf.estimator.FinalExporter("final", serving)
tf.estimator.train_and_evaluate(
    est,
    tf.estimator.TrainSpec(ds_fn, max_steps=60),
    tf.estimator.EvalSpec(ds_eval, steps=None, exporters=exporter, throttle_secs=0),
)
print(sorted((k, round(float(v), 6)) for k, v in est.evaluate(ds_eval).items()))
for f in ("export_savedmodel", "export_saved_model"):
    path = getattr(est, f)(tempfile.mkdtemp(), serving)
    with tf.Session(graph=tf.Graph()) as s:
        mg = tf.saved_model.loader.load(s, [tf.saved_model.tag_constants.SERVING], path.decode())
        sig = mg.signature_def["serving_default"]
        print(np.round(s.run(sig.outputs["probs"].name, {sig.inputs["inp"].name: x[:1]}), 5))
pred = tf.contrib.predictor.from_saved_model(path.decode())
print(np.round(pred({"inp": x[:2]})["probs"], 5).tolist(), pred({"inp": x[:2]})["classes"].tolist())
