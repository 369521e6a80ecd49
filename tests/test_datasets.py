"""The IDX reader, the places where datasets are looked for, and what comes out."""

import functools
import gzip
import hashlib
import http.server
import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest
from conftest import NOWHERE, ROOT, random_images, write_idx
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shared import datasets
from shared.datasets import idx, reviews, sources, text

ARRAYS = st.one_of(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=1, min_side=0, max_side=40)),
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=6)),
)


def as_bytes(array):
    file = io.BytesIO()
    idx.write(file, array)
    return file.getvalue()


def parse(content, dimensions, **expected):
    return idx.parse(io.BytesIO(content), "FILE", dimensions, **expected)


@given(ARRAYS)
def test_idx_reads_what_it_wrote(array):
    assert np.array_equal(parse(as_bytes(array), array.ndim), array)


@given(ARRAYS, st.data())
def test_idx_refuses_any_other_length(array, data):
    content = as_bytes(array)
    with pytest.raises(idx.IdxError, match="FILE: "):
        parse(content[: data.draw(st.integers(0, len(content) - 1))], array.ndim)
    with pytest.raises(idx.IdxError, match="FILE: more bytes"):
        parse(content + data.draw(st.binary(min_size=1, max_size=50)), array.ndim)


@given(st.data(), st.sampled_from([1, 3]))
def test_idx_never_fails_otherwise(data, dimensions):
    """Whatever sizes a header claims."""
    sizes = data.draw(st.lists(st.sampled_from([0, 1, 2, 2**32 - 1]), min_size=3, max_size=3))
    header = [2048 + dimensions, *sizes[:dimensions]]
    content = b"".join(number.to_bytes(4, "big") for number in header)
    content += data.draw(st.binary(max_size=8))
    try:
        assert as_bytes(parse(content, dimensions)) == content
    except idx.IdxError:
        pass


def test_cache_that_cannot_be_written(places, tmp_path, monkeypatch):
    (tmp_path / "notes").write_text("mine")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "notes" / "cache"))
    with pytest.raises(datasets.NotFound, match="Not a directory: "):
        datasets.load("mnist")


def test_idx_refuses_labels_for_images():
    with pytest.raises(idx.IdxError, match="magic number 2049, expected 2051"):
        parse(as_bytes(np.zeros(20, np.uint8)), 3)


def test_idx_does_not_believe_the_header(tmp_path):
    """A header that claims 2**96 bytes costs no memory."""
    path = tmp_path / "images"
    path.write_bytes(b"\0\0\x08\x03" + b"\xff" * 12 + b"few")
    tracemalloc.start()
    with pytest.raises(idx.IdxError, match="3 bytes after the header"):
        idx.read(path, 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_gzip_bomb_is_read_no_further_than_the_dataset(tmp_path):
    """256 MiB behind the header of MNIST's labels, in a file of 256 KiB."""
    path = tmp_path / "bomb"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"\0\0\x08\x01" + (60000).to_bytes(4, "big"))
        for _ in range(256):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(idx.IdxError, match="more bytes after the header, expected 60000"):
        idx.read(path, 1, shape=(60000,))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_gzip_is_known_by_content(tmp_path):
    (tmp_path / "labels.gz").write_bytes(as_bytes(np.arange(9, dtype=np.uint8)))
    assert len(idx.read(tmp_path / "labels.gz", 1)) == 9


