# SPDX-License-Identifier: Apache-2.0
"""Paged decode attention, fused and not, and ropeAppend, against float64 on fresh random inputs.

What no kernel may use is NaN: outputs, workspace, unused and not yet appended slots of the cache. Each kernel runs alone
and overlapping itself and must give the same bits, leave its counters zero and everything else as it was.
--compile-only needs no GPU; --time prints what the shapes of a decode step of Qwen3-4B take.
"""
import argparse
import ctypes
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from driver import Compiled, Kernel, emit

BLOCK = 64
NAN = 0x7FC1
SHARED_PER_SM = {"sm_80": 167936, "sm_86": 102400, "sm_89": 102400, "sm_90a": 233472, "sm_100a": 233472,
                 "sm_120": 102400}
EPS = 1e-6
LARGE_CLUSTERS = 14  # CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED


@dataclass(frozen=True)
class Config:
    heads: int
    kvHeads: int
    headDim: int
    fused: bool = True
    norm: bool = True
    bulk: bool = False
    sms: int = 132
    maxSequences: int = 16
    slots: int = 0
    perSm: int = 0
    split: int = 1

    def source(self, arch):
        fields = dict(heads=self.heads, kvHeads=self.kvHeads, headDim=self.headDim, scale=f"{self.headDim ** -0.5}f",
                      fused=self.fused, norm=self.norm and self.fused, eps=f"{EPS}f", maxSequences=self.maxSequences,
                      sms=self.sms, slots=self.slots, perSm=self.perSm, bulk=self.bulk,
                      split=self.split)
        text = ", ".join(f".{k} = {str(v).lower() if isinstance(v, bool) else v}" for k, v in fields.items())
        return emit("attention_decode.cuh", f"tuned(AttentionDecodeConfig{{{text}}}, {SHARED_PER_SM[arch]})",
                    "attentionDecode", 8, cluster=self.split > 1)

    def rope_source(self):
        text = (f".heads = {self.heads}, .kvHeads = {self.kvHeads}, .headDim = {self.headDim}, "
                f".norm = {str(self.norm).lower()}, .eps = {EPS}f, .sms = {self.sms}")
        return emit("rope_append.cuh", f"RopeAppendConfig{{{text}}}", "ropeAppend", 6)


RAGGED = (1, 63, 64, 65, 1000, 17, 128, 129, 16, 200)


def cases():
    """(config, context lengths, sequences with several tokens in the step)."""
    groups = ((4, 4, 128), (8, 4, 128), (9, 3, 64), (32, 8, 128), (32, 8, 64), (16, 2, 128), (16, 1, 64))
    for heads, kv, dim in groups:
        for norm in (False, True):
            yield Config(heads, kv, dim, norm=norm), RAGGED, ()
        yield Config(heads, kv, dim, sms=3), RAGGED, ()
        yield Config(heads, kv, dim, fused=False), RAGGED, (0, 4, 9)
        yield Config(heads, kv, dim, fused=False, sms=2), RAGGED, (1,)
        yield Config(heads, kv, dim, bulk=True), RAGGED, ()
        yield Config(heads, kv, dim, bulk=True, fused=False, sms=2), RAGGED, (3, 5)
        yield Config(heads, kv, dim, bulk=True, split=8), RAGGED, ()
        yield Config(heads, kv, dim, bulk=True, split=4, fused=False), RAGGED, (0, 4, 9)
    qwen = Config(32, 8, 128, maxSequences=1)
    for length in (1, 2, 64, 65, 1024, 5000):
        yield qwen, (length,), ()
        yield replace(qwen, bulk=True, split=8), (length,), ()
        yield replace(qwen, bulk=True, split=16), (length,), ()
    yield replace(qwen, bulk=True, split=8, maxSequences=4), (700, 3, 2000), ()
    yield Config(16, 1, 64, bulk=True, split=16), RAGGED, ()
    yield replace(qwen, bulk=True, split=2, maxSequences=4), (700, 3, 2000, 64), ()
    yield replace(qwen, maxSequences=256), (1024,), ()
    yield replace(qwen, maxSequences=256, bulk=True), tuple(1 + 7 * i % 190 for i in range(200)), ()
    yield replace(qwen, maxSequences=33), tuple(1 + 31 * i % 300 for i in range(33)), ()
    yield replace(qwen, maxSequences=16, fused=False), (40, 50), (0, 1)
    yield Config(16, 1, 128, slots=2, perSm=1), RAGGED, ()


