import numpy as np


def weights(rows, columns):
    return np.float32(np.arange(rows * columns).reshape(rows, columns) % 5 - 2) / 10


class Record(object):
    def __init__(self, steps):
        self.losses = np.zeros(steps)