def damage_byte(content):
    return content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: gzip.compress(damage_byte(content), 1), "wrong contents: SHA-256"),
        (lambda content: gzip.compress(content, 1)[:-500], "damaged gzip"),
        (lambda content: gzip.compress(content, 1)[:-6] + b"123456", "damaged gzip"),
        (lambda content: gzip.compress(content[:-1], 1), "9999 bytes after the header"),
        (lambda content: content + b"x", "more bytes after the header"),
        (lambda content: as_bytes(np.zeros((10000, 2, 2), np.uint8)), "magic number 2051"),
        (lambda content: as_bytes(np.zeros(60000, np.uint8)), "shape 60000, expected 10000"),
        (lambda content: b"", "0 bytes, too few for an IDX header"),
    ],
    ids=["byte", "truncated", "crc", "short", "long", "images", "count", "empty"],
)
def test_damaged_file_is_named(tmp_path, mnist_dir, monkeypatch, damage, message):
    """And no other place is tried for it."""
    monkeypatch.setenv("TWINS_MIRROR", NOWHERE)
    files = sources.load("mnist", mnist_dir)
    folder = tmp_path / "mnist"
    write_idx(folder, {key: files[key] for key in files if key != "test_labels"}, pack=False)
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(damage(as_bytes(files["test_labels"])))
    with pytest.raises(idx.IdxError, match=message) as error:
        datasets.load("mnist", str(tmp_path))
    assert str(folder / "t10k-labels-idx1-ubyte.gz") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty home for caches, and no mirror."""
    for name in ("HOME", "XDG_CACHE_HOME", "KERAS_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("TWINS_MIRROR", NOWHERE)
    monkeypatch.delenv("TWINS_DATA_DIR", raising=False)
    return tmp_path


def test_nothing_found_names_every_place(places):
    (places / "data").mkdir()
    with pytest.raises(datasets.NotFound) as error:
        datasets.load("mnist", str(places / "data"))
    for part in (
        str(places / "data"),
        str(places / "XDG_CACHE_HOME" / "tf-twins" / "mnist"),
        str(places / "KERAS_HOME" / "datasets" / "mnist.npz"),
        NOWHERE,
        "t10k-labels-idx1-ubyte",
        "--data_dir",
        "TWINS_DATA_DIR",
        "--dataset=digits",
    ):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_folder_that_is_not_there(places):
    with pytest.raises(datasets.DataError, match="no folder .*/typo"):
        datasets.load("mnist", str(places / "typo"))


def test_folder_without_permission(places):
    """The tests may run as root, whom permissions do not stop: a child reads as nobody."""
    folder = places / "closed"
    folder.mkdir()
    folder.chmod(0)
    code = (
        "import os, sys\n"
        "from shared import datasets\n"
        "os.getuid() or os.setuid(65534)\n"
        f"try: datasets.load('mnist', {str(folder)!r})\n"
        "except datasets.DataError as error: print(error)\n"
    )
    for parent in (places, *places.parents):  # pytest's folders are closed to others
        if parent.stat().st_uid == os.getuid() and parent.is_relative_to("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o055)
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert process.stdout.startswith(str(folder))
    assert process.stdout.endswith(": Permission denied; expected a folder that can be read\n")


def load_from(name, **where):
    data = datasets.load(name, **where)
    assert [len(part) for part in data[1:]] == [55000, 5000, 10000]
    return data


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_found_in_folder_subfolder_and_cache(places, mnist_dir, monkeypatch, name):
    try:
        files = sources.load(name, mnist_dir)
    except datasets.DataError as error:
        pytest.skip(str(error))
    write_idx(places / "flat", files, pack=False)
    load_from(name, data_dir=str(places / "flat"))
    (places / "parent").mkdir()
    (places / "flat").rename(places / "parent" / name)
    load_from(name, data_dir=str(places / "parent"))
    monkeypatch.setenv("TWINS_DATA_DIR", str(places / "parent"))
    load_from(name)
    monkeypatch.delenv("TWINS_DATA_DIR")
    shutil.move(places / "parent", places / "XDG_CACHE_HOME" / "tf-twins")
    load_from(name)


def test_found_in_the_cache_of_keras(places, mnist_dir):
    files = sources.load("mnist", mnist_dir)
    folder = places / "KERAS_HOME" / "datasets"
    folder.mkdir(parents=True)
    names = dict(zip(("x_train", "y_train", "x_test", "y_test"), files.values()))
    np.savez(folder / "mnist.npz", **names)
    load_from("mnist")
    names["y_train"] = names["y_train"][::-1]
    np.savez(folder / "mnist.npz", **names)
    with pytest.raises(datasets.NotFound, match="mnist.npz: wrong contents"):
        datasets.load("mnist")
    array = io.BytesIO()
    np.save(array, names["y_test"])
    for damaged in (b"PK no archive", b"", array.getvalue()):
        (folder / "mnist.npz").write_bytes(damaged)
        with pytest.raises(datasets.NotFound, match="mnist.npz: damaged"):
            datasets.load("mnist")


def test_folder_named_like_a_file(places):
    (places / "data" / "train-images-idx3-ubyte").mkdir(parents=True)
    with pytest.raises(datasets.NotFound, match="no train-images-idx3-ubyte in .*/data"):
        datasets.load("mnist", str(places / "data"))


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    """Serves a folder on 127.0.0.1; returns its address."""
    servers = []

    def serve(folder):
        handler = functools.partial(_Handler, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def mirror(serve, mnist_dir, tmp_path_factory):
    """The address of a mirror that has MNIST in its sub-folder."""
    folder = tmp_path_factory.mktemp("site")
    write_idx(folder / "mnist", sources.load("mnist", mnist_dir))
    return serve(folder)


def test_two_downloads_at_once(places, mirror, monkeypatch):
    monkeypatch.setenv("TWINS_MIRROR", mirror)
    code = "from shared import datasets; print(len(datasets.load('mnist').train))"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [process.communicate()[0] for process in processes] == [b"55000\n"] * 2
    cache = places / "XDG_CACHE_HOME" / "tf-twins" / "mnist"
    assert sorted(os.listdir(cache)) == sorted(file for file, _ in sources.FILES.values())
    monkeypatch.setenv("TWINS_MIRROR", NOWHERE)
    load_from("mnist")


def test_mirror_with_wrong_bytes_leaves_nothing(places, serve, monkeypatch):
    write_idx(places / "site" / "mnist", random_images())
    monkeypatch.setenv("TWINS_MIRROR", serve(places / "site"))
    with pytest.raises(datasets.NotFound, match="shape 53 x 6 x 5, expected 60000 x 28 x 28"):
        datasets.load("mnist")
    assert not list((places / "XDG_CACHE_HOME" / "tf-twins" / "mnist").iterdir())


def test_next_mirror_is_tried(places, mirror, serve, monkeypatch):
    monkeypatch.delenv("TWINS_MIRROR")
    monkeypatch.setitem(sources.MIRRORS, "mnist", [NOWHERE + "/", mirror + "/mnist/"])
    load_from("mnist")


def test_damaged_cache_is_fetched_again(places, mirror, monkeypatch):
    write_idx(places / "XDG_CACHE_HOME" / "tf-twins" / "mnist", random_images())
    monkeypatch.setenv("TWINS_MIRROR", mirror)
    load_from("mnist")


def test_pixels_and_labels(mnist_dir):
    data = load_from("mnist", data_dir=mnist_dir)
    images, labels = data.test.batch(slice(0, 100), one_hot=False).values()
    assert images.shape == (100, 784) and images.dtype == np.float32
    assert images.min() == 0 and images.max() == 1
    assert list(labels[:5]) == [7, 2, 1, 0, 4] and labels.dtype == np.int64
    one_hot = data.test.batch(np.array([2, 0]))["labels"]
    assert one_hot.dtype == np.float32
    assert [list(np.flatnonzero(row)) for row in one_hot] == [[1], [7]]


def test_scaling_is_that_of_the_tutorial():
    every_byte = datasets.Images(np.arange(784).astype(np.uint8)[None], np.zeros(1, np.uint8))
    images = every_byte.batch([0])["images"]
    expected = np.multiply(np.arange(256).astype(np.float32), 1.0 / 255.0)
    assert np.array_equal(images[0, :256], expected)
    assert np.sum(expected != np.arange(256).astype(np.float32) / np.float32(255)) == 126


def test_validation_size(places):
    data = datasets.load("digits", validation_size=0)
    assert [len(part) for part in data[1:]] == [1397, 0, 400]
    held_out = datasets.load("digits", validation_size=7)
    assert np.array_equal(held_out.train.images, data.train.images[7:])
    for size in (-1, 1397):
        with pytest.raises(datasets.DataError, match="expected 0 to 1396"):
            datasets.load("digits", validation_size=size)


def test_digits_are_those_of_the_file(places):
    data = datasets.load("digits")
    assert [len(part) for part in data[1:]] == [1297, 100, 400]
    assert list(data.train.labels[:12]) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    with np.load(Path(datasets.__file__).parent / "digits.npz") as file:
        small, labels = file["images"], file["labels"]
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    for part, start in ((data.train, 0), (data.validation, 1297), (data.test, 1397)):
        assert np.array_equal(part.labels, labels[start : start + len(part)])
        corner = part.images.reshape(-1, 28, 28)[:, 2:26:3, 2:26:3]
        assert np.array_equal(corner, small[start : start + len(part)].astype(int) * 255 // 16)


def test_hash_is_that_of_the_uncompressed_file(mnist_dir):
    content = as_bytes(sources.load("mnist", mnist_dir)["test_labels"])
    assert hashlib.sha256(content).hexdigest() == sources.SHA256["mnist"]["test_labels"]


SNIPPETS, IMDB, WORD_INDEX = sources.DOWNLOADS
RATED = "".join(f"{n}\t{n - 15.5}\t{n} films, {n % 3} of them good\n" for n in range(1, 31))


def load_reviews(name="movie_reviews", data_dir="", vocabulary=100, length=None):
    flags = types.SimpleNamespace(
        dataset=name, data_dir=data_dir, vocabulary=vocabulary, length=length
    )
    return reviews.load(flags), reviews.words(flags)


def expect(monkeypatch, file, content):
    """Makes `content` the right contents of a file."""
    kind, _ = sources.DIGESTS[file]
    digest = hashlib.new(kind, content).hexdigest()
    monkeypatch.setitem(sources.DIGESTS, file, (kind, digest))


def write_archive(path, content, name="hutto/" + SNIPPETS):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for member, data in (("hutto/README", b"Read me"), (name, content)):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_reviews_in_folder_subfolder_archive_and_cache(places, monkeypatch):
    content = RATED.encode()
    expect(monkeypatch, SNIPPETS, content)
    folder = places / "data"
    folder.mkdir()
    for path, data in (
        (folder / SNIPPETS, content),
        (folder / (SNIPPETS + ".gz"), gzip.compress(content)),
        (folder / "movie_reviews" / SNIPPETS, content),
        (places / "XDG_CACHE_HOME" / "tf-twins" / "movie_reviews" / SNIPPETS, content),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        data, _ = load_reviews(data_dir=str(folder))
        path.unlink()
        assert [len(part) for part in data[1:]] == [24, 3, 3]
    write_archive(folder / "hutto_ICWSM_2014.tar.gz", content)
    monkeypatch.setenv("TWINS_DATA_DIR", str(folder))
    load_reviews()


def test_reviews_are_split_by_number(places, monkeypatch):
    """Numbers that end with 5 validate, those with 0 test; the words are the training set's."""
    expect(monkeypatch, SNIPPETS, RATED.encode())
    (places / SNIPPETS).write_text(RATED)
    data, words = load_reviews(data_dir=str(places))
    assert words[:5] == ["", text.SPECIAL[1], "films", "good", "of"]  # and "them": equally frequent
    found = []
    for part in data[1:]:
        assert part.arrays["words"].shape[1] == 64 and part.arrays["words"].dtype == np.int32
        assert part.arrays["positive"].dtype == np.float32
        found.append([words[row[row > 0][0]] for row in part.arrays["words"]])
    numbers = [str(n) for n in range(1, 31) if n % 5]
    assert sorted(found[0]) == sorted(numbers) and found[0] != numbers
    assert [bool(p) for p in data.train.arrays["positive"]] == [int(n) > 15 for n in found[0]]
    assert {*found[1], *found[2]} == {
        text.SPECIAL[1]
    }  # their numbers are not in the training texts
    assert load_reviews(data_dir=str(places), length=3)[0].test.arrays["words"].shape == (3, 3)


