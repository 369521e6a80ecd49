"""Canned Estimators."""

import numpy as np
import tensorflow as tf

tf.logging.set_verbosity(tf.logging.ERROR)
r = np.random.RandomState(0)
x = r.rand(100, 4).astype("f")
y = (x.sum(1) * 1.4).astype("i") % 3
fc = tf.feature_column.numeric_column("x", shape=[4])
inp = tf.estimator.inputs.numpy_input_fn({"x": x}, y, batch_size=10, num_epochs=None, shuffle=False)
ev = tf.estimator.inputs.numpy_input_fn({"x": x}, y, batch_size=50, num_epochs=1, shuffle=False)


def ev2():
    return tf.estimator.inputs.numpy_input_fn(
        {"x": x}, y.astype("f")[:, None], batch_size=50, num_epochs=1, shuffle=False
    )()


def inp2():
    return tf.estimator.inputs.numpy_input_fn(
        {"x": x}, y.astype("f")[:, None], batch_size=10, num_epochs=None, shuffle=False
    )()


cfg = tf.estimator.RunConfig(tf_random_seed=3)


def show(name, est, i, e):
    est.train(i, steps=20)
    print(name, sorted((k, round(float(v), 5)) for k, v in est.evaluate(e).items()))
    print(name, sorted(est.get_variable_names()))
    p = next(iter(est.predict(e)))
    print(name, [k for k in p])


show("linc", tf.estimator.LinearClassifier([fc], n_classes=3, config=cfg), inp, ev)
show("linr", tf.estimator.LinearRegressor([fc], config=cfg), inp2, ev2)
show(
    "linr",
    tf.estimator.LinearRegressor(
        [fc], optimizer=tf.train.GradientDescentOptimizer(0.01), config=cfg
    ),
    inp2,
    ev2,
)
show("base", tf.estimator.BaselineClassifier(n_classes=3, config=cfg), inp, ev)
show(
    "km",
    tf.estimator.experimental.KMeans(3, initial_clusters=x[:3], use_mini_batch=False, config=cfg),
    lambda: tf.train.limit_epochs(tf.convert_to_tensor(x), 30),
    lambda: tf.train.limit_epochs(tf.convert_to_tensor(x), 1),
)
