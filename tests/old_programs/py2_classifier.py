# A two-layer classifier as one wrote it in 2016, for Python 2 and TensorFlow 0.12.
import cPickle as pickle
import os
import sys
import tempfile
from StringIO import StringIO

import numpy as np
import tensorflow as tf

reload(sys)
sys.setdefaultencoding('utf-8')

exec 'total = sum(range(5))'
flags = tf.app.flags
FLAGS = flags.FLAGS
flags.DEFINE_integer('max_steps', 30, 'Number of steps.')
flags.DEFINE_string('log_dir', tempfile.mkdtemp(), 'Directory of the summaries.')


class DataSet(object):
    def __init__(self, size=60, classes=3):
        rows = xrange(size)
        self.labels = np.array(map(lambda i: i % classes, rows))
        self.inputs = np.array([[np.sin(i), np.cos(2 * i), i % classes] for i in rows])
        self.at = 0

    def next_batch(self, size):
        if self.at + size > len(self.labels):
            self.at = 0
        self.at += size
        return self.inputs[self.at - size:self.at], self.labels[self.at - size:self.at]


def scale(array, (low, high)=(0, 1)):
    array -= array.min(0)
    array /= array.max(0)
    return array * (high - low) + low


def inference(x, hidden, classes):
    with tf.name_scope('hidden'):
        start = np.float32([[0.1, -0.2, 0.3, 0.2], [-0.3, 0.1, 0.2, 0.4], [0.2, 0.3, -0.1, 0.1]])
        W = tf.Variable(start, name='W')
        b = tf.Variable(tf.zeros([hidden]), name='b')
        h = tf.nn.relu(tf.matmul(x, W) + b)
    with tf.name_scope('softmax'):
        V = tf.Variable(tf.fill([hidden, classes], 1 / 10.), name='V')
        c = tf.Variable(tf.zeros([classes]), name='c')
        return tf.matmul(h, V) + c


def main(_):
    data = DataSet()
    data.inputs = scale(data.inputs, (-1, 1))
    x = tf.placeholder('float', [None, 3])
    y = tf.placeholder(tf.int64, [None])
    logits = inference(x, 4, 3)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(logits, y))
    tf.scalar_summary('the loss', loss)
    merged = tf.merge_all_summaries()
    step = tf.train.GradientDescentOptimizer(1 / 2.).minimize(loss)
    right = tf.equal(tf.argmax(logits, 1), y)
    accuracy = tf.reduce_mean(tf.cast(right, 'float'))
    half = tf.constant([7, 9]) / 2
    with tf.Session() as sess:
        sess.run(tf.initialize_all_variables())
        writer = tf.train.SummaryWriter(FLAGS.log_dir, sess.graph)
        for i in range(FLAGS.max_steps):
            xs, ys = data.next_batch(20)
            _, value, summary = sess.run([step, loss, merged], feed_dict={x: xs, y: ys})
            writer.add_summary(summary, i)
            if i % (FLAGS.max_steps / 3) == 0:
                print 'step', i, 'loss %.6f' % value
        print 'accuracy', sess.run(accuracy, {x: data.inputs, y: data.labels})
        print 'half', sess.run(half)
    print >>sys.stderr, 'written to', FLAGS.log_dir
    path = os.path.join(FLAGS.log_dir, 'data.pkl')
    pickle.dump({'labels': data.labels, u'name': u'sines'}, open(path, 'w'))
    found = pickle.load(open(path))
    for name, value in sorted(found.iteritems()):
        print name, len(value),
    print
    text = StringIO()
    text.write('7 / 2 = %d, 7 / 2. = %s' % (7 / 2, 7 / 2.))
    print text.getvalue(), `-7 / 2`, 0777, 2 ** 3L, 3 <> 4
    try:
        raise ValueError, 'as in Python 2'
    except ValueError, error:
        print 'caught', error
    print total, reduce(lambda a, b: a * b, [1, 2, 3]), found.has_key('labels'), round(2.5)


if __name__ == '__main__':
    tf.app.run()
