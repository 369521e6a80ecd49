"""Checks the files of a checkpoint before TensorFlow reads them.

TensorFlow verifies only the checksums of an index and trusts everything else. If an address is
damaged, it may allocate more memory than the machine has. If a shape is wrong, it aborts the
process.

An index file is a LevelDB table: blocks of sorted keys and values, an index of the blocks, and a
footer with the address of that index. The values are protocol buffers
(tensorflow/core/protobuf/tensor_bundle.proto) that say where each tensor is in the data files.
"""

from __future__ import annotations

import os
import struct
from typing import Iterator

_FOOTER = 48  # bytes; the last eight are _MAGIC
_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_TRAILER = 5  # bytes after a block: its compression and its checksum
# Bytes of an element, by TensorFlow's number of the dtype.
_SIZES = {
    **dict.fromkeys((4, 6, 10, 11, 12), 1),
    **dict.fromkeys((5, 14, 15, 16, 17, 19), 2),
    **dict.fromkeys((1, 3, 13, 22), 4),
    **dict.fromkeys((2, 8, 9, 23), 8),
    18: 16,
}
_VARIABLE_SIZES = (7, 21, *range(24, 33))  # strings, variants and tiny floats: at least one byte


def check(path: str, header_class, entry_class) -> None:
    """Checks that the files of a checkpoint exist, are complete and match each other.

    Parameters
    ----------
    path : the checkpoint, as `tf.train.load_checkpoint` takes it.
    header_class, entry_class : the protocol buffers BundleHeaderProto and BundleEntryProto.

    Raises
    ------
    OSError : a file cannot be read.
    ValueError : a file is missing, damaged, or not part of a checkpoint.
    """
    index = path + ".index"
    if not os.path.isfile(index):  # a single file, as TensorFlow wrote before version 0.12
        list(_table(path))
        return
    entries = _table(index)
    key, header = next(entries, (None, b""))
    if key != b"":
        raise ValueError("its index has no header")
    shards = _parse(header_class, header).num_shards
    sizes = {}  # bytes of each data file, by number
    claimed = 0  # bytes of all tensors that are split into slices
    for key, content in entries:
        entry = _parse(entry_class, content)
        name = key.decode(errors="replace")
        if not 0 <= entry.shard_id < shards:
            raise ValueError(f"{name} is in data file {entry.shard_id} of {shards}")
        if entry.shard_id not in sizes:
            data = f"{path}.data-{entry.shard_id:05d}-of-{shards:05d}"
            if not os.path.isfile(data):
                raise ValueError(f"{os.path.basename(data)} is missing")
            sizes[entry.shard_id] = os.path.getsize(data)
        claimed += _check_entry(name, entry, sizes[entry.shard_id])
    if claimed > sum(sizes.values()):
        raise ValueError("its tensors are larger than its data files")


def _parse(message_class, content: bytes):
    try:
        return message_class.FromString(content)
    except Exception as error:  # noqa: BLE001 (`shared` does not import protobuf's error)
        raise ValueError(f"its index has a damaged entry ({error})")


def _check_entry(name: str, entry, data_size: int) -> int:
    """Checks a tensor's shape and place; returns its bytes if it is split into slices, else 0."""
    lengths = [dimension.size for dimension in entry.shape.dim]
    if len(lengths) > 254 or min(lengths, default=0) < 0 or entry.shape.unknown_rank:
        raise ValueError(f"{name} has the shape {lengths[:5]}")
    if entry.dtype not in _SIZES and entry.dtype not in _VARIABLE_SIZES:
        raise ValueError(f"{name} has the unknown dtype {entry.dtype}")
    size = _SIZES.get(entry.dtype, 1)
    for length in lengths:  # Python's integers do not overflow
        size *= length
    if entry.slices:  # each slice has its own entry
        return size
    if not 0 <= entry.offset <= entry.offset + entry.size <= data_size:
        raise ValueError(f"the data file ends before {name}")
    if entry.size < size or (entry.dtype in _SIZES and entry.size != size):
        raise ValueError(f"{name} takes {entry.size} bytes, expected {size}")
    return 0


def _table(path: str) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys and values of a table; skips compressed blocks, which are rare."""
    with open(path, "rb") as file:
        content = file.read()
    name = os.path.basename(path)
    if len(content) < _FOOTER or content[-8:] != _MAGIC:
        raise ValueError(f"{name} is not a table of tensors, or is incomplete")
    footer = content[-_FOOTER:-8]
    _, start = _block(content, footer, 0, 0)  # the table's properties; TensorFlow reads them too
    index, _ = _block(content, footer, start, 0)
    end = 0
    for _, address in _pairs(index):
        block, _ = _block(content, address, 0, end)
        offset, start = _varint(address, 0)
        end = offset + _varint(address, start)[0]  # so that no block is read twice
        yield from _pairs(block)


def _block(content: bytes, address: bytes, start: int, least: int) -> tuple[bytes, int]:
    """Returns the block at an address (empty if compressed), and where the address ends."""
    offset, start = _varint(address, start)
    size, start = _varint(address, start)
    if offset < least or offset + size + _TRAILER > len(content) - _FOOTER:
        raise ValueError(f"its index has a block at byte {offset:,} of {size:,} bytes")
    return content[offset : offset + size] if content[offset + size] == 0 else b"", start


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys and values of a block. A key stores only what differs from the key before.

    The block ends with the addresses of the complete keys, and the number of these addresses.
    """
    if not block:
        return
    (restarts,) = struct.unpack("<I", block[-4:].rjust(4, b"\xff"))
    end, start, key = len(block) - 4 - 4 * restarts, 0, b""
    if end < 0:
        raise ValueError("its index has a damaged block")
    while start < end:
        shared, start = _varint(block, start)
        added, start = _varint(block, start)
        length, start = _varint(block, start)
        if shared > len(key) or start + added + length > end:
            raise ValueError("its index has a damaged block")
        key = key[:shared] + block[start : start + added]
        start += added
        yield key, block[start : start + length]
        start += length


def _varint(content: bytes, start: int) -> tuple[int, int]:
    """Reads an integer stored in seven bits per byte; returns it and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        if start >= len(content):
            break
        byte = content[start]
        start += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), start
    raise ValueError("its index has a damaged number")
