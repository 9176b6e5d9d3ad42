# SPDX-License-Identifier: Apache-2.0
"""Writes a safetensors file of bfloat16 tensors by many threads: gigabytes of random weights in seconds."""
import json
import math
import os
import struct
from concurrent.futures import ThreadPoolExecutor

PIECE = 32 << 20  # elements that a thread writes at once


def write(path, shapes, elements, jobs):
    """`shapes`: {name: shape}; `elements(name, begin, end)`: those of a tensor, as a buffer of 2 bytes each."""
    header, pieces, offset = {}, [], 0
    for name, shape in shapes.items():
        count = math.prod(shape)
        header[name] = dict(dtype="BF16", shape=list(shape), data_offsets=[offset, offset + 2 * count])
        pieces += [(name, begin, min(begin + PIECE, count), offset + 2 * begin) for begin in range(0, count, PIECE)]
        offset += 2 * count
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        start = file.tell()
        file.flush()

        def put(piece):
            name, begin, end, place = piece
            written = os.pwrite(file.fileno(), elements(name, begin, end), start + place)
            if written != 2 * (end - begin):
                raise OSError(f"{path}: {written} bytes of {2 * (end - begin)} were written")
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(put, pieces))
