"""Estimators of tf.estimator and of contrib.learn, with layers of both kinds."""

import numpy as np
import tensorflow as tf

tf.logging.set_verbosity(tf.logging.ERROR)
r = np.random.RandomState(0)
x = r.rand(100, 4).astype("f")
y = (x.sum(1) * 1.4).astype("i") % 3
fc = tf.feature_column.numeric_column("x", shape=[4])
inp = tf.estimator.inputs.numpy_input_fn({"x": x}, y, batch_size=10, num_epochs=None, shuffle=False)
ev = tf.estimator.inputs.numpy_input_fn({"x": x}, y, batch_size=50, num_epochs=1, shuffle=False)
tf.set_random_seed(3)


def net(features, labels, mode):
    h = tf.layers.dense(
        features["x"], 8, tf.nn.relu, kernel_initializer=tf.constant_initializer(0.1)
    )
    h = tf.layers.batch_normalization(h, training=mode == tf.estimator.ModeKeys.TRAIN)
    h = tf.contrib.layers.fully_connected(h, 4, weights_initializer=tf.constant_initializer(0.2))
    logits = tf.layers.dense(
        h, 3, kernel_initializer=tf.constant_initializer(np.linspace(-1, 1, 12).reshape(4, 3))
    )
    loss = tf.losses.softmax_cross_entropy(tf.one_hot(labels, 3), logits)
    tf.summary.scalar("l", loss)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        op = tf.train.MomentumOptimizer(0.1, 0.9).minimize(
            loss, tf.train.get_or_create_global_step()
        )
    return tf.estimator.EstimatorSpec(
        mode,
        predictions={"c": tf.argmax(logits, 1)},
        loss=loss,
        train_op=op,
        eval_metric_ops={
            "acc": tf.metrics.accuracy(labels, tf.argmax(logits, 1)),
            "auc": tf.metrics.mean_per_class_accuracy(labels, tf.argmax(logits, 1), 3),
        },
    )


e = tf.estimator.Estimator(net, config=tf.estimator.RunConfig().replace(save_summary_steps=5))
e.train(inp, steps=15)
print(sorted((k, round(float(v), 5)) for k, v in e.evaluate(ev).items()))
print(sorted(e.get_variable_names()))
from tensorflow.python.estimator.model_fn import ModeKeys

print(ModeKeys.TRAIN, ModeKeys.PREDICT)
# contrib's
from tensorflow.contrib import learn
from tensorflow.contrib.learn.python.learn.estimators import model_fn as model_fn_lib

print(learn.ModeKeys.TRAIN, learn.ModeKeys.EVAL, learn.ModeKeys.INFER, model_fn_lib.ModeKeys.INFER)


def old_net(features, labels, mode, params):
    logits = tf.contrib.layers.linear(features, 3, weights_initializer=tf.constant_initializer(0.3))
    loss = tf.contrib.losses.softmax_cross_entropy(logits, tf.one_hot(labels, 3))
    op = tf.contrib.layers.optimize_loss(
        loss, tf.contrib.framework.get_global_step(), learning_rate=params["lr"], optimizer="SGD"
    )
    return model_fn_lib.ModelFnOps(
        mode=mode,
        predictions={"classes": tf.argmax(logits, 1), "p": tf.nn.softmax(logits)},
        loss=loss,
        train_op=op,
    )


c = learn.Estimator(model_fn=old_net, params={"lr": 0.1})
c.fit(x=x, y=y, steps=20, batch_size=100)
print(
    sorted(
        (k, round(float(v), 5))
        for k, v in c.evaluate(
            x=x,
            y=y,
            steps=1,
            metrics={
                "accuracy": learn.MetricSpec(
                    metric_fn=tf.metrics.accuracy, prediction_key="classes"
                )
            },
        ).items()
    )
)
print(
    [int(p["classes"]) for p in c.predict(x=x[:5])],
    c.predict(x=x[:5], as_iterable=False)["classes"].tolist(),
)


def infn():
    return tf.constant(x), tf.constant(y)


c.fit(input_fn=infn, steps=5)
print(sorted((k, round(float(v), 5)) for k, v in c.evaluate(input_fn=infn, steps=1).items()))


def values(model):
    names = [name for name in model.get_variable_names() if "global_step" not in name]
    return [model.get_variable_value(name) for name in sorted(names)]


columns = learn.infer_real_valued_columns_from_input(x)
for kind, more in (learn.LinearRegressor, {}), (learn.DNNRegressor, {"hidden_units": [4]}):
    model = kind(
        feature_columns=columns,
        optimizer=tf.train.GradientDescentOptimizer(1.0),
        gradient_clip_norm=0.01,
        **more,
    )
    model.fit(x=x, y=y.astype(np.float32), steps=1)
    before = values(model)
    model.fit(x=x, y=y.astype(np.float32), steps=1)
    moved = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(values(model), before)))
    print("%.4f" % moved)

many = learn.SKCompat(
    learn.LinearClassifier(
        feature_columns=columns,
        n_classes=3,
        weight_column_name=None,
        optimizer=tf.train.GradientDescentOptimizer(0.5),
        enable_centered_bias=False,
    )
)
many.fit(x, y, steps=50)
made = many.predict(np.array([[0.1, 0.9, 0.3, 0.2], [0.9, 0.9, 0.8, 0.7]], "f"))
print(sorted(made), made["classes"].tolist(), np.round(made["probabilities"], 5).tolist())
print("%.5f" % many.score(x=x, y=y)["accuracy"])
line = learn.LinearRegressor(columns, optimizer=tf.train.GradientDescentOptimizer(0.1))
line = learn.SKCompat(line).fit(x, y.astype(np.float32), steps=20)
print(np.round(line.predict(x[:3])["scores"], 5).tolist())
print(np.round(learn.SKCompat(c).predict(x[:2], outputs=["p"])["p"], 5).tolist())
