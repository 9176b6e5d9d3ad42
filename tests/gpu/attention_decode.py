# SPDX-License-Identifier: Apache-2.0
"""Decode attention and ropeAppend as codegen emits them; and random steps for them, with what float64 makes of them.
What no kernel may use is NaN: unused and not yet appended slots of the cache."""
import os
import sys
from dataclasses import asdict, dataclass, field

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from driver import Kernel, emit
from harness import NAN, from_bf16, initializer, np, to_bf16

BLOCK = 64
SHARED_PER_SM = {"sm_80": 167936, "sm_86": 102400, "sm_89": 102400, "sm_90a": 233472, "sm_100a": 233472,
                 "sm_120": 102400}


@dataclass(frozen=True)
class Config:
    heads: int
    kvHeads: int
    headDim: int
    scale: float = field(init=False)
    fused: bool = True
    norm: bool = True
    eps: float = 1e-6
    maxSequences: int = 16
    sms: int = 132
    slots: int = 0
    perSm: int = 0
    bulk: bool = False

    def __post_init__(self):
        object.__setattr__(self, "scale", self.headDim ** -0.5)

    def source(self, arch):
        fields = asdict(self) | dict(norm=self.norm and self.fused)
        config = initializer("AttentionDecodeConfig", **fields)
        return emit("attention_decode.cuh", f"tuned({config}, {SHARED_PER_SM[arch]})", "attentionDecode", 7)

    def rope_source(self):
        """Of ropeAppend, for the same heads."""
        fields = dict(heads=self.heads, kvHeads=self.kvHeads, headDim=self.headDim, norm=self.norm, eps=self.eps,
                      sms=self.sms)
        return emit("rope_append.cuh", initializer("RopeAppendConfig", **fields), "ropeAppend", 6)


def load(gpu, compiled):
    return Kernel(gpu, compiled.image, emitted=True)


def pack_block(rows):
    """[64, D] as it lies in the pool."""
    dim = rows.shape[1]
    places = np.arange(8)[None, :] ^ np.arange(8)[:, None]
    atoms = rows.reshape(8, 8, dim // 64, 8, 8).transpose(2, 0, 1, 3, 4)
    return atoms[:, :, np.arange(8)[:, None], places].reshape(-1)


def rope(x, cosine, sine):
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cosine - b * sine, b * cosine + a * sine], -1)


def normed(x, weight, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


class Inputs:
    """A random step of a configuration: sequences of `lengths`, those in `several` with more than one token."""

    def __init__(self, config, lengths, several, rng):
        c = self.config = config
        self.lengths, self.several = lengths, several
        queries = [min(3, n) if i in several and n > 1 else 1 for i, n in enumerate(lengths)]
        self.single = [i for i, q in enumerate(queries) if q == 1]
        self.query_start = np.concatenate([[0], np.cumsum(queries)]).astype(np.int32)
        self.tokens = int(self.query_start[-1])
        self.blocks = [-(-n // BLOCK) for n in lengths]
        ids = rng.permutation(sum(self.blocks) + 3).astype(np.int32)
        self.table = np.full((len(lengths), max(self.blocks) + 1), 1 << 28, np.int32)
        at = 0
        for i, n in enumerate(self.blocks):
            self.table[i, :n] = ids[at:at + n]
            at += n
        sequence = np.repeat(np.arange(len(lengths)), queries)
        place = np.arange(self.tokens) - self.query_start[sequence]
        self.positions = (np.array(lengths)[sequence] - np.array(queries)[sequence] + place).astype(np.int32)
        self.slots = (self.table[sequence, self.positions // BLOCK] * BLOCK + self.positions % BLOCK).astype(np.int32)
        self.sequence = sequence
        self.qkv = to_bf16(rng.standard_normal((self.tokens, c.heads + 2 * c.kvHeads, c.headDim), np.float32) * 2)
        angles = np.arange(max(lengths))[:, None] * 10000.0 ** (-np.arange(c.headDim // 2) / (c.headDim // 2))
        self.rope_table = np.concatenate([np.cos(angles), np.sin(angles)], -1).astype(np.float32)
        self.norms = [rng.uniform(0.5, 1.5, c.headDim).astype(np.float32) for _ in range(2)]
        self.context = [to_bf16(rng.standard_normal((2, c.kvHeads, n, c.headDim), np.float32)) for n in lengths]
        self.rope_step()

    def rope_step(self):
        """This step's queries and keys, normed and roped, in float64, and their tokens in the context."""
        c = self.config
        x = from_bf16(self.qkv).astype(np.float64)
        half = c.headDim // 2
        cosine = self.rope_table[self.positions, None, :half].astype(np.float64)
        sine = self.rope_table[self.positions, None, half:].astype(np.float64)
        q, k = x[:, :c.heads], x[:, c.heads:c.heads + c.kvHeads]
        if c.norm:
            q, k = normed(q, self.norms[0], c.eps), normed(k, self.norms[1], c.eps)
        self.q, self.k = rope(q, cosine, sine), rope(k, cosine, sine)
        self.v = self.qkv[:, c.heads + c.kvHeads:]
        for t in range(self.tokens):
            context = self.context[self.sequence[t]]
            context[0, :, self.positions[t]] = to_bf16(self.k[t])
            context[1, :, self.positions[t]] = self.v[t]

    def pool(self, complete):
        """The layer's pool, this step's tokens in it or NaN."""
        c = self.config
        blocks = np.full((sum(self.blocks) + 3, c.kvHeads, 2, BLOCK * c.headDim), NAN, np.uint16)
        for i, length in enumerate(self.lengths):
            rows = np.full((2, c.kvHeads, self.blocks[i] * BLOCK, c.headDim), NAN, np.uint16)
            rows[:, :, :length] = self.context[i]
            if not complete:
                rows[:, :, self.positions[self.query_start[i]]:] = NAN
            for b in range(self.blocks[i]):
                for kind in range(2):
                    for h in range(c.kvHeads):
                        blocks[self.table[i, b], h, kind] = pack_block(rows[kind, h, b * BLOCK:(b + 1) * BLOCK])
        return blocks

    def reference(self):
        """Output rows of sequences with one token."""
        c = self.config
        group, out = c.heads // c.kvHeads, {}
        for i in self.single:
            t = self.query_start[i]
            q = from_bf16(to_bf16(self.q[t])).astype(np.float64).reshape(c.kvHeads, group, c.headDim)
            k, v = (from_bf16(x).astype(np.float64) for x in self.context[i])
            logits = q @ k.transpose(0, 2, 1) * c.scale
            weights = np.exp(logits - logits.max(-1, keepdims=True))
            out[t] = (weights / weights.sum(-1, keepdims=True) @ v).reshape(c.heads, c.headDim)
        return out

    def step(self, gpu):
        return gpu.step(self.table.shape[1], counts=np.array([self.tokens, len(self.lengths), 0], np.int32),
                        positions=self.positions, slots=self.slots, queryStart=self.query_start,
                        contextLengths=np.resize(np.array(self.lengths, np.int32), self.config.maxSequences),
                        blockTable=self.table)