def test_reviews_of_the_notes(mnist_dir, monkeypatch):
    """The real file: the training set begins with about as many positive reviews as negative."""
    monkeypatch.setenv("TWINS_MIRROR", NOWHERE)
    try:
        data, words = load_reviews(data_dir=mnist_dir, vocabulary=2000)
    except datasets.DataError as error:
        pytest.skip(str(error))
    assert [len(part) for part in data[1:]] == [8484, 1061, 1060] and len(words) == 2000
    assert words[2:6] == ["the", "a", "and", "of"]
    for part in (data.train, data.train.first(1000), data.validation, data.test):
        assert 0.47 < part.arrays["positive"].mean() < 0.53


def test_download_of_reviews(places, serve, monkeypatch):
    content = RATED.encode()
    expect(monkeypatch, SNIPPETS, content)
    write_archive(places / "site" / "movie_reviews" / "hutto_ICWSM_2014.tar.gz", content)
    monkeypatch.setenv("TWINS_MIRROR", serve(places / "site"))
    load_reviews()
    monkeypatch.setenv("TWINS_MIRROR", NOWHERE)
    load_reviews()
    cache = places / "XDG_CACHE_HOME" / "tf-twins" / "movie_reviews"
    assert [path.name for path in cache.iterdir()] == [SNIPPETS]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda path: write_archive(path, b"other"),
            "wrong contents: SHA-256 d9298a10d1b0735837dc4b",
        ),
        (lambda path: write_archive(path, b"", "hutto/other"), f"no {SNIPPETS} in it"),
        (lambda path: path.write_bytes(b"no archive"), "damaged .not a gzip file"),
    ],
    ids=["contents", "member", "archive"],
)
def test_damaged_archive_of_reviews(places, serve, monkeypatch, write, message):
    """In a folder it is an error; from a mirror it leaves nothing."""
    path = places / "movie_reviews" / "hutto_ICWSM_2014.tar.gz"
    path.parent.mkdir()
    write(path)
    with pytest.raises(datasets.DataError, match=message) as error:
        load_reviews(data_dir=str(places))
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)
    monkeypatch.setenv("TWINS_MIRROR", serve(places))
    with pytest.raises(datasets.NotFound, match=message) as error:
        load_reviews()
    assert "\n" not in str(error.value)
    assert not list((places / "XDG_CACHE_HOME" / "tf-twins" / "movie_reviews").iterdir())


