"""Stands in for `tensorflow.examples.tutorials.mnist.input_data`, which TensorFlow 2 left out.

In an old script change only the import:

    from shared import input_data

    mnist = input_data.read_data_sets("MNIST_data", one_hot=True)
    images, labels = mnist.train.next_batch(100)

The same seed delivers the same batches as the module in TensorFlow 1.15.5, byte for byte. Importing
this one loads no TensorFlow.
"""

import gzip
import os
import sys
import tempfile
from collections import namedtuple

import numpy as np

from shared.datasets import idx, sources

SOURCE_URL = sources.MIRRORS["mnist"][0]

# Where old code still looks; it no longer serves the files, which are those of the mirrors.
_FORMER_SOURCE_URL = "http://yann.lecun.com/exdb/mnist/"

Datasets = namedtuple("Datasets", "train validation test")


class DataSet:
    """Images and labels, handed out in batches.

    Shuffling draws from NumPy's global generator, which every DataSet seeds when it is made: as
    `tf.get_seed(seed)` says where TensorFlow is loaded, so that the graph's seed counts.

    Parameters
    ----------
    images : uint8 [n, rows, columns, 1]
    labels : [n] or one-hot [n, classes]
    fake_data : whether to pretend to 10,000 examples; `next_batch(k, fake_data=True)` makes them.
    one_hot : whether the fake labels are one-hot.
    dtype : float32 scales pixels to [0, 1], uint8 leaves them; TensorFlow's, NumPy's or a name.
    reshape : whether images become rows of pixels.
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
        """How often a batch has reached past the end; reaching the end is not enough."""
        return self._epochs_completed

    def next_batch(self, batch_size, fake_data=False, shuffle=True):
        """Returns the next images and labels: views, or a copy where a batch passes the end."""
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
        """Shuffles what is there, as earlier shuffles have left it."""
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
    """Reads MNIST, or whatever lies in `train_dir` under the names of its files.

    Files that are not there are put there: MNIST's from where `shared.datasets` finds them, or
    those of another `source_url` from that address.

    Parameters
    ----------
    train_dir : str
    one_hot : whether labels are one-hot (float64 [n, 10]) instead of numbers (uint8 [n]).
    validation_size : how many of the training examples, from the first, are held out.
    fake_data, dtype, reshape, seed : see DataSet.

    Returns
    -------
    Datasets(train, validation, test)

    Raises
    ------
    ValueError : a file is not well-formed, MNIST is not to be had, `validation_size` is out of
        range.
    ConnectionError : `source_url` does not deliver.
    """
    if fake_data:
        return Datasets(
            *(
                DataSet([], [], fake_data=True, one_hot=one_hot, dtype=dtype, seed=seed)
                for _ in Datasets._fields
            )
        )
    paths = {key: _local_file(key, train_dir, source_url) for key in sources.FILES}
    train_images = extract_images(paths["train_images"])
    train_labels = extract_labels(paths["train_labels"], one_hot)
    test_images = extract_images(paths["test_images"])
    test_labels = extract_labels(paths["test_labels"], one_hot)
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
    """Returns the path of a file in a folder, after putting it there if it is not.

    Parameters
    ----------
    filename : one of the four names of MNIST's files, such as "train-images-idx3-ubyte.gz".
    work_directory : str, made if it is not there.
    source_url : the address of the file; None for that of MNIST, whose contents are verified.
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
    """Returns the path of a file in `train_dir`, gzipped or not, after fetching it if need be."""
    file, _ = sources.FILES[key]
    unpacked = os.path.join(train_dir, file)
    if os.path.exists(unpacked) and not os.path.exists(unpacked + ".gz"):
        return unpacked
    return maybe_download(file + ".gz", train_dir, (source_url or SOURCE_URL) + file + ".gz")


def _numpy_seed(seed):
    """Returns what to seed NumPy with: of `tf.get_seed`'s pair the half that `seed` decides."""
    if "tensorflow" in sys.modules:
        graph_seed, op_seed = sys.modules["tensorflow"].compat.v1.get_seed(seed)
        return graph_seed if seed is None else op_seed
    return None if seed is None else seed % (2**31 - 1)


def _numpy_dtype(dtype):
    dtype = np.dtype(getattr(dtype, "as_numpy_dtype", np.float32 if dtype is float else dtype))
    if dtype not in (np.uint8, np.float32):
        raise TypeError(f"Invalid image dtype {dtype!r}, expected uint8 or float32")
    return dtype
