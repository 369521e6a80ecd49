"""Replaces `tensorflow.examples.tutorials.mnist.input_data`, which TensorFlow 2 does not have.

Change only the import in an old script:

    from shared import input_data

    mnist = input_data.read_data_sets("MNIST_data", one_hot=True)
    images, labels = mnist.train.next_batch(100)

With the same seed, the batches are byte for byte those of the module in TensorFlow 1.15.5. This
module does not load TensorFlow.
"""

import gzip
import os
import sys
import tempfile
from collections import namedtuple

import numpy as np

from shared.datasets import idx, sources

SOURCE_URL = sources.MIRRORS["mnist"][0]

# The address in old code. It no longer serves the files; the mirrors serve the same files.
_FORMER_SOURCE_URL = "http://yann.lecun.com/exdb/mnist/"

Datasets = namedtuple("Datasets", "train validation test")


class DataSet:
    """Images and labels that are delivered in batches.

    Shuffling uses NumPy's global generator. Every new DataSet seeds it. If TensorFlow is loaded,
    the seed comes from `tf.get_seed(seed)`, which depends on the graph's seed too.

    Parameters
    ----------
    images : uint8 [n, rows, columns, 1]
    labels : [n] or one-hot [n, classes]
    fake_data : whether to have 10,000 fake examples; `next_batch(k, fake_data=True)` makes them.
    one_hot : whether the fake labels are one-hot.
    dtype : float32 scales pixels to [0, 1], uint8 does not; TensorFlow's or NumPy's, or a name.
    reshape : whether to flatten each image to a row of pixels.
    seed : int, or None.
    """

    def __init__(
        self,
        images,
        labels,
        fake_data=False,
        one_hot=False,
        dtype=np.float32,
        reshape=True,
        seed=None,
    ):
        np.random.seed(_numpy_seed(seed))
        dtype = _numpy_dtype(dtype)
        self.one_hot = one_hot
        if fake_data:
            self._num_examples = 10000
        else:
            assert len(images) == len(labels), f"{len(images)} images, {len(labels)} labels"
            self._num_examples = len(images)
            if reshape:
                assert images.shape[3] == 1, f"images of shape {images.shape}, expected one channel"
                images = images.reshape(len(images), images.shape[1] * images.shape[2])
            if dtype == np.float32:
                # Dividing by 255 gives other bits for 126 of the 256 values.
                images = images.astype(np.float32) * np.float32(1 / 255)
        self._images = images
        self._labels = labels
        self._epochs_completed = 0
        self._index_in_epoch = 0

    @property
    def images(self):
        return self._images

    @property
    def labels(self):
        return self._labels

    @property
    def num_examples(self):
        return self._num_examples

    @property
    def epochs_completed(self):
        """The number of batches that went past the end, without those that ended exactly there."""
        return self._epochs_completed

    def next_batch(self, batch_size, fake_data=False, shuffle=True):
        """Returns the next images and labels: views, or copies if the batch passes the end."""
        if fake_data:
            label = [1] + [0] * 9 if self.one_hot else 0
            return [[1] * 784 for _ in range(batch_size)], [label for _ in range(batch_size)]
        start = self._index_in_epoch
        end = start + batch_size
        if shuffle and start == 0 and self._epochs_completed == 0:
            self._shuffle()
        if end <= self._num_examples:
            self._index_in_epoch = end
            return self._images[start:end], self._labels[start:end]
        last_images = self._images[start : self._num_examples]
        last_labels = self._labels[start : self._num_examples]
        self._epochs_completed += 1
        if shuffle:
            self._shuffle()
        self._index_in_epoch = end - self._num_examples
        return (
            np.concatenate([last_images, self._images[: self._index_in_epoch]]),
            np.concatenate([last_labels, self._labels[: self._index_in_epoch]]),
        )

    def _shuffle(self):
        """Shuffles the examples, starting from their present order."""
        order = np.arange(self._num_examples)
        np.random.shuffle(order)
        self._images = self._images[order]
        self._labels = self._labels[order]


def read_data_sets(
    train_dir,
    fake_data=False,
    one_hot=False,
    dtype=np.float32,
    reshape=True,
    validation_size=5000,
    seed=None,
    source_url=SOURCE_URL,
):
    """Reads MNIST, or other files in `train_dir` that have the names of MNIST's files.

    Adds missing files from the places where `shared.datasets` finds MNIST, or from `source_url` if
    that is another address. Never replaces an existing file.

    Parameters
    ----------
    train_dir : str
    one_hot : whether labels are one-hot (float64 [n, 10]) instead of numbers (uint8 [n]).
    validation_size : how many of the first training examples are held out.
    fake_data, dtype, reshape, seed : see DataSet.

    Returns
    -------
    Datasets(train, validation, test)

    Raises
    ------
    ValueError : a file is damaged, MNIST is not available, or `validation_size` is out of range.
    ConnectionError : the download from `source_url` failed.
    """
    if fake_data:
        return Datasets(
            *(
                DataSet([], [], fake_data=True, one_hot=one_hot, dtype=dtype, seed=seed)
                for _ in Datasets._fields
            )
        )
    paths = {key: _local_file(key, train_dir, source_url) for key in sources.FILES}
    return split(
        extract_images(paths["train_images"]),
        extract_labels(paths["train_labels"], one_hot),
        extract_images(paths["test_images"]),
        extract_labels(paths["test_labels"], one_hot),
        dtype=dtype,
        reshape=reshape,
        validation_size=validation_size,
        seed=seed,
    )