def to_bf16(values):
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(bits):
    return (np.asarray(bits, np.uint16).astype(np.uint32) << 16).view(np.float32).astype(np.float64)


SWIZZLE = np.arange(8)[None, :] ^ np.arange(8)[:, None]


def pack_block(rows):
    """[64, D] as it lies in the pool."""
    dim = rows.shape[1]
    atoms = rows.reshape(8, 8, dim // 64, 8, 8).transpose(2, 0, 1, 3, 4)
    return atoms[:, :, np.arange(8)[:, None], SWIZZLE].reshape(-1)


def rope(x, cosine, sine):
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cosine - b * sine, b * cosine + a * sine], -1)


def normed(x, weight):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * weight


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
        x = from_bf16(self.qkv)
        half = c.headDim // 2
        cosine = self.rope_table[self.positions, None, :half].astype(np.float64)
        sine = self.rope_table[self.positions, None, half:].astype(np.float64)
        q, k = x[:, :c.heads], x[:, c.heads:c.heads + c.kvHeads]
        if c.norm:
            q, k = normed(q, self.norms[0]), normed(k, self.norms[1])
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
            q = from_bf16(to_bf16(self.q[t])).reshape(c.kvHeads, group, c.headDim)
            k, v = from_bf16(self.context[i][0]), from_bf16(self.context[i][1])
            logits = q @ k.transpose(0, 2, 1) * c.headDim ** -0.5
            weights = np.exp(logits - logits.max(-1, keepdims=True))
            out[t] = (weights / weights.sum(-1, keepdims=True) @ v).reshape(c.heads, c.headDim)
        return out

    def step(self, gpu):
        return gpu.step(self.table.shape[1], counts=np.array([self.tokens, len(self.lengths), 0], np.int32),
                        positions=self.positions, slots=self.slots, queryStart=self.query_start,
                        contextLengths=np.array(self.lengths, np.int32), blockTable=self.table)


def difference(got, expected):
    return np.linalg.norm(got - expected) / np.linalg.norm(expected)


def check_pool(inputs, got):
    """The pool a kernel has appended to: keys to rounding, all else to the bit."""
    expected = inputs.pool(True)
    differ = np.abs(from_bf16(got) - from_bf16(expected)) > 0.01 * np.abs(from_bf16(expected)) + 1e-6
    nan = np.isnan(from_bf16(got)) != np.isnan(from_bf16(expected))
    wrong = (got != expected) & (differ | nan)
    wrong |= (got != expected) & ((np.arange(2) == 1)[:, None] | (inputs.pool(False) != NAN))
    return f"{wrong.sum()} elements of the pool are wrong" if wrong.any() else None


