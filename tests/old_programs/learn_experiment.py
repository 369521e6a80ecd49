"""An Experiment that trains and evaluates in turns; a data set of another graph; an Optional."""

import tempfile

import numpy as np
import tensorflow as tf

learn = tf.contrib.learn
tf.logging.set_verbosity(tf.logging.ERROR)
x = np.linspace(-1, 1, 40).reshape(20, 2).astype("f")
y = x.sum(1) * 3 + 1
outside = tf.data.Dataset.from_tensor_slices((x, y)).repeat().batch(20)


def model_fn(features, labels, mode, params):
    out = tf.layers.dense(features, 1, kernel_initializer=tf.zeros_initializer())[:, 0]
    loss = tf.losses.mean_squared_error(labels, out)
    step = tf.train.get_global_step()
    train_op = tf.train.GradientDescentOptimizer(params["rate"]).minimize(loss, step)
    return learn.ModelFnOps(mode, predictions=out, loss=loss, train_op=train_op)


def input_fn():
    return outside.make_one_shot_iterator().get_next()


def experiment(**keywords):
    model = learn.Estimator(model_fn, model_dir=tempfile.mkdtemp(), params={"rate": 0.05})
    made = learn.Experiment(model, input_fn, input_fn, eval_steps=1, **keywords)
    return model, made


def short(found):
    return {key: round(float(found[key]), 4) for key in sorted(found)}


seen = []


def goes_on(found):
    seen.append(found and int(found["global_step"]))
    return len(seen) < 4


model, made = experiment(train_steps=20, train_steps_per_iteration=8)
found, exports = made.continuous_train_and_eval()
print(short(found), exports)
found, exports = made.continuous_train_and_eval(goes_on)
print(seen, short(found))
paths = []


def watched(found, checkpoint_path):
    paths.append(checkpoint_path and checkpoint_path.split("-")[-1])
    return len(paths) < 3


_, other = experiment(
    train_steps=7, eval_delay_secs=0, continuous_eval_throttle_secs=0, export_strategies=None
)
print(short(other.test()))
other.continuous_eval(continuous_eval_predicate_fn=watched)
print(paths)
other.train()
other.continuous_eval()
other.continuous_eval_on_train_data()
print(short(other.evaluate(name="again")))
print(model.get_params(), model.set_params(params={"rate": 0.1}).get_params())
try:
    model.set_params(other=3)
except ValueError as error:
    print("Invalid parameter other" in str(error))
try:
    made.continuous_train_and_eval(3)
except ValueError as error:
    print(error)

Optional = tf.data.experimental.Optional
none = Optional.none_from_structure(Optional.from_value(tf.constant([1, 2])).value_structure)
scope = tf.contrib.compiler.jit.experimental_jit_scope
with scope(compile_ops=False), tf.Session() as session:
    print(session.run([none.has_value(), tf.add(1, 2)]))
