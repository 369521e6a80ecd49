"""TensorFlow 0.x: its names and the order of its arguments, in a small multi-task network."""

import tempfile

import numpy as np
import tensorflow as tf

rng = np.random.RandomState(3)
inputs = rng.normal(size=(24, 4)).astype("float32")
classes = (inputs.sum(1) > 0).astype("int64")

x = tf.placeholder("float", [None, 4], name="x")
y = tf.placeholder(tf.int64, [None], name="y")
left, right = tf.split(1, 2, x)
W = tf.Variable(tf.constant(rng.normal(size=(2, 3)) / 3, tf.float32))
with tf.op_scope([left, right, W], None, "both") as scope:
    hidden = tf.concat(1, [tf.nn.relu(tf.matmul(left, W)), tf.nn.tanh(tf.matmul(right, W))])
V = tf.Variable(tf.constant(rng.normal(size=(6, 2)) / 3, tf.float32))
b = tf.Variable(tf.zeros([2]))
logits = tf.nn.xw_plus_b(hidden, V, b)
one_hot = tf.one_hot(y, 2, 1.0, 0.0)
soft = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits, one_hot))
sparse = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(logits, y))
binary = tf.nn.sigmoid_cross_entropy_with_logits(logits=logits, targets=one_hot)
binary = tf.reduce_sum(binary, reduction_indices=[1], keep_dims=True)
loss = tf.add_n([soft, sparse, tf.mul(0.1, tf.reduce_mean(binary, reduction_indices=None))])
optimizer = tf.train.GradientDescentOptimizer(0.2)
gradients = [(tf.clip_by_norm(g, 1.0), v) for g, v in optimizer.compute_gradients(loss)]
step = optimizer.apply_gradients(gradients)
right_ones = tf.equal(tf.argmax(logits, dimension=1), y)
accuracy = tf.reduce_mean(tf.cast(right_ones, "float"))
tf.scalar_summary("loss", loss)
tf.histogram_summary("W", W)
tf.image_summary("inputs", tf.reshape(x, [1, 24, 4, 1]), max_images=1)
summaries = tf.merge_all_summaries()

sess = tf.InteractiveSession()
sess.run(tf.initialize_all_variables())
writer = tf.train.SummaryWriter(tempfile.mkdtemp(), sess.graph_def)
for i in range(40):
    _, value, text = sess.run([step, loss, summaries], {x: inputs, y: classes})
    writer.add_summary(text, i)
    if i % 10 == 0:
        print("%d %.6f" % (i, value))
print("accuracy %.4f" % accuracy.eval({x: inputs, y: classes}))
print([v.get_shape().as_list() for v in tf.all_variables()])

a = tf.constant([[4.0, 1.0], [2.0, 3.0]])
stacked = tf.pack([a, tf.neg(a)])
print(tf.sub(a, tf.inv(a)).eval(), [t.eval()[0] for t in tf.unpack(stacked)])
print(tf.select(a > 2, a, tf.zeros_like(a)).eval(), tf.nn.softmax(a, dim=0).eval())
print(tf.batch_matmul(stacked, stacked, adj_y=True).eval()[1], tf.reverse(a, [False, True]).eval())
print(tf.listdiff([1, 2, 3], [2])[0].eval(), tf.complex_abs(tf.complex(3.0, 4.0)).eval())
image = tf.reshape(tf.range(0.0, 48.0), [4, 4, 3])
print(
    tf.image.per_image_whitening(image).eval()[0, 0],
    tf.image.resize_images(image, 2, 2).eval()[1, 1],
)
print(tf.contrib.rnn.core_rnn_cell.BasicLSTMCell is tf.nn.rnn_cell.BasicLSTMCell)
print(tf.keras.__version__)