@given(st.booleans(), st.data())
def test_damaged_reviews_never_fail_otherwise(tmp_path_factory, is_archive, data):
    """Whatever bytes of a packed file are wrong or missing."""
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / ("hutto_ICWSM_2014.tar.gz" if is_archive else SNIPPETS + ".gz")
    if is_archive:
        write_archive(path, RATED.encode())
    else:
        path.write_bytes(gzip.compress(RATED.encode()))
    content = path.read_bytes()
    if data.draw(
        st.booleans()
    ):  # damage what is inside the gzip, such as the header of the archive
        content = gzip.decompress(content)
    start = data.draw(st.integers(0, min(600, len(content))))
    wrong = data.draw(st.binary(max_size=12))
    content = content[:start] + wrong + content[start + data.draw(st.integers(0, 12)) :]
    path.write_bytes(content if content[:2] == b"\x1f\x8b" else gzip.compress(content))
    with pytest.MonkeyPatch.context() as patch:
        expect(patch, SNIPPETS, RATED.encode())
        try:
            assert sources.load_file("movie_reviews", SNIPPETS, str(folder)) == RATED.encode()
        except datasets.DataError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)


def test_reviews_found_nowhere(places):
    for name, file, instead in (
        ("movie_reviews", f"{SNIPPETS} (or .gz) or hutto_ICWSM_2014.tar.gz", ""),
        ("imdb", IMDB, "--dataset=movie_reviews"),
    ):
        with pytest.raises(datasets.NotFound, match=f"^{name} not found: ") as error:
            load_reviews(name)
        parts = (file, instead, NOWHERE, str(places / "KERAS_HOME"), "--data_dir or TWINS_DATA_DIR")
        assert all(part in str(error.value) for part in parts) and "\n" not in str(error.value)
    with pytest.raises(datasets.DataError, match="no folder .*/typo; expected one"):
        load_reviews(data_dir=str(places / "typo"))


