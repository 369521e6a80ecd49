"""The machine's limit: a lower bound for a step's time.

Each line gives the least time that a step can take, in milliseconds: its floating-point operations
at the speed of the fastest product of square matrices, plus the bytes of its optimizer at the speed
of a long addition.
"""

import time

import work

with work.quiet_import():
    import tensorflow as tf

SIZES = (512, 1024, 2048, 4096)
LONG = 2**24  # numbers, 64 MiB: more than a cache holds


class Product:
    """One float32 product of two square matrices."""

    def __init__(self, size):
        self.matrix = tf.random.stateless_uniform([size, size], [0, 0])
        self.amount = 2 * size**3  # operations

    def __call__(self):
        tf.matmul(self.matrix, self.matrix)


class Addition:
    """x += y, which reads two arrays and writes one."""

    def __init__(self):
        self.x, self.y = tf.Variable(tf.zeros([LONG])), tf.ones([LONG])
        self.amount = 3 * 4 * LONG  # bytes

    def __call__(self):
        self.x.assign_add(self.y)


def rate(work_unit):
    """Returns the most operations, or bytes, a second."""
    work_unit()
    seconds = []
    for _ in range(3):
        tf.test.experimental.sync_devices()  # a GPU computes while Python goes on
        started = time.perf_counter()
        work_unit()
        tf.test.experimental.sync_devices()
        seconds.append(time.perf_counter() - started)
    return work_unit.amount / min(seconds)


def main():
    arguments = work.parse(__doc__)
    constants = work.MODELS[arguments.model]
    products, addition = [Product(size) for size in SIZES], Addition()
    for number in range(arguments.max_steps):
        seconds = constants.operations() / max(map(rate, products))
        seconds += constants.optimizer_bytes() / rate(addition)
        print(f"step {number}, {1e3 * seconds:.6f} ms", flush=True)


if __name__ == "__main__":
    with work.one_line_errors():
        main()
