"""A TPUEstimator that runs without a TPU, as BERT does."""

import tempfile

import numpy as np
import tensorflow as tf

r = np.random.RandomState(0)
X = r.rand(32, 4).astype("f")
Y = (X.sum(1) > 2).astype("i")


def model_fn(features, labels, mode, params):
    w = tf.get_variable(
        "w", [4, 2], initializer=tf.constant_initializer(np.linspace(-1, 1, 8).reshape(4, 2))
    )
    w2 = tf.contrib.layers.layer_norm(
        tf.matmul(features["x"], w), begin_norm_axis=-1, begin_params_axis=-1, scope="LayerNorm"
    )
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.contrib.tpu.TPUEstimatorSpec(
            mode=mode,
            predictions={
                "p": tf.nn.softmax(w2),
                "b": tf.fill([tf.shape(w2)[0]], params["batch_size"]),
            },
        )
    per = tf.losses.sparse_softmax_cross_entropy(labels, w2, reduction="none")
    loss = tf.reduce_mean(per)
    if mode == tf.estimator.ModeKeys.TRAIN:
        return tf.contrib.tpu.TPUEstimatorSpec(
            mode=mode,
            loss=loss,
            train_op=tf.train.GradientDescentOptimizer(0.5).minimize(
                loss, tf.train.get_or_create_global_step()
            ),
            scaffold_fn=None,
        )
    if mode == tf.estimator.ModeKeys.EVAL:

        def metric_fn(per, labels, logits):
            return {
                "acc": tf.metrics.accuracy(labels, tf.argmax(logits, -1)),
                "l": tf.metrics.mean(per),
            }

        return tf.contrib.tpu.TPUEstimatorSpec(
            mode=mode, loss=loss, eval_metrics=(metric_fn, [per, labels, w2])
        )


def input_fn(params):
    d = tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).repeat()
    return d.apply(
        tf.contrib.data.map_and_batch(
            lambda a, b: (a, b), batch_size=params["batch_size"], drop_remainder=True
        )
    )


def ev(params):
    return tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).batch(params["batch_size"])


cfg = tf.contrib.tpu.RunConfig(
    cluster=None,
    master=None,
    model_dir=tempfile.mkdtemp(),
    save_checkpoints_steps=10,
    tpu_config=tf.contrib.tpu.TPUConfig(
        iterations_per_loop=5,
        num_shards=8,
        per_host_input_for_training=tf.contrib.tpu.InputPipelineConfig.PER_HOST_V2,
    ),
)
e = tf.contrib.tpu.TPUEstimator(
    use_tpu=False,
    model_fn=model_fn,
    config=cfg,
    train_batch_size=8,
    eval_batch_size=4,
    predict_batch_size=2,
)
e.train(input_fn, max_steps=12)
print(sorted((k, round(float(v), 6)) for k, v in e.evaluate(ev).items()))
p = list(e.predict(ev))
print(len(p), np.round(p[0]["p"], 5).tolist(), p[0]["b"])
