"""HParams, layers, initializers, regularizers, arg scopes, metrics and losses of contrib."""

import numpy as np
import tensorflow as tf
from tensorflow.contrib import slim
from tensorflow.contrib.framework import add_arg_scope, nest
from tensorflow.contrib.framework.python.ops import arg_scope

hp = tf.contrib.training.HParams(lr=0.1, units=[3, 4], act="relu", flag=True, n=5)
hp.parse("lr=1,units=[5,6],units[1]=9" if False else "lr=1,units=[5,6],flag=false,act=tanh")
print(
    hp.to_json(sort_keys=True),
    hp.values() == dict(lr=1.0, units=[5, 6], act="tanh", flag=False, n=5),  # noqa: C408
)
hp.set_hparam("n", 7)
hp.add_hparam("z", "q")
print(sorted(hp.values().items()), "z" in hp, hp.get("zz", 3), hp)
try:
    hp.parse("units[1]=9")
except ValueError:
    print("no index")
for bad in ("n=1.5", "unknown=3", "units=3", "flag=maybe"):
    try:
        hp.parse(bad)
        print(bad, "ok")
    except ValueError:
        print(bad, "ValueError")
x = tf.constant(np.linspace(-1, 1, 24).reshape(4, 6).astype("f"))
c = tf.contrib.layers
w = np.linspace(-1, 1, 18).reshape(6, 3).astype("f")
out = {}
out["fc"] = c.fully_connected(
    x,
    3,
    weights_initializer=tf.constant_initializer(w),
    biases_initializer=tf.constant_initializer(0.1),
    scope="fc1",
    weights_regularizer=c.l2_regularizer(0.1),
)
out["fcd"] = c.fully_connected(
    x,
    3,
    weights_initializer=tf.constant_initializer(w),
    activation_fn=tf.tanh,
    normalizer_fn=c.batch_norm,
    normalizer_params={"is_training": True, "scale": True},
)
out["ln"] = c.layer_norm(x)
out["in"] = c.instance_norm(tf.reshape(x, [2, 2, 2, 3]))
out["gn"] = c.group_norm(tf.reshape(x, [1, 2, 2, 6]), groups=3)
out["flat"] = c.flatten(tf.reshape(x, [2, 2, 6]))
img = tf.reshape(tf.range(0, 96, dtype=tf.float32) / 96, [2, 4, 4, 3])
out["conv"] = c.conv2d(
    img, 2, 3, stride=2, weights_initializer=tf.constant_initializer(0.05), scope="cv"
)
out["convt"] = c.conv2d_transpose(
    img, 2, 3, stride=2, weights_initializer=tf.constant_initializer(0.05)
)
out["sep"] = c.separable_conv2d(img, 2, 3, 1, weights_initializer=tf.constant_initializer(0.05))
out["sep0"] = c.separable_conv2d(img, None, 3, 2, weights_initializer=tf.constant_initializer(0.05))
out["mp"] = c.max_pool2d(img, 2)
out["ap"] = c.avg_pool2d(img, [2, 2], padding="SAME")
out["un"] = c.unit_norm(x, 1)
out["oh"] = c.one_hot_encoding([1, 2], 4)
out["bow"] = c.embed_sequence(
    [[1, 2]], 5, 3, initializer=tf.constant_initializer(np.arange(15).reshape(5, 3))
)
out["rep"] = slim.repeat(
    x, 2, slim.fully_connected, 4, scope="rep", weights_initializer=tf.constant_initializer(0.2)
)
out["stack"] = slim.stack(
    x, slim.fully_connected, [4, 5], scope="st", weights_initializer=tf.constant_initializer(0.2)
)
out["bn"] = slim.batch_norm(img, is_training=True, decay=0.9, updates_collections=None)
out["drop"] = slim.dropout(x, 1.0)
out["xav"] = tf.get_variable("xav", [4, 5], initializer=c.xavier_initializer(seed=3))
out["xavn"] = tf.get_variable(
    "xavn", [3, 3, 2, 5], initializer=c.xavier_initializer_conv2d(uniform=False, seed=3)
)
out["vs"] = tf.get_variable(
    "vs",
    [4, 5],
    initializer=c.variance_scaling_initializer(factor=1.0, mode="FAN_AVG", uniform=True, seed=4),
)
out["vs2"] = tf.get_variable("vs2", [4, 5], initializer=slim.variance_scaling_initializer(seed=4))
out["reg"] = c.apply_regularization(
    c.sum_regularizer([c.l1_regularizer(0.1), c.l2_regularizer(0.2)]), [tf.constant(w)]
)
out["l1l2"] = c.l1_l2_regularizer(0.1, 0.3)(tf.constant(w))
out["regloss"] = tf.losses.get_regularization_loss()
with slim.arg_scope(
    [slim.conv2d, slim.fully_connected],
    activation_fn=None,
    weights_initializer=tf.constant_initializer(0.1),
):
    with arg_scope([slim.conv2d], padding="VALID"):
        out["as"] = slim.conv2d(img, 2, [3, 3], scope="a1")
    out["as2"] = slim.fully_connected(x, 2, scope="a2")


