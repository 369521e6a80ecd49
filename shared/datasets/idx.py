"""Reads and writes IDX files, the format of MNIST, gzipped or not.

The format: a big-endian magic number (2048 + dimensions, for elements that are bytes), one 32-bit
size for each dimension, then the bytes. Source: http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import operator
import struct
import zlib
from typing import BinaryIO, Sequence

import numpy as np

from shared.console import UserError

_CHUNK = 1 << 20


class IdxError(UserError, ValueError):
    """A file that is not the expected IDX file."""


def read(
    path: str,
    dimensions: int,
    shape: tuple[int, ...] | None = None,
    sha256: str | None = None,
) -> np.ndarray:
    """Returns the elements of an IDX file.

    Parameters
    ----------
    path : str
    dimensions : 3 for images, 1 for labels.
    shape : the expected shape; None accepts any.
    sha256 : the expected digest of the uncompressed file; None accepts any.

    Returns
    -------
    uint8 array with `dimensions` axes.

    Raises
    ------
    IdxError : the file is not the expected IDX file.
    OSError : the file cannot be read.
    """
    with open(path, "rb") as file:
        # By content, not by name: some browsers unpack a download and leave ".gz" in its name.
        is_gzip = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if is_gzip else file
        return parse(stream, path, dimensions, shape, sha256)


def parse(
    stream: BinaryIO,
    name: str,
    dimensions: int,
    shape: tuple[int, ...] | None = None,
    sha256: str | None = None,
) -> np.ndarray:
    """Reads an IDX file from an open stream, as `read` does; messages call it `name`."""
    try:
        header = stream.read(4 * (1 + dimensions))
        sizes = _sizes(header, name, dimensions, shape)
        expected = functools.reduce(operator.mul, sizes, 1)
        payload = _read_at_most(stream, expected + 1)
    except (EOFError, OSError, zlib.error) as error:
        if getattr(error, "errno", None) is not None:  # the system's error, not the gzip module's
            raise
        raise IdxError(f"{name}: damaged gzip ({error}); get the file again")
    if len(payload) != expected:
        amount = len(payload) if len(payload) < expected else "more"
        raise IdxError(
            f"{name}: {amount} bytes after the header, expected {expected} for {_text(sizes)}; "
            "get the file again"
        )
    try:
        array = np.frombuffer(payload, np.uint8).reshape(sizes)
    except ValueError:  # one size is 0, and the product of the others overflows
        raise IdxError(f"{name}: sizes {_text(sizes)}, more than an array can have")
    if sha256:
        check_digest(array, name, sha256)
    return array


def check_digest(array: np.ndarray, name: str, sha256: str) -> None:
    """Raises IdxError if an array does not have the contents of the IDX file with that SHA-256."""
    digest = hashlib.sha256(_header(array))
    digest.update(np.ascontiguousarray(array))
    if digest.hexdigest() != sha256:
        raise IdxError(
            f"{name}: wrong contents: SHA-256 {digest.hexdigest()}, expected {sha256}; "
            "get the file again"
        )


def _sizes(header: bytes, name: str, dimensions: int, shape: tuple[int, ...] | None) -> list[int]:
    """Checks a header and returns its sizes."""
    if len(header) != 4 * (1 + dimensions):
        raise IdxError(
            f"{name}: {len(header)} bytes, too few for an IDX header; get the file again"
        )
    magic, *sizes = struct.unpack(f">{1 + dimensions}I", header)
    if magic != 2048 + dimensions:
        kind = "images" if dimensions == 3 else "labels"
        raise IdxError(
            f"{name}: magic number {magic}, expected {2048 + dimensions}, that of IDX {kind}"
        )
    if shape is not None and tuple(sizes) != tuple(shape):
        raise IdxError(f"{name}: shape {_text(sizes)}, expected {_text(shape)}")
    return sizes


def _text(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


def _read_at_most(stream: BinaryIO, size: int) -> bytearray:
    """Reads up to `size` bytes; the memory grows with the bytes read, not with `size`."""
    payload = bytearray()
    while len(payload) < size:
        chunk = stream.read(min(_CHUNK, size - len(payload)))
        if not chunk:
            break
        payload += chunk
    return payload


def write(file: BinaryIO, array: np.ndarray) -> None:
    """Writes a uint8 array to an open binary file, in the format that `read` reads."""
    file.write(_header(array))
    file.write(np.ascontiguousarray(array))


def _header(array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 2048 + array.ndim, *array.shape)
