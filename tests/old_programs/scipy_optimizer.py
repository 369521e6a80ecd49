"""SciPy's optimizers on a TensorFlow loss: without limits, between limits, with constraints."""

import numpy as np
import tensorflow as tf

Interface = tf.contrib.opt.ScipyOptimizerInterface
tf.logging.set_verbosity(tf.logging.ERROR)
vector = tf.get_variable("vector", initializer=np.array([7.0, 7.0], "f"))
number = tf.get_variable("number", initializer=3.0)
scale = tf.placeholder(tf.float32, [])
loss = tf.reduce_sum(tf.square(vector - 1.0) * [1.0, 4.0]) * scale + tf.square(number + 2.0)
seen = []


def step(values):
    seen.append(np.shape(values))


def told(value, found):
    seen.append((type(float(value)).__name__, np.shape(found)))


optimizers = [
    Interface(loss, options={"maxiter": 50}),
    Interface(loss, [vector], method="CG"),
    Interface(loss, var_to_bounds={vector: ([2.0, -np.inf], np.inf), number: (-1.0, 5.0)}),
    Interface(
        loss,
        equalities=[tf.reduce_sum(vector) - 4.0],
        inequalities=[number - 1.0],
        method="SLSQP",
    ),
]
with tf.Session() as session:
    for optimizer in optimizers:
        session.run(tf.global_variables_initializer())
        optimizer.minimize(
            session, {scale: 2.0}, fetches=[loss, vector], step_callback=step, loss_callback=told
        )
        print(np.round(session.run([vector, number])[0], 3), "%.3f" % session.run(number))
        print("loss %.3f" % session.run(loss, {scale: 2.0}), sorted(set(map(str, seen))))
        del seen[:]