@add_arg_scope
def mine(a, k=1):
    return a * k


with arg_scope([mine], k=3):
    out["mine"] = mine(tf.constant(2.0))
print(
    nest.flatten([1, (2, [3])]),
    nest.is_sequence([1]),
    nest.map_structure(lambda v: v + 1, {"a": 1}),
)
step = tf.contrib.framework.get_or_create_global_step()
loss = tf.reduce_sum(tf.square(out["fc"]))
op = c.optimize_loss(
    loss,
    step,
    0.1,
    tf.train.MomentumOptimizer(0.1, 0.9),
    clip_gradients=1.0,
    learning_rate_decay_fn=lambda lr, s: tf.train.exponential_decay(lr, s, 10, 0.9),
    variables=[v for v in tf.trainable_variables() if v.name.startswith("fc1")],
)
op2 = slim.learning.create_train_op(
    loss, tf.train.GradientDescentOptimizer(0.1), clip_gradient_norm=4
)
print([v.name for v in tf.global_variables()])
print(
    [v.name for v in slim.get_variables_to_restore(exclude=["fc1", "rep"])][:5],
    [v.name for v in slim.get_model_variables("cv")],
    [v.name for v in slim.get_variables_by_suffix("biases")][:3],
)
print(
    [t.op.name for t in tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)],
    len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)),
)
m, up = tf.contrib.metrics.streaming_accuracy(tf.constant([1, 2, 3]), tf.constant([1, 2, 4]))
m2, up2 = slim.metrics.streaming_mean(tf.constant([1.0, 2.0, 6.0]))
names, ups = slim.metrics.aggregate_metric_map({"a": (m, up), "b": (m2, up2)})
out["acc"] = tf.contrib.metrics.accuracy(tf.constant([1, 2, 3]), tf.constant([1, 2, 4]))
out["cm"] = tf.contrib.metrics.confusion_matrix([1, 2, 0], [1, 0, 0])
out["hl"] = tf.contrib.losses.hinge_loss(tf.constant([[0.3], [-0.2]]), tf.constant([[1.0], [0.0]]))
out["mse"] = slim.losses.mean_squared_error(x, x + 1)
out["cd"] = tf.contrib.losses.log_loss(tf.constant([0.3, 0.6]), tf.constant([1.0, 0.0]))
out["tl"] = slim.losses.get_total_loss()
out["trip"] = tf.contrib.losses.metric_learning.triplet_semihard_loss(
    tf.constant([0, 0, 1, 1]), tf.nn.l2_normalize(x, 1)
)
with tf.Session() as s:
    s.run(
        [
            tf.global_variables_initializer(),
            tf.local_variables_initializer(),
            tf.tables_initializer(),
        ]
    )
    for k in sorted(out):
        v = np.asarray(s.run(out[k]))
        print(
            k,
            v.shape,
            np.round(v.ravel()[:5].astype("f8"), 5).tolist(),
            round(float(v.astype("f8").sum()), 4),
        )
    print([round(float(s.run(op)), 4) for _ in range(3)], s.run(step))
    print([round(float(s.run(op2)), 4) for _ in range(2)], s.run(step))
    s.run([up, up2])
    print(s.run([m, m2]), [round(float(v), 5) for v in s.run(list(ups.values()))], sorted(names))
    import os
    import tempfile

    p = tf.train.Saver().save(s, os.path.join(tempfile.mkdtemp(), "ck"))
    f = slim.assign_from_checkpoint_fn(p, slim.get_model_variables("fc1"), ignore_missing_vars=True)
    f(s)
    a, d = tf.contrib.framework.assign_from_checkpoint(p, slim.get_model_variables("fc1"))
    s.run(a, d)
    print(
        tf.contrib.framework.list_variables(p)[:2],
        tf.contrib.framework.load_variable(p, "fc1/biases").tolist(),
    )
