"""What tf_slim takes of TensorFlow's modules: conditions, loops, decoding of records, metrics."""

import os
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.contrib import slim
from tensorflow.contrib.slim.python.slim.data import (
    tfexample_decoder,
)

path = os.path.join(tempfile.mkdtemp(), "records")
with tf.python_io.TFRecordWriter(path) as writer:
    for k in range(4):
        feature = {
            "image/encoded": tf.train.Feature(
                bytes_list=tf.train.BytesList(value=[np.full(4, k, np.uint8).tobytes()])
            ),
            "image/format": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"raw"])),
            "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[k])),
        }
        writer.write(
            tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
        )
keys = {
    "image/encoded": tf.FixedLenFeature((), tf.string, ""),
    "image/format": tf.FixedLenFeature((), tf.string, "raw"),
    "label": tf.FixedLenFeature([], tf.int64, 0),
}
items = {
    "image": tfexample_decoder.Image(shape=[2, 2, 1], channels=1),
    "label": tfexample_decoder.Tensor("label"),
}
data = slim.dataset.Dataset(
    path,
    tf.TFRecordReader,
    tfexample_decoder.TFExampleDecoder(keys, items),
    4,
    {"image": "an image"},
)
provider = slim.dataset_data_provider.DatasetDataProvider(data, shuffle=False, num_readers=1)
image, label = provider.get(["image", "label"])
images, labels = tf.train.batch([image, label], 2)
training = tf.placeholder(tf.bool)
x = tf.constant(np.linspace(-1, 2, 12).reshape(4, 3), tf.float32)
normal = slim.batch_norm(x, is_training=training, decay=0.5, updates_collections=None)
dropped = slim.dropout(x, 0.5, is_training=training)
auc, update = tf.contrib.metrics.streaming_auc(tf.constant([0.1, 0.9, 0.6]), tf.constant([0, 1, 0]))
iou, update2 = slim.metrics.streaming_mean_iou(tf.constant([0, 1, 1]), tf.constant([0, 1, 0]), 2)
counter = slim.local_variable(3, name="counter")
soft = slim.spatial_softmax(tf.reshape(x, [1, 2, 2, 3]))
lifted = tf.contrib.losses.metric_learning.npairs_loss(tf.constant([0, 1, 0, 1]), x, x + 1)
clip = tf.contrib.layers.optimize_loss(
    tf.reduce_sum(slim.linear(x, 1, weights_initializer=tf.constant_initializer(0.3))),
    tf.train.get_or_create_global_step(),
    0.1,
    "Adam",
    clip_gradients=1.0,
)
with tf.Session() as session:
    session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    coordinator = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(session, coordinator)
    for _ in range(2):
        got = session.run([images, labels])
        print(got[0].sum(), got[1].tolist(), got[0].shape)
    coordinator.request_stop()
    for value in (True, False):
        print(np.round(session.run(normal, {training: value}).ravel()[:6], 5).tolist())
    print(np.round(session.run(dropped, {training: False}).sum(), 4))
    session.run([update, update2])
    print(session.run([auc, iou, counter]))
    print(np.round(session.run(soft), 5).tolist(), np.round(session.run(lifted), 5))
    session.run(clip)
    print([variable.op.name for variable in tf.global_variables()])

from tensorflow.contrib import learn
from tensorflow.contrib.learn.python.learn.learn_io import numpy_io

print(learn.io.read_batch_features is learn.read_batch_features)
given = numpy_io.numpy_input_fn({"x": np.arange(3.0)}, np.arange(3), 2, shuffle=False)()
print(given[0]["x"].dtype, given[1].dtype)
