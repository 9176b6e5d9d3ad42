# SPDX-License-Identifier: Apache-2.0
"""Random weights that make a tiny model sensitive: embeddings are small beside what the layers add, attention is
peaked, norms and biases are far from 1 and 0. The numbers come from PCG64's raw words, which every numpy keeps."""
import zlib

import numpy as np


def _uniform(name, seed, shape):
    """Uniform in [-1, 1), by the tensor's name and the model's seed."""
    bits = np.random.PCG64(seed << 32 | zlib.crc32(name.encode())).random_raw(int(np.prod(shape)))
    return ((bits >> np.uint64(40)).astype(np.float64) / 2**23 - 1).reshape(shape)


# (part of the name, centre, half width; a matrix's half width is scaled by 1/sqrt of its inputs)
_RULES = [
    ("embed_tokens", 0.0, 0.04),
    ("lm_head", 0.0, 1.0),
    ("q_norm", 1.4, 0.5), ("k_norm", 1.4, 0.5), ("norm", 1.0, 0.4),
    ("bias", 0.0, 0.4),
    ("q_proj", 0.0, 2.4), ("k_proj", 0.0, 2.4),
    ("v_proj", 0.0, 1.8), ("o_proj", 0.0, 2.2),
    ("gate_proj", 0.0, 2.4), ("up_proj", 0.0, 2.4), ("down_proj", 0.0, 2.4),
]


def tensor(name, seed, shape):
    """The float32 values of one parameter."""
    centre, half = next((c, h) for part, c, h in _RULES if part in name)
    if len(shape) == 2 and "embed_tokens" not in name:
        half /= shape[1] ** 0.5
    return (centre + half * _uniform(name, seed, shape)).astype(np.float32)


def prompt(seed, count, vocab):
    """Token ids of a prompt; never the first three, which are special in real vocabularies."""
    bits = np.random.PCG64(seed ^ 0x5EED).random_raw(count)
    return (3 + bits % np.uint64(vocab - 3)).astype(np.int32)
