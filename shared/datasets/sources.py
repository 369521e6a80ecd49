"""Finds, downloads and verifies the files of the datasets."""

from __future__ import annotations

import functools
import gzip
import hashlib
import os
import sys
import tarfile
import tempfile
import zlib
from typing import Callable, Sequence

import numpy as np

from shared import files, outputs
from shared.console import UserError
from shared.datasets import idx

# Each mirror serves the files of a dataset: FILES, gzipped, or those of DOWNLOADS. The first mirror
# that answers is used.
MIRRORS = {
    "mnist": [
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ],
    "fashion_mnist": ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
    "movie_reviews": [
        "https://raw.githubusercontent.com/cjhutto/vaderSentiment/master/additional_resources/"
    ],
    "imdb": ["https://storage.googleapis.com/tensorflow/tf-keras-datasets/"],
}

FILES = {
    "train_images": ("train-images-idx3-ubyte", (60000, 28, 28)),
    "train_labels": ("train-labels-idx1-ubyte", (60000,)),
    "test_images": ("t10k-images-idx3-ubyte", (10000, 28, 28)),
    "test_labels": ("t10k-labels-idx1-ubyte", (10000,)),
}

# The hashes of the uncompressed files, so that any gzip of the right bytes is accepted.
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

# The files of the other datasets, and the names under which mirrors serve them.
DOWNLOADS = {
    "movieReviewSnippets_GroundTruth.txt": "hutto_ICWSM_2014.tar.gz",
    "imdb.npz": "imdb.npz",
    "imdb_word_index.json": "imdb_word_index.json",
}

# The hashes of their contents: SHA-256, or MD5 where Keras publishes no other.
DIGESTS = {
    "movieReviewSnippets_GroundTruth.txt": (
        "sha256",
        "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
    ),
    "imdb.npz": (
        "sha256",
        "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
    ),
    "imdb_word_index.json": ("md5", "bfafd718b763782e994055a2d397834f"),
}

_MOST_BYTES = 64 * 2**20  # no file of DOWNLOADS is larger


class DataError(UserError, ValueError):
    """A dataset is not available, or is damaged."""


class NotFound(DataError):
    """A dataset was found nowhere and could not be downloaded."""


class _NotThere(Exception):
    """A place does not have the dataset; the message says why."""


def load(name: str, data_dir: str = "") -> dict[str, np.ndarray]:
    """Returns the files of a dataset, from the first place that has them.

    Parameters
    ----------
    name : "mnist" or "fashion_mnist".
    data_dir : a folder with the IDX files, or with a sub-folder `name` that has them. Default: the
        environment's TWINS_DATA_DIR.

    Returns
    -------
    dict of uint8 arrays: train_images [60000, 28, 28], train_labels [60000], test_images
    [10000, 28, 28], test_labels [10000].

    Raises
    ------
    DataError, idx.IdxError : the folder or its files are wrong.
    NotFound : no place has the files, and they could not be downloaded.
    """
    names = ", ".join(file for file, _ in FILES.values())
    places = (_from_folder, _from_cache, _from_keras, _from_mirrors)
    return _search(name, data_dir, places, f"{names} (or .gz)", "digits, which needs no files")


def load_file(name: str, file: str, data_dir: str = "", instead: str = "") -> bytes:
    """Returns the contents of a file of a dataset, from the first place that has it.

    Parameters
    ----------
    name : the dataset.
    file : one of DOWNLOADS. It may be gzipped, or inside the archive that mirrors serve.
    data_dir : as for `load`.
    instead : what the message of NotFound offers as another dataset, if any.

    Raises
    ------
    DataError : the folder or its file is wrong.
    NotFound : no place has the file, and it could not be downloaded.
    """
    places = (_file_from_folder, _file_from_cache, _file_from_keras, _file_from_mirrors)
    places = [functools.partial(place, file) for place in places]
    served = DOWNLOADS[file]
    names = f"{file} (or .gz)" + ("" if served == file else f" or {served}")
    return _search(name, data_dir, places, names, instead)


