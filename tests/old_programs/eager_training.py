"""Eager execution in the idiom of tf.contrib.eager."""

import numpy as np
import tensorflow as tf

tfe = tf.contrib.eager
tf.enable_eager_execution()
Var = getattr(tfe, "Variable", tf.Variable)
print(tf.executing_eagerly(), tf.constant([1.0, 2.0]).numpy())
x = np.linspace(-1, 1, 12).reshape(6, 2).astype("f")
y = (x @ np.array([[2.0], [-1.0]]) + 0.5).astype("f")
W = Var(tf.zeros([2, 1]), name="W")
b = Var(np.float32(0.1), name="b")


def loss(xs, ys):
    return tf.reduce_mean(tf.square(tf.matmul(xs, W) + b - ys))


grad = tfe.implicit_gradients(loss)
vg = tfe.implicit_value_and_gradients(loss)
opt = tf.train.GradientDescentOptimizer(0.1)
for i in range(4):
    opt.apply_gradients(grad(x, y))
    print("%.6f" % loss(x, y).numpy())  # noqa: UP031
v, gv = vg(x, y)
print(v.numpy(), [(g.numpy().ravel().tolist(), var.name) for g, var in gv])
f = tfe.gradients_function(lambda a, c: a * a * c)
print([float(t) for t in f(3.0, 2.0)])
f = tfe.gradients_function(lambda a, c: a * a * c, params=[0])
print([float(t) for t in f(3.0, 2.0)])
f = tfe.value_and_gradients_function(lambda a: tf.sin(a))
r = f(1.0)
print(float(r[0]), [float(t) for t in r[1]])
ds = tf.data.Dataset.from_tensor_slices((x, y)).repeat().batch(4)
it = tfe.Iterator(ds)
a, c = it.next()
a, c = next(it)
print(a.numpy().tolist(), c.shape)
for k, (a, c) in enumerate(tfe.Iterator(tf.data.Dataset.from_tensor_slices((x, y)).batch(4))):
    print(k, a.shape)
m = tfe.metrics.Mean("loss")
m([1.0, 2.0, 6.0])
m(5.0)
print(m.result().numpy())
acc = tfe.metrics.Accuracy()
acc(tf.constant([1, 2, 3]), tf.constant([1, 2, 4]))
print(acc.result().numpy())
acc.init_variables()
acc(tf.constant([1]), tf.constant([1]))
print(acc.result().numpy())
with tf.GradientTape() as t:
    l = loss(x, y)
print([g.numpy().ravel().tolist() for g in t.gradient(l, [W, b])])
adam = tf.train.AdamOptimizer(0.01)
for _ in range(3):
    adam.minimize(lambda: loss(x, y), global_step=tf.train.get_or_create_global_step())
print(W.numpy().ravel().tolist(), b.numpy(), tf.train.get_global_step().numpy())
d = tf.layers.Dense(3, kernel_initializer=tf.constant_initializer(0.2), activation=tf.nn.relu)
print(d(x).numpy()[0].tolist(), [q.name for q in d.variables])


class Net(tfe.Network if hasattr(tfe, "NoSuch") else tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.d1 = tf.layers.Dense(4, kernel_initializer=tf.constant_initializer(0.1))
        self.d2 = tf.layers.Dense(2, kernel_initializer=tf.constant_initializer(0.1))

    def call(self, z):
        return self.d2(tf.nn.relu(self.d1(z)))


n = Net()
print(n(tf.constant(x)).numpy().sum(), len(n.variables), len(n.trainable_weights))
g = tfe.defun(lambda q: q * 2 + 1)
print(g(tf.constant(3.0)).numpy())
import os
import tempfile

p = os.path.join(tempfile.mkdtemp(), "ck")
s = tfe.Saver([W, b])
s.save(p)
W.assign(tf.zeros([2, 1]))
s.restore(p)
print(W.numpy().ravel().tolist())
ck = tfe.Checkpoint(W=W, opt=adam)
q = ck.save(p + "2")
W.assign(tf.zeros([2, 1]))
ck.restore(q)
print(W.numpy().ravel().tolist())
print(tfe.py_func(lambda z: z.numpy() * 2, [tf.constant(2.0)], tf.float32).numpy(), tfe.num_gpus())
h = tf.nn.softmax_cross_entropy_with_logits_v2(
    labels=tf.constant([[0.0, 1.0]]), logits=tf.constant([[1.0, 2.0]])
)
print(h.numpy())
w = tf.contrib.summary.create_file_writer(tempfile.mkdtemp(), flush_millis=1000)
w.set_as_default()
with tf.contrib.summary.always_record_summaries():
    tf.contrib.summary.scalar("l", l)
with tf.contrib.summary.record_summaries_every_n_global_steps(2):
    tf.contrib.summary.scalar("l", l)
