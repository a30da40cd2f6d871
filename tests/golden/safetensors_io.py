"""Reads and writes safetensors files with NumPy only; the reader checks every rule of the format.

Layout: u64 little-endian header length, JSON header padded with spaces to a multiple of 8, data.
Read common.py next: it names the tensors that go into a file.
"""

import json
import struct

import numpy as np

DTYPES = {"F64": np.float64, "F32": np.float32, "I64": np.int64, "BOOL": np.bool_}
CODES = {np.dtype(dtype): code for code, dtype in DTYPES.items()}


def write(path, tensors, metadata=None):
    """Writes name -> array, sorted by width of the dtype (widest first, so that all data are aligned), then by name."""
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    header = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, CODES[arrays[name].dtype], name))
    end = 0
    for name in order:
        begin, end = end, end + arrays[name].nbytes
        header[name] = {"dtype": CODES[arrays[name].dtype], "shape": list(arrays[name].shape),
                        "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(arrays[name].astype(arrays[name].dtype.newbyteorder("<")).tobytes())


def refuse_duplicates(pairs):
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("duplicate key in the header")
    return dict(pairs)


def read(path):
    """Returns (name -> array, metadata); raises ValueError if the file breaks a rule of the format."""
    with open(path, "rb") as file:
        content = file.read()
    if len(content) < 8:
        raise ValueError(f"{path}: shorter than the 8 bytes of the header's length")
    (length,) = struct.unpack("<Q", content[:8])
    if length > 100_000_000 or 8 + length > len(content) or content[8:9] != b"{":
        raise ValueError(f"{path}: no header of {length} bytes")
    header = json.loads(content[8:8 + length].decode(), object_pairs_hook=refuse_duplicates)
    data = content[8 + length:]
    metadata = header.pop("__metadata__", {})
    if not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError(f"{path}: __metadata__ holds more than strings")
    tensors, position = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        dtype = np.dtype(DTYPES[entry["dtype"]]).newbyteorder("<")
        count = 1
        for size in entry["shape"]:
            count *= size
        if begin != position or end - begin != count * dtype.itemsize or end > len(data):
            raise ValueError(f"{path}: {name}: offsets [{begin}, {end}] do not fit")
        array = np.frombuffer(data, dtype, count, begin).reshape(entry["shape"])
        tensors[name], position = array.astype(DTYPES[entry["dtype"]]), end
    if position != len(data):
        raise ValueError(f"{path}: {len(data) - position} bytes belong to no tensor")
    return tensors, metadata
