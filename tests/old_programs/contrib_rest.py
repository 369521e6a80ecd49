"""Optimizers, images, tables, k-means, data, projector and texts of contrib."""

import os
import tempfile

import numpy as np
import tensorflow as tf

o = tf.contrib.opt


def train(name, make, sparse=False, use_resource=False, **kw):
    with tf.Graph().as_default(), tf.Session() as s:
        w = tf.get_variable(
            "w",
            initializer=np.linspace(-1, 1, 8).reshape(4, 2).astype("f"),
            use_resource=use_resource,
        )
        h = tf.gather(w, [0, 2, 2]) if sparse else w
        loss = (
            tf.reduce_sum((h - 0.3) * [[1.0, 3.0]])
            if name in ("adamw", "momw", "ext")
            else tf.reduce_sum(tf.square(h - 0.3) * [[1.0, 3.0]])
        )
        opt = make()
        op = opt.minimize(
            loss,
            global_step=tf.train.get_or_create_global_step(),
            **({k: v([w]) for k, v in kw.items()}),
        )
        s.run(tf.global_variables_initializer())
        for _ in range(5):
            s.run(op)
        print(
            name,
            sparse,
            use_resource,
            np.round(s.run(w), 5).ravel().tolist(),
            sorted(v.name for v in tf.global_variables()),
        )


for sparse in (False, True):
    for r in (False, True):
        train("adamw", lambda: o.AdamWOptimizer(0.01, 0.1), sparse, r)
        train("momw", lambda: o.MomentumWOptimizer(0.01, 0.05, 0.9, use_nesterov=True), sparse, r)
        train("lazy", lambda: o.LazyAdamOptimizer(0.1), sparse, r)
        train("adamax", lambda: o.AdaMaxOptimizer(0.1), sparse, r)
        train("nadam", lambda: o.NadamOptimizer(0.1), sparse, r)
train(
    "ext",
    lambda: o.extend_with_decoupled_weight_decay(tf.train.GradientDescentOptimizer)(
        0.1, learning_rate=0.05
    ),
    decay_var_list=lambda v: v,
)
train("lars", lambda: o.LARSOptimizer(0.5))
train("lars2", lambda: o.LARSOptimizer(0.5, skip_list=["w"], use_nesterov=True), False, True)
with tf.Graph().as_default(), tf.Session() as s:
    w = tf.get_variable("w", initializer=[3.0, 4.0])
    opt = o.MovingAverageOptimizer(tf.train.GradientDescentOptimizer(0.1), 0.5)
    op = opt.minimize(tf.reduce_sum(w * w))
    sv = opt.swapping_saver()
    s.run(tf.global_variables_initializer())
    for _ in range(3):
        s.run(op)
    p = sv.save(s, os.path.join(tempfile.mkdtemp(), "m"))
    print(
        "mavg",
        s.run(w).tolist(),
        [(n, tf.train.load_variable(p, n).tolist()) for n, _ in tf.train.list_variables(p)],
    )
    clip = o.VariableClippingOptimizer(
        tf.train.GradientDescentOptimizer(0.1), {w: [0]}, 1.0
    ).minimize(tf.reduce_sum(w))
    s.run(clip)
    print("clip", s.run(w).tolist())
    v = tf.get_variable("v", initializer=[7.0, 3.0])
    s.run(v.initializer)