def fetch(name: str, data_dir: str = "") -> None:
    """Downloads the files of a dataset, unless a place has them.

    Raises
    ------
    DataError, idx.IdxError : as `load` and `load_file`.
    """
    if name in SHA256:
        load(name, data_dir)
    movies, imdb, imdb_words = DOWNLOADS
    for file in {"movie_reviews": [movies], "imdb": [imdb, imdb_words]}.get(name, ()):
        load_file(name, file, data_dir)


def _search(
    name: str, data_dir: str, places: Sequence[Callable], names: str, instead: str
) -> dict[str, np.ndarray] | bytes:
    """Returns what the first place has.

    Parameters
    ----------
    name, data_dir : as for `load`.
    places : functions of `name`; the first takes `data_dir` too. If what it has is wrong, no other
        place is tried.
    names : the names of the files, for the message of NotFound.
    instead : another dataset that it offers, if any.
    """
    from_folder, *elsewhere = places
    data_dir = data_dir or os.environ.get("TWINS_DATA_DIR", "")
    outputs.check_text(data_dir, "--data_dir or TWINS_DATA_DIR")
    tried = []
    if data_dir:
        if not os.path.isdir(data_dir):
            raise DataError(f"no folder {data_dir}; expected one that holds the files of {name}")
        try:
            return from_folder(name, data_dir)
        except _NotThere as reason:
            tried.append(str(reason))
    for from_place in elsewhere:
        try:
            return from_place(name)
        except (_NotThere, DataError, OSError, idx.IdxError) as reason:  # try the next
            tried.append(str(reason))
    raise NotFound(
        f"{name} not found: {'; '.join(tried)}. Put {names} in a folder and name it with "
        "--data_dir or TWINS_DATA_DIR" + (instead and f", or use --dataset={instead}")
    )


def _from_folder(name: str, folder: str) -> dict[str, np.ndarray]:
    """Reads a dataset from a folder, or from its sub-folder `name`."""
    return {
        key: _read(name, key, _find(name, folder, file, file + ".gz"))
        for key, (file, _) in FILES.items()
    }


def _find(name: str, folder: str, *candidates: str) -> str:
    """Returns the path of the first candidate in a folder or its sub-folder `name`."""
    for directory in (os.path.join(folder, name), folder):
        try:
            there = os.listdir(directory)  # os.path.exists would hide a missing permission
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise DataError(f"{directory}: {error.strerror}; expected a folder that can be read")
        for candidate in candidates:
            path = os.path.join(directory, candidate)
            if candidate in there and os.path.isfile(path):
                return path
    raise _NotThere(f"no {candidates[0]} in {folder}")


def _read(name: str, key: str, path: str) -> np.ndarray:
    _, shape = FILES[key]
    return idx.read(path, len(shape), shape, SHA256[name][key])


def _from_cache(name: str) -> dict[str, np.ndarray]:
    return _from_folder(name, cache_dir(name))


def cache_dir(name: str) -> str:
    """Returns the project's cache folder for a dataset; it need not exist."""
    from platformdirs import user_cache_dir

    return os.path.join(user_cache_dir("tf-twins"), name)


def _from_keras(name: str) -> dict[str, np.ndarray]:
    """Reads a dataset that `keras.datasets` has downloaded."""
    if name == "fashion_mnist":
        return _from_folder(name, os.path.join(_keras_dir(), "fashion-mnist"))
    path = os.path.join(_keras_dir(), "mnist.npz")
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
    except Exception as error:  # noqa: BLE001 (a damaged archive raises many kinds of errors)
        raise _NotThere(f"{path}: damaged ({error})")


def _keras_dir() -> str:
    """Returns the folder of Keras's downloads."""
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    return os.path.join(home, "datasets")