class Written:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "unpickled")


def as_imdb(*rows):
    file = io.BytesIO()
    lists = np.empty(len(rows), object)
    lists[:] = rows
    labels = np.arange(len(rows)) % 2
    np.savez(file, x_train=lists, y_train=labels, x_test=lists[::-1], y_test=labels[::-1])
    return file.getvalue()


def test_imdb_is_not_unpickled_before_its_sum_is_right(places, monkeypatch):
    written = places / "written"
    (places / IMDB).write_bytes(as_imdb([1], Written(written)))
    with pytest.raises(datasets.DataError, match="imdb.npz: wrong contents: SHA-256"):
        load_reviews("imdb", str(places))
    assert not written.exists()


def test_imdb_is_converted_once(places, monkeypatch):
    """From the downloads of Keras; the second time it is read from plain arrays."""
    content = as_imdb(*([1, 98, 99, k] for k in range(1, 31)))
    index = b'{"good": 2, "the": 1, "bad": 3}'
    expect(monkeypatch, IMDB, content)
    expect(monkeypatch, WORD_INDEX, index)
    folder = places / "KERAS_HOME" / "datasets"
    folder.mkdir(parents=True)
    (folder / IMDB).write_bytes(content)
    (folder / WORD_INDEX).write_bytes(index)
    data, words = load_reviews("imdb")
    assert words == ["", text.SPECIAL[1], "the", "good", "bad"]
    assert [len(part) for part in data[1:]] == [27, 3, 30]
    assert data.train.arrays["words"].shape == (27, 500)
    # Keras's 1 is the first word, and so 2 here; 99 would be 100, which the vocabulary lacks.
    assert data.validation.arrays["words"][:, -4:].tolist() == [
        [2, 99, 1, k + 1] for k in (10, 20, 30)
    ]
    assert data.validation.arrays["positive"].tolist() == [1, 1, 1]
    assert data.test.arrays["words"][:2, -1].tolist() == [31, 30]
    monkeypatch.setattr(reviews, "_unpickle", None)
    again, _ = load_reviews("imdb", length=2)
    assert np.array_equal(again.test.arrays["words"], data.test.arrays["words"][:, -2:])
    monkeypatch.undo()


@pytest.mark.parametrize("damage", ["missing", "truncated", "another"])
def test_damaged_conversion_of_imdb_is_made_again(places, monkeypatch, damage):
    content = as_imdb([1, 2], [3])
    expect(monkeypatch, IMDB, content)
    expect(monkeypatch, WORD_INDEX, b"{}")
    for file, data in ((IMDB, content), (WORD_INDEX, b"{}")):
        (places / file).write_bytes(data)
    first, _ = load_reviews("imdb", str(places))
    (converted,) = (places / "XDG_CACHE_HOME" / "tf-twins" / "imdb").iterdir()
    if damage == "missing":
        converted.unlink()
    elif damage == "truncated":
        converted.write_bytes(converted.read_bytes()[:-100])
    else:
        np.savez(converted, other=np.arange(3))
    again, _ = load_reviews("imdb", str(places))
    assert np.array_equal(again.test.arrays["words"], first.test.arrays["words"])
    assert converted.exists()