def split(
    train_images,
    train_labels,
    test_images,
    test_labels,
    dtype=np.float32,
    reshape=True,
    validation_size=5000,
    seed=None,
):
    """Returns Datasets(train, validation, test); the first training examples are held out.

    Parameters
    ----------
    train_images, test_images : uint8 [n, rows, columns, 1]
    train_labels, test_labels : [n] or one-hot [n, classes]
    dtype, reshape, validation_size, seed : see `read_data_sets`.
    """
    if not 0 <= validation_size <= len(train_images):
        raise ValueError(
            f"validation_size={validation_size}: expected 0 to {len(train_images)}, the number of "
            "training examples"
        )
    held_out, rest = slice(validation_size), slice(validation_size, None)
    return Datasets(
        *(
            DataSet(images, labels, dtype=dtype, reshape=reshape, seed=seed)
            for images, labels in (
                (train_images[rest], train_labels[rest]),
                (train_images[held_out], train_labels[held_out]),
                (test_images, test_labels),
            )
        )
    )


def load_mnist(train_dir="MNIST-data"):
    return read_data_sets(train_dir)


def extract_images(f):
    """Returns the images of an IDX file, a path or an open gzip: uint8 [n, rows, columns, 1]."""
    return _extract(f, 3)[..., np.newaxis]


def extract_labels(f, one_hot=False, num_classes=10):
    """Returns the labels of an IDX file, a path or an open gzip: uint8 [n], or one-hot."""
    labels = _extract(f, 1)
    return dense_to_one_hot(labels, num_classes) if one_hot else labels


def _extract(f, dimensions):
    if isinstance(f, (str, os.PathLike)):
        print("Extracting", f)
        return idx.read(f, dimensions)
    name = getattr(f, "name", "the open file")
    print("Extracting", name)
    return idx.parse(gzip.GzipFile(fileobj=f), name, dimensions)


def dense_to_one_hot(labels_dense, num_classes=10):
    """Returns numbers [n] as float64 rows [n, num_classes] with a single 1."""
    return np.eye(num_classes)[labels_dense.ravel()]


def maybe_download(filename, work_directory, source_url=None):
    """Returns the path of a file in a folder; adds the file if it is missing.

    Parameters
    ----------
    filename : one of the four names of MNIST's files, such as "train-images-idx3-ubyte.gz".
    work_directory : str; the folder is made if it is missing.
    source_url : the address of the file. None means MNIST's file, whose contents are verified.
    """
    path = os.path.join(work_directory, filename)
    if os.path.exists(path):
        return path
    keys = {file + ".gz": key for key, (file, _) in sources.FILES.items()}
    if filename not in keys:
        raise ValueError(f"{filename}: expected one of {', '.join(keys)}")
    os.makedirs(work_directory, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work_directory) as folder:
        temporary = os.path.join(folder, filename)
        if source_url in (None, SOURCE_URL + filename, _FORMER_SOURCE_URL + filename):
            with gzip.open(temporary, "wb", compresslevel=1) as file:
                idx.write(file, sources.load("mnist")[keys[filename]])
        else:
            sources.download(source_url, temporary)
            _, shape = sources.FILES[keys[filename]]
            idx.read(temporary, len(shape))
        os.replace(temporary, path)
    print("Successfully downloaded", filename, os.path.getsize(path), "bytes.")
    return path


def _local_file(key, train_dir, source_url):
    """Returns the path of a file in `train_dir`, gzipped or not; adds the file if it is missing."""
    file, _ = sources.FILES[key]
    unpacked = os.path.join(train_dir, file)
    if os.path.exists(unpacked) and not os.path.exists(unpacked + ".gz"):
        return unpacked
    return maybe_download(file + ".gz", train_dir, (source_url or SOURCE_URL) + file + ".gz")


def _numpy_seed(seed):
    """Returns NumPy's seed: the part of `tf.get_seed(seed)` that depends on `seed`."""
    if "tensorflow" in sys.modules:
        graph_seed, op_seed = sys.modules["tensorflow"].compat.v1.get_seed(seed)
        return graph_seed if seed is None else op_seed
    return None if seed is None else seed % (2**31 - 1)


def _numpy_dtype(dtype):
    dtype = np.dtype(getattr(dtype, "as_numpy_dtype", np.float32 if dtype is float else dtype))
    if dtype not in (np.uint8, np.float32):
        raise TypeError(f"Invalid image dtype {dtype!r}, expected uint8 or float32")
    return dtype
