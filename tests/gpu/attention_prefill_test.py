#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prefill attention against float32 on random ragged batches, and with --time its speed beside torch's.

Slots of the cache that no token has are NaN, and so are outputs before a launch. --compile-only needs no GPU.
"""
import json
import os
import sys
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from driver import Kernel, emit
from harness import NAN, Suite, arguments, compile_all, from_bf16, initializer, np, to_bf16

BLOCK = 64  # tokens of a KV block
KINDS = {"portable": ("attention_prefill_mma.cuh", "attentionPrefillMma", "AttentionPrefillMmaConfig"),
         "wgmma": ("attention_prefill.cuh", "attentionPrefill", "AttentionPrefillConfig")}


@dataclass(frozen=True)
class Shape:
    heads: int
    kvHeads: int
    headDim: int

    def source(self, kind, knobs=()):
        """`knobs`: more fields of the configuration, as (name, value)."""
        header, call, config = KINDS[kind]
        fields = dict(heads=self.heads, kvHeads=self.kvHeads, headDim=self.headDim, scale=self.headDim ** -0.5)
        return emit(header, initializer(config, **fields, **dict(knobs)), call, 3)


def pack(keys, values, slots, blocks, shape):
    """The layer's pool of templates/cuda/layout.h; NaN where no token is. keys, values: [n, kvHeads, headDim]."""
    d, n = shape.headDim, len(slots)
    pool = np.full((blocks, shape.kvHeads, 2, d // 64, BLOCK, 8, 8), NAN, np.uint16)  # token, piece, column
    block, token = slots // BLOCK, slots % BLOCK
    for kind, rows in enumerate((keys, values)):
        pieces = rows.reshape(n, shape.kvHeads, d // 64, 8, 8)
        for piece in range(8):
            pool[block, :, kind, :, token, piece ^ token % 8] = pieces[:, :, :, piece]
    return pool


class Batch:
    """Sequences with their tokens in this step and in all, a pool with shuffled blocks, and a step's arrays. `rising`:
    how much larger each key's scores are than those of the key before."""

    def __init__(self, rng, shape, queries, contexts, spread=2.0, rising=0.0):
        self.shape, self.queries, self.contexts = shape, queries, contexts
        counts = [-(-context // BLOCK) for context in contexts]
        total, tokens = sum(counts) + 3, sum(queries)
        ids, used, stride = rng.permutation(total), 0, max(counts) + 2
        self.table = np.full((len(queries), stride), -1, np.int32)
        self.keys, self.values, slots = [], [], []
        for i, (context, count) in enumerate(zip(contexts, counts)):
            self.table[i, :count] = ids[used:used + count]
            used += count
            size = (context, shape.kvHeads, shape.headDim)
            slope = rising * np.arange(context, dtype=np.float32)[:, None, None]
            self.keys.append(to_bf16(rng.standard_normal(size, np.float32) + slope))
            self.values.append(to_bf16(rng.standard_normal(size, np.float32)))
            at = np.arange(context)
            slots.append(self.table[i, at // BLOCK] * BLOCK + at % BLOCK)
        self.pool = pack(np.concatenate(self.keys), np.concatenate(self.values), np.concatenate(slots), total, shape)
        q = rng.standard_normal((tokens, shape.heads, shape.headDim), np.float32) + (rising > 0)
        self.q = to_bf16(spread * q)
        self.start = np.concatenate(([0], np.cumsum(queries))).astype(np.int32)

    def arrays(self):
        return dict(counts=np.array([self.start[-1], len(self.queries), 0], np.int32), queryStart=self.start,
                    contextLengths=np.array(self.contexts, np.int32), blockTable=self.table)

    def reference(self):
        """[T, heads, headDim]; NaN in rows of sequences with one token."""
        shape, out = self.shape, np.full(self.q.shape, np.nan, np.float32)
        group = shape.heads // shape.kvHeads
        for i, (count, context) in enumerate(zip(self.queries, self.contexts)):
            if count == 1:
                continue
            rows = slice(self.start[i], self.start[i + 1])
            q, k, v = (from_bf16(x).transpose(1, 0, 2) for x in (self.q[rows], self.keys[i], self.values[i]))
            k, v = np.repeat(k, group, 0), np.repeat(v, group, 0)
            scores = q @ k.transpose(0, 2, 1) * shape.headDim ** -0.5
            hidden = np.arange(context)[None] > np.arange(context - count, context)[:, None]
            scores[:, hidden] = -np.inf
            p = np.exp(scores - scores.max(-1, keepdims=True))
            out[rows] = (p / p.sum(-1, keepdims=True) @ v).transpose(1, 0, 2)
        return out


class Launch:
    """A batch on the GPU, and a kernel over it; two rows more than the step has, which nobody may touch."""

    def __init__(self, gpu, batch):
        self.gpu, self.batch = gpu, batch
        self.step = gpu.step(batch.table.shape[1], **batch.arrays())
        self.q, self.pool = gpu.upload(batch.q), gpu.upload(batch.pool)
        self.out = np.empty((len(batch.q) + 2,) + batch.q.shape[1:], np.uint16)
        self.target = gpu.alloc(self.out.nbytes)

    def run(self, kernel, overlap):
        """The output of a launch; with `overlap` of the last of three."""
        self.gpu.fill(self.target, 0xFF, self.out.nbytes)
        for _ in range(3 if overlap else 1):
            kernel.launch([self.q, self.pool, self.target], overlap, self.step)
        self.gpu.synchronize()
        self.gpu.download(self.out, self.target)
        return self.out.copy()

    def free(self):
        for pointer in (self.q, self.pool, self.target):
            self.gpu.free(pointer)
        self.gpu.free_step(self.step)


def wrong(got, again, expected):
    """Why `got` is not `expected`, or None."""
    if not np.array_equal(got, again):
        return "not the same bits again"
    rows = len(expected)
    if not (got[rows:] == 0xFFFF).all():
        return "wrote behind its output"
    got, skipped = from_bf16(got[:rows]), np.isnan(expected)
    if not np.isnan(got[skipped]).all():
        return "rows of a sequence with one token were written"
    error = np.where(skipped, 0, got - expected)
    if np.isnan(error).any():
        return f"{np.isnan(error).sum()} NaN, first in row {np.argwhere(np.isnan(error))[0].tolist()}"
    share = np.sqrt((error ** 2).sum() / max((expected[~skipped] ** 2).sum(), 1e-9))
    if share > 0.005 or np.abs(error).max() > 0.03:
        worst = np.unravel_index(np.abs(error).argmax(), error.shape)
        return f"root mean square error {share:.2%}, largest {np.abs(error).max():.3g} at {[int(i) for i in worst]}"
    return None


def batches(rng, shape):
    lengths = [1, 2, 17, 64, 65, 127, 300]
    yield "ragged", Batch(rng, shape, lengths, [51, 2, 17, 164, 128, 128, 337])
    yield "chunks", Batch(rng, shape, [200, 1, 130, 64], [1100, 700, 641, 1024])
    many = rng.integers(1, 40, 70).tolist()
    yield "many", Batch(rng, shape, many, [n + int(rng.integers(0, 90)) for n in many])
    yield "one", Batch(rng, shape, [384], [384], spread=6.0)
    yield "rising", Batch(rng, shape, [70, 300], [700, 300], spread=0.3, rising=0.05)
    yield "none", Batch(rng, shape, [1, 1, 1], [5, 64, 200])


SHAPES = [Shape(2, 2, 128), Shape(6, 2, 128), Shape(8, 2, 64), Shape(8, 1, 128), Shape(3, 1, 64)]
# Few multiprocessors: many tiles for each.
VARIANTS = {"portable": [{}, dict(sms=3), dict(warps=4)],
            "wgmma": [{}, dict(sms=3), dict(sms=2, stages=3), dict(keys=64, stages=4), dict(inTurns=False)]}
SMALL = Shape(3, 1, 64)


def check(suite, gpu, kernels, shapes, seed):
    """`kernels`: {(kind, shape, knobs): Kernel}."""
    for shape in shapes:
        rng = np.random.default_rng(seed)
        for name, batch in batches(rng, shape):
            expected, launch = batch.reference(), Launch(gpu, batch)
            for key, kernel in kernels.items():
                if key[1] == shape:
                    reason = wrong(launch.run(kernel, False), launch.run(kernel, True), expected)
                    suite.report(f"{key} {name}", reason)
            launch.free()


def torch_times(tokens, shape):
    """Milliseconds of torch's attention by backend; keys and values repeated beforehand."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    q, k, v = (torch.randn(1, shape.heads, tokens, shape.headDim, dtype=torch.bfloat16, device="cuda")
               for _ in range(3))
    times = {}
    for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION):
        try:
            with sdpa_kernel(backend):
                def call():
                    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
                for _ in range(3):
                    call()
                events = [torch.cuda.Event(enable_timing=True) for _ in range(11)]
                events[0].record()
                for event in events[1:]:
                    call()
                    event.record()
                torch.cuda.synchronize()
                times[backend.name] = sorted(a.elapsed_time(b) for a, b in zip(events, events[1:]))[5]
        except RuntimeError as error:
            print(f"torch {backend.name}: {str(error).splitlines()[0]}")
    return times


def speed(gpu, kinds, knobs, jobs):
    """`knobs`: more ways to run the wgmma kernel."""
    for shape in (Shape(32, 8, 128), Shape(32, 8, 64)):
        work = [(kind, way) for kind in kinds for way in ((), *(knobs if kind == "wgmma" else ()))]
        images = compile_all({item: shape.source(*item) for item in work}, jobs)
        kernels = {item: Kernel(gpu, image.image, emitted=True) for item, image in images.items()}
        for tokens in (512, 2048, 8192):
            launch = Launch(gpu, Batch(np.random.default_rng(3), shape, [tokens], [tokens], spread=1.0))
            flop = 2 * tokens ** 2 * shape.headDim * shape.heads
            times = {}
            for (kind, way), kernel in kernels.items():
                def call():
                    kernel.launch([launch.q, launch.pool, launch.target], step=launch.step)
                gpu.time(call, 3)
                times[" ".join([kind, *map(str, way)])] = sorted(gpu.time(call, 10))[5]
            times.update(torch_times(tokens, shape))
            for name, ms in times.items():
                print(f"{shape.heads}/{shape.kvHeads} x {shape.headDim}, {tokens} tokens: {name}: {ms * 1e3:.1f} us, "
                      f"{flop / ms / 1e9:.0f} TFLOP/s", flush=True)
            launch.free()


def main():
    parser = arguments(__doc__, small="one shape")
    parser.add_argument("--time", action="store_true", help="time it too")
    parser.add_argument("--only", choices=KINDS, help="check one of the kernels")
    parser.add_argument("--knobs", action="append", type=json.loads, default=[],
                        help="""of the wgmma kernel, to time, JSON: {"stages": 3}""")
    options = parser.parse_args()
    kinds, shapes = [options.only] if options.only else list(KINDS), [SMALL] if options.small else SHAPES
    keys = [(kind, shape, tuple(knobs.items())) for kind in kinds for shape in shapes for knobs in VARIANTS[kind]]
    suite = Suite(options, {key: key[1].source(key[0], key[2]) for key in keys})
    if not options.compile_only:
        gpu, seed = suite.start()
        kernels = {key: Kernel(gpu, image.image, emitted=True) for key, image in suite.compiled.items()}
        check(suite, gpu, kernels, shapes, seed)
        if options.time:
            speed(gpu, kinds, [tuple(knobs.items()) for knobs in options.knobs], options.jobs)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
