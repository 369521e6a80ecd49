"""Where MNIST and Fashion-MNIST are found, and how their files are known to be the right ones."""

from __future__ import annotations

import os
import sys
import tempfile

import numpy as np

from shared.console import UserError
from shared.datasets import idx

# A mirror serves FILES, gzipped, under these addresses; the first that answers is used.
MIRRORS = {
    "mnist": [
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ],
    "fashion_mnist": ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
}

FILES = {
    "train_images": ("train-images-idx3-ubyte", (60000, 28, 28)),
    "train_labels": ("train-labels-idx1-ubyte", (60000,)),
    "test_images": ("t10k-images-idx3-ubyte", (10000, 28, 28)),
    "test_labels": ("t10k-labels-idx1-ubyte", (10000,)),
}

# Of the uncompressed files, so that any gzip of the right bytes is good.
SHA256 = {
    "mnist": {
        "train_images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "test_images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion_mnist": {
        "train_images": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train_labels": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "test_images": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "test_labels": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}


class DataError(UserError, ValueError):
    """A dataset that was found is not what it should be."""


class NotFound(DataError):
    """A dataset is in none of the places where it may be."""


class _NotThere(Exception):
    """One place does not hold the dataset; the message says why."""


def load(name: str, data_dir: str = "") -> dict[str, np.ndarray]:
    """Returns the files of a dataset from the first place that has them.

    Parameters
    ----------
    name : "mnist" or "fashion_mnist".
    data_dir : a folder with the IDX files, or with a sub-folder `name` that has them; where it is
        empty, the environment's TWINS_DATA_DIR.

    Returns
    -------
    dict of uint8 arrays: train_images [60000, 28, 28], train_labels [60000], test_images
    [10000, 28, 28], test_labels [10000].

    Raises
    ------
    DataError, idx.IdxError : the folder or its files are wrong.
    NotFound : no place has the files, and they could not be fetched.
    """
    data_dir = data_dir or os.environ.get("TWINS_DATA_DIR", "")
    tried = []
    if data_dir:
        if not os.path.isdir(data_dir):
            raise DataError(f"no folder {data_dir}; expected one that holds IDX files")
        try:
            return _from_folder(name, data_dir)
        except _NotThere as reason:
            tried.append(str(reason))
    for from_place in (_from_cache, _from_keras, _from_mirrors):
        try:
            return from_place(name)
        except (_NotThere, DataError, OSError, idx.IdxError) as reason:  # it is only a cache
            tried.append(str(reason))
    files = ", ".join(file for file, _ in FILES.values())
    raise NotFound(
        f"{name} not found: {'; '.join(tried)}. Put {files} (or .gz) in a folder and name it with "
        "--data_dir or TWINS_DATA_DIR, or use --dataset=digits, which needs no files"
    )


def _from_folder(name: str, folder: str) -> dict[str, np.ndarray]:
    """Reads a dataset from a folder, or from its sub-folder `name`."""
    return {key: _read(name, key, _find(name, key, folder)) for key in FILES}


def _find(name: str, key: str, folder: str) -> str:
    file, _ = FILES[key]
    for directory in (os.path.join(folder, name), folder):
        try:
            there = os.listdir(directory)  # unlike os.path.exists, says what it may not read
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise DataError(f"{directory}: {error.strerror}; expected a folder that can be read")
        for candidate in (file, file + ".gz"):
            path = os.path.join(directory, candidate)
            if candidate in there and os.path.isfile(path):
                return path
    raise _NotThere(f"no {file} in {folder}")


def _read(name: str, key: str, path: str) -> np.ndarray:
    _, shape = FILES[key]
    return idx.read(path, len(shape), shape, SHA256[name][key])


def _from_cache(name: str) -> dict[str, np.ndarray]:
    return _from_folder(name, cache_dir(name))


def cache_dir(name: str) -> str:
    """Returns the project's own folder for a dataset; it need not exist."""
    from platformdirs import user_cache_dir

    return os.path.join(user_cache_dir("tf-twins"), name)


def _from_keras(name: str) -> dict[str, np.ndarray]:
    """Reads what `keras.datasets` has downloaded."""
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    if name == "fashion_mnist":
        return _from_folder(name, os.path.join(home, "datasets", "fashion-mnist"))
    path = os.path.join(home, "datasets", "mnist.npz")
    try:
        with np.load(path) as file:
            arrays = dict(zip(FILES, (file[x] for x in ("x_train", "y_train", "x_test", "y_test"))))
        for key, array in arrays.items():
            idx.check_digest(array, path, SHA256[name][key])
        return arrays
    except FileNotFoundError:
        raise _NotThere(f"no {path}")
    except idx.IdxError:
        raise
    except Exception as error:  # noqa: BLE001 (a damaged archive raises a dozen kinds)
        raise _NotThere(f"{path}: damaged ({error})")


def _from_mirrors(name: str) -> dict[str, np.ndarray]:
    """Fetches a dataset from the first mirror that delivers it, right in every byte."""
    failures = []
    for mirror in mirrors(name):
        try:
            return _fetch(name, mirror)
        except (OSError, idx.IdxError) as error:  # no network, no room, wrong bytes
            failures.append(str(error))
    raise _NotThere("; ".join(failures))


def _fetch(name: str, mirror: str) -> dict[str, np.ndarray]:
    """Fetches a dataset into the project's cache.

    Each file is fetched under a temporary name, verified, and only then renamed, so that other
    processes see it whole or not at all, whoever comes first.
    """
    cache = cache_dir(name)
    os.makedirs(cache, exist_ok=True)
    arrays = {}
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        for key, (file, _) in FILES.items():
            packed = download(f"{mirror}{file}.gz", os.path.join(folder, file + ".gz"))
            arrays[key] = _read(name, key, packed)
            with open(os.path.join(folder, file), "wb") as out:
                idx.write(out, arrays[key])
            os.replace(os.path.join(folder, file), os.path.join(cache, file))
    return arrays


def mirrors(name: str) -> list[str]:
    """Returns the addresses to fetch a dataset from: TWINS_MIRROR's sub-folder if that is set."""
    mirror = os.environ.get("TWINS_MIRROR")
    return [f"{mirror.rstrip('/')}/{name}/"] if mirror else MIRRORS[name]


def download(url: str, path: str) -> str:
    """Fetches `url` to `path`, with one retry, and returns `path`.

    Raises
    ------
    ConnectionError : it could not be had.
    """
    import pooch
    from requests import RequestException

    if sys.stderr.isatty():
        print(f"fetching {url}", file=sys.stderr)
    pooch.get_logger().setLevel("WARNING")
    folder, file = os.path.split(path)
    # No known hash here: it would be the gzip's, and it is the contents that count.
    source = pooch.create(folder, "", registry={file: None}, urls={file: url}, retry_if_failed=1)
    fetch = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=20)
    try:
        return source.fetch(file, downloader=fetch)
    except RequestException as error:
        raise ConnectionError(f"{url}: {_cause(error)}")


def _cause(error: BaseException) -> str:
    """Returns what lies at the bottom of a chain of network errors, without its repr."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error)
