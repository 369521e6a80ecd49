"""Reads .npz files, which may be damaged, with a limit on memory."""

from __future__ import annotations

import os
import re
import struct
import sys
import zipfile

import numpy as np

# A file may unpack to four times its size, or to this many bytes if that is more.
UNPACKED_BYTES = 64 * 2**20
# The header that np.save writes before the data of an array of numbers or text. NumPy's parser
# evaluates the header as Python. On a damaged header it may take very long, or raise many kinds of
# errors.
_HEADER = re.compile(
    rb"\{'descr': '([<>|][biufU]\d{1,9})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,18}(?:, ?|(?=\))))*)\), \} *\n"
)


def load(path: str) -> dict[str, np.ndarray]:
    """Reads all arrays of an .npz file that np.savez or np.savez_compressed has written.

    Parameters
    ----------
    path : the file.

    Returns
    -------
    {name: array}; NumPy's kinds b, i, u, f and U, in the machine's byte order.

    Raises
    ------
    OSError : the file cannot be opened.
    ValueError : it is not such a file, it is damaged, or it unpacks to too many bytes.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(archive, max(UNPACKED_BYTES, 4 * size))
        except Exception as error:  # noqa: BLE001 (a damaged archive raises many kinds of errors)
            raise ValueError(str(error) or repr(error))


def _read(archive: zipfile.ZipFile, most_bytes: int) -> dict[str, np.ndarray]:
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > most_bytes:
        raise ValueError(f"it unpacks to {unpacked:,} bytes, expected at most {most_bytes:,}")
    arrays = {}
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"unknown compression {member.compress_type}")
        name, extension = os.path.splitext(member.filename)
        if extension != ".npy" or name in arrays:
            raise ValueError(f"unexpected member {member.filename}")
        with archive.open(member) as file:
            # Without a size, zipfile may unpack 2 GiB before it truncates the result.
            arrays[name] = _array(file.read(member.file_size))
    return arrays


def _array(content: bytes) -> np.ndarray:
    """Returns the array of a .npy file of version 1.0, which has a header of at most 64 KiB."""
    magic, length = struct.unpack_from("<8sH", content)
    header = _HEADER.fullmatch(content[10 : 10 + length])
    if magic != b"\x93NUMPY\x01\x00" or not header:
        raise ValueError("an array with an unexpected header")
    dtype = np.dtype(header.group(1).decode())
    shape = [int(size) for size in header.group(3).replace(b",", b" ").split()]
    count = 1
    for size in shape:  # Python's integers do not overflow
        count *= size
    if not dtype.isnative or not dtype.itemsize:
        raise ValueError(f"an array of the unexpected type {dtype.str}")
    if count * dtype.itemsize != len(content) - 10 - length:
        raise ValueError("an array whose shape and data disagree")
    if dtype.kind == "U":
        characters = np.frombuffer(content, np.uint32, offset=10 + length)
        if (characters > sys.maxunicode).any():  # NumPy would build invalid strings of these
            raise ValueError("a text with invalid characters")
    order = "F" if header.group(2) == b"True" else "C"
    return np.frombuffer(content, dtype, offset=10 + length).reshape(shape, order=order).copy()
