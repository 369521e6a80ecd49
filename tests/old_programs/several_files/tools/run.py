"""A program of several files, with modules called shared and utils, started from its sub-folder."""

from __future__ import division, print_function

import argparse
import importlib
import multiprocessing
import os
import pickle
import sys
import threading

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import numpy as np
from tensorflow import ConfigProto, global_variables_initializer, multiply, placeholder, reduce_mean
import tensorflow.compat.v1 as tf1
import shared
from utils import Record

tf = importlib.import_module("tensorflow")
HERE = os.path.dirname(os.path.abspath(__file__))


class Settings(object):
    steps = 20

    def __eq__(self, other):
        return self.steps == other.steps


def square(number):
    return number * number


def train(settings, results):
    graph = tf.Graph()
    with graph.as_default():
        data = np.loadtxt(os.path.join(HERE, "numbers.txt"))
        x = placeholder(tf.float32, [None, 2])
        y = placeholder(tf.float32, [None, 1])
        hidden = tf.nn.tanh(shared.dense(x, 4, "hidden"))
        loss = reduce_mean(square_of(shared.dense(hidden, 1, "out") - y))
        step = tf1.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
        record = Record(settings.steps)
        with tf.Session(config=ConfigProto(log_device_placement=False)) as sess:
            sess.run(global_variables_initializer())
            for i, _ in enumerate(record.losses):
                _, record.losses[i] = sess.run([step, loss], {x: data[:, :2], y: data[:, 2:]})
        results["losses"] = record.losses


def square_of(x):
    return multiply(x, x)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    settings = Settings()
    settings.steps = parser.parse_args().steps
    assert pickle.loads(pickle.dumps(settings)) == settings
    print(multiprocessing.Pool(2).map(square, [1, 2, 3]))
    results = {}
    thread = threading.Thread(target=train, args=(settings, results))
    thread.start()
    thread.join()
    print("%.6f %.6f" % (results["losses"][0], results["losses"][-1]))
    print(__name__, os.path.basename(__file__), len(sys.argv), 7 / 2)
    sys.exit(3 if results["losses"][-1] > 1 else 0)