def run_attention(gpu, kernel, inputs, launches, overlap):
    """(out, pool, counters) of the last of `launches` launches."""
    c = inputs.config
    out = np.full((inputs.tokens + 1, c.heads, c.headDim), NAN, np.uint16)
    pool = inputs.pool(not c.fused)
    first = inputs.qkv if c.fused else to_bf16(inputs.q)
    workspace = np.full(max(kernel.workspace // 4, 4), np.nan, np.float32)
    counters = np.zeros(max(kernel.counters, 1), np.uint32)
    arrays = [first, inputs.rope_table, inputs.norms[0], inputs.norms[1], pool, out, workspace, counters]
    pointers = [gpu.upload(array) for array in arrays]
    passed = list(pointers)
    if not c.fused:
        passed[1:4] = [0, 0, 0]
    elif not c.norm:
        passed[2:4] = [0, 0]
    step = inputs.step(gpu)
    for _ in range(launches):
        kernel.launch(passed, overlap, step)
    gpu.synchronize()
    for array, i in ((out, 5), (pool, 4), (counters, 7)):
        gpu.download(array, pointers[i])
    for pointer in pointers:
        gpu.free(pointer)
    gpu.free_step(step)
    return out, pool, counters


def check_attention(gpu, kernel, inputs):
    out, pool, counters = run_attention(gpu, kernel, inputs, 1, False)
    again = run_attention(gpu, kernel, inputs, 4, True)
    if counters.any() or again[2].any():
        return "counters are not zero"
    untouched = [t for t in range(inputs.tokens + 1)
                 if t == inputs.tokens or inputs.sequence[t] not in inputs.single]
    if (out[untouched] != NAN).any():
        return "wrote a row that is not its own"
    problem = check_pool(inputs, pool)
    if problem:
        return problem
    worst = 0
    for t, expected in inputs.reference().items():
        error = difference(from_bf16(out[t]), expected)
        if not error <= 8e-3:
            return (f"row {t} (length {inputs.lengths[inputs.sequence[t]]}): error {error:.2e}, "
                    f"{np.isnan(from_bf16(out[t])).sum()} NaN")
        worst = max(worst, error)
    if out.tobytes() != again[0].tobytes() or pool.tobytes() != again[1].tobytes():
        return "not the same bits again"
    return None


def check_rope(gpu, kernel, inputs):
    c = inputs.config
    q = np.full((inputs.tokens + 1, c.heads, c.headDim), NAN, np.uint16)
    padded = np.concatenate([inputs.qkv, np.full((1,) + inputs.qkv.shape[1:], 0x3F80, np.uint16)])
    pool = inputs.pool(False)
    pointers = [gpu.upload(a) for a in (padded, inputs.rope_table, inputs.norms[0], inputs.norms[1], pool, q)]
    step = inputs.step(gpu)
    passed = pointers[:2] + (pointers[2:4] if c.norm else [0, 0]) + pointers[4:]
    for _ in range(2):
        kernel.launch(passed, True, step)
    gpu.synchronize()
    gpu.download(q, pointers[5])
    gpu.download(pool, pointers[4])
    for pointer in pointers:
        gpu.free(pointer)
    gpu.free_step(step)
    if (q[-1] != NAN).any():
        return "wrote a row of padding"
    error = difference(from_bf16(q[:-1]), inputs.q)
    return f"q: error {error:.2e}" if not error <= 3e-3 else check_pool(inputs, pool)


def compile_all(sources, arch, jobs):
    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(sources, pool.map(lambda source: Compiled(source, arch), sources)))


def load(gpu, compiled, cluster=1):
    kernel = Kernel(gpu, compiled.image, emitted=True)
    if cluster > 8:
        gpu.call("cuFuncSetAttribute", kernel.function, LARGE_CLUSTERS, 1)
    return kernel


TIMED = ((1, 1024), (1, 4096), (1, 32768), (2, 1024), (4, 1024), (8, 1024), (64, 1024), (64, 4096), (256, 1024))
LAYERS = 36


def timed_configs(sequences, bulk):
    """Ways to run: {name: configuration}."""
    ways = {"lanes": Config(32, 8, 128, maxSequences=sequences)}
    if bulk:
        ways["bulk"] = replace(ways["lanes"], bulk=True)
    for split in (8, 16):
        if bulk and sequences * split <= 32:
            ways[f"cluster of {split}"] = replace(ways["bulk"], split=split)
    return ways


SPACER = """#include "templates/cuda/attention_decode.cuh"
using namespace sinter::cuda;
extern "C" __constant__ const long long k_plan[5] = {132, 128, 112640, 0, 0};
extern "C" __global__ void __launch_bounds__(128, 1)
k(const __grid_constant__ sinter::rt::CudaStep step, const __grid_constant__ sinter::rt::CudaArgs<1> args) {
  launchDependents();
  waitForPrerequisites();
  for (long long start = clock64(); clock64() - start < 8000;)
    ;
}
"""


def graph_time(gpu, work):
    """Milliseconds, the median of seven, of the graph that work() makes."""
    graph = gpu.graph(work)
    gpu.time(graph, 2)
    return np.median(gpu.time(graph, 7))


def time_shapes(gpu, compiled, arch, bulk, peak):
    """Microseconds that a launch adds to a graph in which launches alternate with a kernel that, like the matmuls
    around it, leaves room for one CTA a multiprocessor and takes 4 us; every layer has keys and values of its own."""
    size, c = 1 << 30, Config(32, 8, 128)
    noise = to_bf16(np.random.default_rng(1).standard_normal(1 << 24, np.float32))
    pool = gpu.alloc(size)
    for at in range(0, size, noise.nbytes):
        gpu.call("cuMemcpyHtoD_v2", ctypes.c_uint64(pool + at), noise.ctypes.data_as(ctypes.c_void_p),
                 ctypes.c_size_t(noise.nbytes))
    spacer = load(gpu, compiled[SPACER])
    waiting = graph_time(gpu, lambda: [spacer.launch([0], True) for _ in range(LAYERS)])
    for sequences, length in TIMED:
        blocks = sequences * length // BLOCK
        bytes_read = blocks * 2 * c.kvHeads * BLOCK * c.headDim * 2
        layers = min(LAYERS, size // bytes_read)
        table = np.random.default_rng(2).permutation(blocks).astype(np.int32).reshape(sequences, -1)
        positions = np.full(sequences, length - 1, np.int32)
        step = gpu.step(table.shape[1], counts=np.array([sequences, sequences, 0], np.int32), positions=positions,
                        slots=table[:, -1] * BLOCK + 63, queryStart=np.arange(sequences + 1, dtype=np.int32),
                        contextLengths=positions + 1, blockTable=table)
        qkv = gpu.upload(noise[:sequences * 48 * 128])
        rope_table, norm = gpu.upload(np.ones((length, 128), np.float32)), gpu.upload(np.ones(128, np.float32))
        out, line = gpu.alloc(sequences * 32 * 128 * 2), f"{sequences:4} x {length:5}"
        for name, config in timed_configs(sequences, bulk).items():
            kernel = load(gpu, compiled[config.source(arch)], config.split)
            workspace, counters = gpu.alloc(kernel.workspace or 16), gpu.upload(np.zeros(kernel.counters, np.uint32))

            def work():
                for layer in range(LAYERS):
                    spacer.launch([0], True)
                    kernel.launch([qkv, rope_table, norm, norm, pool + layer % layers * bytes_read, out, workspace,
                                   counters], True, step)
            micros = (graph_time(gpu, work) - waiting) * 1000 / LAYERS
            line += f"   {name} {micros:8.2f} us {bytes_read / micros / 1e6 / peak:6.1%}"
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="sm_90a")
    parser.add_argument("--compile-only", action="store_true")
    parser.add_argument("--small", action="store_true", help="a few cases, for compute-sanitizer")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--peak", type=float, default=4.54, help="read bandwidth in TB/s")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    bulk = int(options.arch[3:].rstrip("a")) >= 90
    chosen = [case for case in cases() if bulk or not case[0].bulk]
    if options.small:
        chosen = [chosen[i] for i in (0, 3, 5, 7, 26)]
    roped = list(dict.fromkeys(replace(c, fused=True, bulk=False, sms=3, maxSequences=1, slots=0, perSm=0, split=1)
                               for c, _, _ in chosen))
    sources = [c.source(options.arch) for c, _, _ in chosen] + [c.rope_source() for c in roped]
    if options.time:
        sources += [c.source(options.arch) for s, _ in TIMED for c in timed_configs(s, bulk).values()] + [SPACER]
    compiled = compile_all(list(dict.fromkeys(sources)), options.arch, options.jobs)
    spills = sum(bool(k.spilled()) for k in compiled.values())
    print(f"{options.arch}: {len(compiled)} kernels, at most {max(k.registers() for k in compiled.values())} registers, "
          f"{spills} spill", flush=True)
    if options.compile_only:
        return int(spills > 0)
    from driver import Gpu
    gpu = Gpu()
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "little")
    print(f"{gpu.name}, seed {seed}", flush=True)
    rng, failed = np.random.default_rng(seed), spills
    for config, lengths, several in chosen:
        kernel = load(gpu, compiled[config.source(options.arch)], config.split)
        problem = check_attention(gpu, kernel, Inputs(config, lengths, several, rng))
        kernel.unload()
        if problem:
            failed += 1
            print(f"FAILED {config} {lengths[:10]} {several}: {problem}", flush=True)
    for config in roped:
        kernel = load(gpu, compiled[config.rope_source()])
        problem = check_rope(gpu, kernel, Inputs(config, RAGGED, (4, 9), rng))
        kernel.unload()
        if problem:
            failed += 1
            print(f"FAILED rope {config}: {problem}", flush=True)
    print(f"{len(chosen) + len(roped) - failed} passed, {failed} failed", flush=True)
    if options.time:
        time_shapes(gpu, compiled, options.arch, bulk, options.peak)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
