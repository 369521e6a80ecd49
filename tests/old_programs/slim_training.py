"""A small network in the idiom of tf.contrib.slim: arg scopes, nets, training and evaluation."""

import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.contrib import slim
from tensorflow.contrib.slim.nets import resnet_v1, vgg
from tensorflow.contrib.slim.python.slim.learning import train_step


def arg_scope(weight_decay=0.01):
    with slim.arg_scope(
        [slim.conv2d, slim.fully_connected],
        activation_fn=tf.nn.relu,
        weights_initializer=tf.truncated_normal_initializer(stddev=0.1, seed=3),
        weights_regularizer=slim.l2_regularizer(weight_decay),
        normalizer_fn=slim.batch_norm,
        normalizer_params={"decay": 0.9, "is_training": True},
    ) as scope:
        return scope


def net(x):
    with slim.arg_scope(arg_scope()), tf.variable_scope("net", "net", [x]) as sc:
        end = sc.name + "_end_points"
        with slim.arg_scope([slim.conv2d, slim.max_pool2d], outputs_collections=[end]):
            h = slim.repeat(x, 2, slim.conv2d, 4, [3, 3], scope="conv1")
            h = slim.max_pool2d(h, [2, 2], scope="pool1")
        h = slim.flatten(h)
        y = slim.fully_connected(h, 3, activation_fn=None, normalizer_fn=None, scope="fc")
        return y, slim.utils.convert_collection_to_dict(end)


r = np.random.RandomState(0)
X, Y = r.rand(12, 8, 8, 1).astype("f"), r.randint(0, 3, 12)
g = tf.Graph()
with g.as_default():
    tf.set_random_seed(1)
    logits, ends = net(tf.constant(X))
    print(sorted(ends))
    slim.losses.softmax_cross_entropy(logits, slim.one_hot_encoding(Y, 3))
    total = slim.losses.get_total_loss()
    op = slim.learning.create_train_op(total, tf.train.MomentumOptimizer(0.05, 0.9))
    print([v.op.name for v in slim.get_model_variables()])
    seen = []

    def step(sess, train_op, global_step, kw):
        l, stop = train_step(sess, train_op, global_step, kw)
        seen.append(float(l))
        return l, stop

    d = tempfile.mkdtemp()
    last = slim.learning.train(
        op,
        d,
        number_of_steps=8,
        train_step_fn=step,
        save_summaries_secs=0,
        log_every_n_steps=100,
        trace_every_n_steps=None,
    )
    print(np.round(seen, 4).tolist(), round(float(last), 4))
with tf.Graph().as_default():
    logits, _ = net(tf.constant(X))
    names, ups = slim.metrics.aggregate_metric_map(
        {"acc": slim.metrics.streaming_accuracy(tf.argmax(logits, 1), tf.constant(Y))}
    )
    v = slim.evaluation.evaluate_once(
        "",
        tf.train.latest_checkpoint(d),
        d,
        num_evals=2,
        eval_op=list(ups.values()),
        final_op=list(names.values()),
    )
    print([round(float(q), 5) for q in v])
with tf.Graph().as_default():
    x = tf.zeros([1, 224, 224, 3])
    with slim.arg_scope(resnet_v1.resnet_arg_scope()):
        y, ep = resnet_v1.resnet_v1_50(x, 10, is_training=False)
    print(y.shape, len(ep), len(slim.get_variables()), tf.trainable_variables()[5].name)
    y, ep = vgg.vgg_16(x, 10, is_training=False, scope="v")
    print(y.shape, sorted(ep)[:3])
