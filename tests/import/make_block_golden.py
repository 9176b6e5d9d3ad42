#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes BlockGolden.inc: random blocks of every GGUF format we read and what the `gguf` package dequantizes them to."""
import pathlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize

FORMATS = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]
# Where a block's float16 scales lie; the other bytes may be anything.
SCALES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2],
          "Q6_K": [208]}
SPECIAL = np.array([0.0, -0.0, 6e-8, -3e-5, 65504.0, 1.0], np.float16)


def blocks_of(name, rng):
    """Blocks with random bytes, among them zero, subnormal, negative and largest scales; no infinities."""
    elements, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    if elements == 1:
        if name == "BF16":
            return rng.normal(size=64).astype(np.float32).view(np.uint16)[1::2].copy().view(np.uint8)
        values = rng.normal(size=64).astype(np.float16)
        values[: len(SPECIAL)] = SPECIAL
        return values.view(np.uint8)
    count = 8 if elements == 32 else 2
    blocks = rng.integers(0, 256, (count, size), np.uint8)
    for at in SCALES[name]:
        scales = (rng.normal(size=count) * 0.02).astype(np.float16)
        special = SPECIAL[rng.permutation(len(SPECIAL))][: count // 2]
        scales[: len(special)] = special
        blocks[:, at : at + 2] = scales.view(np.uint8).reshape(count, 2)
    return blocks.reshape(-1)


def lines(values, form, per_line):
    for i in range(0, len(values), per_line):
        yield "     " + " ".join(form.format(v) + "," for v in values[i : i + per_line])


def main():
    rng = np.random.default_rng(7)
    out = ["// SPDX-License-Identifier: Apache-2.0",
           "// Made by make_block_golden.py: {ggml type id, name, blocks' bytes, the bits of their float32 values}.",
           "// clang-format off"]
    for name in FORMATS:
        kind = GGMLQuantizationType[name]
        data = blocks_of(name, rng)
        values = dequantize(data.reshape(1, -1), kind).astype(np.float32).reshape(-1).view(np.uint32)
        out += [f'{{{kind.value}, "{name}",', "    {"]
        out += lines(data, "{}", 30)
        out += ["    },", "    {"]
        out += lines(values, "0x{:x}", 11)
        out += ["    }},"]
    pathlib.Path(__file__).with_name("BlockGolden.inc").write_text("\n".join(out) + "\n")


main()
