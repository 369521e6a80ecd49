"""Records, queues and coordinators, as before tf.data."""

import os
import tempfile

import numpy as np
import tensorflow as tf

folder = tempfile.mkdtemp()
path = os.path.join(folder, "train.tfrecords")


def _int64(value):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _bytes(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


writer = tf.python_io.TFRecordWriter(path)
for i in range(8):
    image = np.full((2, 2), i, np.uint8)
    features = {"label": _int64(i % 2), "image_raw": _bytes(image.tostring())}
    example = tf.train.Example(features=tf.train.Features(feature=features))
    writer.write(example.SerializeToString())
writer.close()
print(sum(1 for _ in tf.python_io.tf_record_iterator(path)))

csv = os.path.join(folder, "data.csv")
with tf.gfile.Open(csv, "w") as file:
    file.write("1,2.5\n3,4.5\n")

queue = tf.train.string_input_producer([path], num_epochs=2, shuffle=False)
reader = tf.TFRecordReader()
_, serialized = reader.read(queue)
found = tf.parse_single_example(
    serialized,
    features={
        "label": tf.FixedLenFeature([], tf.int64),
        "image_raw": tf.FixedLenFeature([], tf.string),
    },
)
image = tf.cast(tf.decode_raw(found["image_raw"], tf.uint8), tf.float32) * (1.0 / 255)
image.set_shape([4])
images, labels = tf.train.batch([image, found["label"]], batch_size=4, capacity=20)
lines = tf.train.string_input_producer([csv], shuffle=False)
_, line = tf.TextLineReader().read(lines)
columns = tf.decode_csv(line, record_defaults=[[0], [0.0]])

with tf.device("/gpu:0"):
    total = tf.Variable(0.0)
    add = tf.assign_add(total, tf.reduce_sum(images) + 0 * tf.to_float(labels[0]))

fifo = tf.FIFOQueue(4, [tf.int32], shapes=[[]])
options = tf.GPUOptions(per_process_gpu_memory_fraction=0.3)
with tf.Session(config=tf.ConfigProto(gpu_options=options, allow_soft_placement=True)) as sess:
    sess.run(tf.group(tf.global_variables_initializer(), tf.local_variables_initializer()))
    coord = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(sess=sess, coord=coord)
    print(sess.run(columns), sess.run(columns))
    steps = 0
    try:
        while not coord.should_stop():
            value = sess.run(add)
            steps += 1
    except tf.errors.OutOfRangeError:
        print("done after %d steps, total %.6f" % (steps, value))
    finally:
        coord.request_stop()
    coord.join(threads)
    sess.run(fifo.enqueue_many([[1, 2, 3]]))
    print(sess.run(fifo.dequeue()), sess.run(fifo.size()))
    saver = tf.train.Saver(max_to_keep=1)
    saver.save(sess, os.path.join(folder, "model.ckpt"), global_step=steps)
    sess.run(total.assign(0.0))
    checkpoint = tf.train.get_checkpoint_state(folder)
    saver.restore(sess, checkpoint.model_checkpoint_path)
    print(os.path.basename(checkpoint.model_checkpoint_path), sess.run(total))