def _from_mirrors(name: str, fetch: Callable | None = None) -> dict[str, np.ndarray] | bytes:
    """Downloads a dataset from the first mirror that delivers the right bytes."""
    failures = []
    for mirror in mirrors(name):
        try:
            return (fetch or _fetch)(name, mirror)
        except (OSError, DataError, idx.IdxError) as error:  # no network, no room, wrong bytes
            failures.append(str(error))
    raise _NotThere("; ".join(failures))


def _fetch(name: str, mirror: str) -> dict[str, np.ndarray]:
    """Downloads a dataset into the project's cache.

    Each file gets its name only after it is verified, so other processes never see an incomplete
    file.
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


def _file_from_folder(file: str, name: str, folder: str) -> bytes:
    """Reads a file from a folder, or from its sub-folder `name`, and verifies it."""
    path = _find(name, folder, file, file + ".gz", DOWNLOADS[file])
    try:
        content = _unpacked(path, file)
    except (EOFError, tarfile.TarError, zlib.error, OSError) as error:
        if getattr(error, "errno", None) is not None:  # the system's error, not the gzip module's
            raise DataError(f"{path}: {error.strerror}; expected a file that can be read")
        raise DataError(f"{path}: damaged ({error}); get the file again")
    kind, expected = DIGESTS[file]
    digest = hashlib.new(kind, content).hexdigest()
    if digest != expected:
        label = {"sha256": "SHA-256", "md5": "MD5"}[kind]
        raise DataError(
            f"{path}: wrong contents: {label} {digest}, expected {expected}; get the file again"
        )
    return content


def _unpacked(path: str, file: str) -> bytes:
    """Returns the contents of a file, which may be gzipped or inside an archive.

    At most _MOST_BYTES are read. A longer file then has the wrong digest.
    """
    if path.endswith(".tar.gz"):
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.isfile() and os.path.basename(member.name) == file:
                    return archive.extractfile(member).read(_MOST_BYTES)
        raise DataError(f"{path}: no {file} in it; get the archive again")
    with open(path, "rb") as packed:
        is_gzip = packed.read(2) == b"\x1f\x8b"
        packed.seek(0)
        return (gzip.GzipFile(fileobj=packed) if is_gzip else packed).read(_MOST_BYTES)


def _file_from_cache(file: str, name: str) -> bytes:
    return _file_from_folder(file, name, cache_dir(name))


def _file_from_keras(file: str, name: str) -> bytes:
    return _file_from_folder(file, name, _keras_dir())


def _file_from_mirrors(file: str, name: str) -> bytes:
    """Downloads a file into the project's cache, from the first mirror that has the right bytes."""

    def fetch(name, mirror):
        cache = cache_dir(name)
        os.makedirs(cache, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            download(mirror + DOWNLOADS[file], os.path.join(folder, DOWNLOADS[file]))
            content = _file_from_folder(file, name, folder)
        with files.replacing(os.path.join(cache, file)) as out:
            out.write(content)
        return content

    return _from_mirrors(name, fetch)


def mirrors(name: str) -> list[str]:
    """Returns the addresses of a dataset; TWINS_MIRROR replaces the defaults."""
    mirror = os.environ.get("TWINS_MIRROR")
    return [f"{mirror.rstrip('/')}/{name}/"] if mirror else MIRRORS[name]


def download(url: str, path: str) -> str:
    """Downloads `url` to `path`, with one retry, and returns `path`.

    Raises
    ------
    ConnectionError : the download failed.
    """
    import pooch
    from requests import RequestException

    if sys.stderr.isatty():
        print(f"fetching {url}", file=sys.stderr)
    pooch.get_logger().setLevel("WARNING")
    folder, file = os.path.split(path)
    # No hash here: it would be the gzip's. The caller verifies the contents.
    source = pooch.create(folder, "", registry={file: None}, urls={file: url}, retry_if_failed=1)
    fetch = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=20)
    try:
        return source.fetch(file, downloader=fetch)
    except RequestException as error:
        raise ConnectionError(f"{url}: {_cause(error)}")


def _cause(error: BaseException) -> str:
    """Returns the message of the first error in a chain of network errors."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error)