im = tf.contrib.image
x = tf.reshape(tf.range(2 * 5 * 6 * 2, dtype=tf.float32), [2, 5, 6, 2])
out = dict(  # noqa: C408
    rot=im.rotate(x, [0.5, -1.2], "BILINEAR"),
    rot1=im.rotate(x[0], 0.3),
    rot2=im.rotate(x[0, :, :, 0], 0.7),
    tr=im.translate(x, [1.5, -2.0], "BILINEAR"),
    tf=im.transform(x, [1.0, 0.1, 2.0, 0.2, 1, -1, 0.001, 0.002]),
    comp=im.compose_transforms(
        [1.0, 0.1, 2.0, 0.2, 1, -1, 0.001, 0.002], im.angles_to_projective_transforms(0.3, 5.0, 6.0)
    ),
    ts=im.transform(x, [1.0, 0.1, 2.0, 0.2, 1, -1, 0, 0], output_shape=[3, 3]) if True else 0,
    grad=tf.gradients(tf.reduce_sum(im.rotate(x, 0.3, "BILINEAR") ** 2), x)[0],
    sp=tf.contrib.nn.scaled_softplus(tf.constant([1.0, -2.0]), 0.5),
    ad=tf.contrib.nn.alpha_dropout(tf.ones([3]), 1.0),
    nth=tf.contrib.nn.nth_element(tf.constant([3.0, 1, 2]), 1),
    ph=tf.contrib.framework.sort(tf.constant([3, 1, 2])),
    ag=tf.contrib.framework.argsort(tf.constant([3, 1, 2])),
    cv=tf.contrib.util.constant_value(tf.constant(3)),
    mt=tf.contrib.util.make_ndarray(tf.contrib.util.make_tensor_proto([1.0, 2.0])),
    emb=tf.contrib.layers.bow_encoder(
        tf.constant([[1, 2], [0, 0]]),
        4,
        2,
        initializer=tf.constant_initializer(np.arange(8).reshape(4, 2)),
    ),
)
t = tf.contrib.lookup.index_table_from_tensor(
    mapping=tf.constant(["a", "b", "c"]), num_oov_buckets=1, default_value=-1
)
t2 = tf.contrib.lookup.index_to_string_table_from_tensor(["x", "y"], default_value="U")
t3 = tf.contrib.lookup.HashTable(
    tf.contrib.lookup.KeyValueTensorInitializer(tf.constant([1, 2]), tf.constant([10, 20])), -1
)
t4 = tf.contrib.lookup.MutableHashTable(tf.string, tf.int64, -1)
out.update(l1=t.lookup(tf.constant(["b", "zz"])), l3=t3.lookup(tf.constant([2, 5])))
sum2 = t2.lookup(tf.constant([1, 5], tf.int64))
ins = t4.insert(tf.constant(["q"]), tf.constant([4], tf.int64))
look = t4.lookup(tf.constant(["q", "r"]))
km = tf.contrib.factorization.KMeans(
    tf.constant(np.arange(12).reshape(6, 2).astype("f")),
    2,
    initial_clusters=np.array([[0.0, 1], [9, 10]], "f"),
    use_mini_batch=False,
)
g = km.training_graph()
with tf.Session() as s:
    s.run([tf.global_variables_initializer(), tf.tables_initializer()])
    t3.init.run()
    s.run(ins)
    for k in sorted(out):
        v = np.asarray(s.run(out[k]) if k not in ("cv", "mt") else out[k])
        print(
            k,
            v.shape,
            np.round(v.ravel()[5:9].astype("f8"), 4).tolist(),
            round(float(v.astype("f8").sum()), 3),
        )
    print(s.run(sum2).tolist(), s.run(look).tolist())
    s.run(g[4] if len(g) == 6 else g[3])
    for _ in range(3):
        s.run(g[-1])
    print("kmeans", [np.asarray(q).tolist() for q in s.run([g[0], g[1]])], len(g))
    d = (
        tf.data.Dataset.range(10)
        .apply(tf.contrib.data.map_and_batch(lambda v: v * 2, 4, drop_remainder=True))
        .apply(tf.contrib.data.unbatch())
    )
    d = d.apply(tf.contrib.data.batch_and_drop_remainder(3))
    n = d.make_one_shot_iterator().get_next()
    print([s.run(n).tolist() for _ in range(2)])
    d = (
        tf.data.Dataset.range(4)
        .apply(tf.contrib.data.shuffle_and_repeat(10, 2, seed=1))
        .apply(tf.contrib.data.sliding_window_batch(3, 2))
    )
    n = d.make_one_shot_iterator().get_next()
    print(s.run(n).shape)
    d = (
        tf.data.Dataset.range(8)
        .apply(tf.contrib.data.group_by_window(lambda v: v % 2, lambda k, w: w.batch(2), 2))
        .apply(tf.contrib.data.ignore_errors())
    )
    n = d.make_one_shot_iterator().get_next()
    print([s.run(n).tolist() for _ in range(3)])
from tensorflow.contrib.tensorboard.plugins import projector

cfg = projector.ProjectorConfig()
e = cfg.embeddings.add()
e.tensor_name = "emb"
e.metadata_path = "m.tsv"
dd = tempfile.mkdtemp()
projector.visualize_embeddings(tf.summary.FileWriter(dd), cfg)
print(open(dd + "/projector_config.pbtxt").read().split())  # noqa: SIM115
from tensorflow.contrib import learn

vp = learn.preprocessing.VocabularyProcessor(6, min_frequency=1)
print(
    np.array(
        list(
            vp.fit_transform(
                [
                    "the cat sat on the mat",
                    "The cat's hat-trick the cat isn't",
                    "HTML parsing cat mat",
                ]
            )
        )
    ).tolist(),
    len(vp.vocabulary_),
    list(vp.reverse([[1, 2, 0]])),
)
m = learn.datasets.mnist.dense_to_one_hot(np.array([1, 2]), 3)
print(m.tolist())
