# SPDX-License-Identifier: Apache-2.0
"""Sampling on the GPU against runtime/engine/Sampler.h, restated in float64, over random logits and parameters.

Tokens must be equal, but where the random number, top-p's mass or min-p's bound is within 1e-5 of a border between two
tokens: then the reference is asked again with each a little less or more. --compile-only needs no GPU.
"""
from __future__ import annotations

import itertools
import os
import sys
from dataclasses import dataclass, field, replace

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from driver import Kernel, emit
from harness import Suite, arguments, initializer, micros, np

POISON = 0x7F7F7F7F
F32 = np and np.float32
# rt::CudaSampling
SAMPLING = [("temperature", "f4"), ("topP", "f4"), ("minP", "f4"), ("repetition", "f4"), ("frequency", "f4"),
            ("presence", "f4"), ("topK", "i4"), ("seed", "u4", 2), ("index", "u4"), ("historyBegin", "i4"),
            ("historyEnd", "i4"), ("biasBegin", "i4"), ("biasEnd", "i4")]


@dataclass
class Row:
    logits: np.ndarray
    temperature: float = 0.0
    topK: int = 0
    topP: float = 1.0
    minP: float = 0.0
    repetition: float = 1.0
    frequency: float = 0.0
    presence: float = 0.0
    seed: int = 0
    index: int = 0
    history: list = field(default_factory=list)  # (token, count)
    bias: list = field(default_factory=list)  # (token, bias)


def uniform(seed, index):
    """runtime/engine/Philox.h."""
    mask = 0xFFFFFFFF
    counter, key = [index & mask, index >> 32, 0, 0], [seed & mask, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(b >> 32) ^ counter[1] ^ key[0], b & mask, (a >> 32) ^ counter[3] ^ key[1], a & mask]
        key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
    return ((counter[1] << 32 | counter[0]) >> 11) * 2.0 ** -53


def edited(row):
    """The logits after bias and penalties."""
    x = row.logits.copy()
    for token, bias in row.bias:
        x[token] += F32(bias)
    if row.history and (row.repetition, row.frequency, row.presence) != (1, 0, 0):
        tokens, counts = np.array(row.history).T
        y = x[tokens]
        y = np.where(y > 0, y / F32(row.repetition), y * F32(row.repetition))
        x[tokens] = np.where(counts > 0, y - (F32(row.frequency) * counts.astype(F32) + F32(row.presence)), y)
    return x


def strided(ids):
    """Ids in the order of LogitsRow::atLeast()."""
    return ids[np.lexsort((ids // 16, ids % 16, ids // 1024))]


def kept_tokens(x, row, mass_shift, bound_shift):
    """The ids to draw from in the order of the draw, and the weights of all."""
    top, scale = x.max(), F32(1) / F32(row.temperature)
    weights = np.exp((x - top).astype(np.float64) * float(scale))
    if row.topK == 0 and row.topP >= 1 and row.minP <= 0:
        return np.arange(x.size), weights
    bound = F32(top + F32(np.log(F32(row.minP))) / scale) if row.minP > 0 else F32(-np.inf)
    for _ in range(abs(bound_shift)):
        bound = min(np.nextafter(bound, F32(np.inf) if bound_shift > 0 else F32(-np.inf)), top)
    ids = np.flatnonzero(x >= bound)
    if row.topK == 0 and row.topP >= 1:
        return strided(ids), weights
    order = ids[np.lexsort((ids, -x[ids]))]
    if row.topK > 0:
        order = order[:row.topK]
    if row.topP < 1:
        sums = np.cumsum(weights[order])
        mass = float(F32(row.topP)) * sums[-1] * (1 + mass_shift)
        order = order[:np.searchsorted(sums, mass) + 1]
    return (strided(order) if row.topK == 0 and order.size > 256 else order), weights


def reference(row, shifts=(0, 0, 0)):
    """The token of a row; `shifts`: of the random number, of top-p's mass, of min-p's bound."""
    if row.temperature < 0:
        return -1
    x = edited(row)
    if np.isnan(x).any() or not np.isfinite(x.max()):
        return -1
    if row.temperature < 1e-5:
        return int(x.argmax())
    order, weights = kept_tokens(x, row, *shifts[1:])
    sums = np.cumsum(weights[order])
    target = min(max(uniform(row.seed, row.index) + shifts[0], 0), 1 - 1e-12) * sums[-1]
    return int(order[min(np.searchsorted(sums, target, side="right"), order.size - 1)])


def near(row, token):
    """Whether a little less or more of something gives that token."""
    small = (0, -1e-5, 1e-5)
    return any(reference(row, shifts) == token for shifts in itertools.product(small, small, (0, -4, 4)))


def random_logits(rng, vocab):
    kind = rng.integers(0, 8)
    x = rng.standard_normal(vocab).astype(F32) * F32(rng.choice([0.05, 1, 3, 8]))
    if kind == 1:  # a few tokens are likely
        x[rng.integers(0, vocab, 20)] += F32(15)
    if kind == 2:  # many are equal
        x = np.round(x * 4) / F32(4)
    if kind == 3:
        x[rng.random(vocab) < 0.7] = -np.inf
    if kind == 4:
        x[:] = F32(rng.standard_normal())
    if kind == 5:  # sorted, so that the largest share groups
        x = np.sort(x)[::-1].copy()
    if kind == 6:
        x *= F32(0)
        x[rng.integers(0, vocab, vocab // 3 + 1)] = F32(-0.0)
    if kind == 7 and rng.random() < 0.3:
        x[rng.integers(0, vocab)] = rng.choice([np.nan, np.inf])
        if rng.random() < 0.3:
            x[:] = -np.inf
    return x


def random_row(rng, vocab):
    row = Row(random_logits(rng, vocab), seed=int(rng.integers(0, 2 ** 63)), index=int(rng.integers(0, 2 ** 32)))
    kind = rng.integers(0, 10)
    if kind >= 2:
        row.temperature = float(F32(rng.choice([0.01, 0.3, 0.7, 1, 1.5, 6])))
    if kind in (3, 4, 5):
        row.topK = int(rng.choice([1, 2, 40, 200, 500, 1000, 3000, 50000, vocab, 10 * vocab]))
    if kind in (4, 5, 6, 7):
        row.topP = float(F32(rng.choice([0.001, 0.3, 0.9, 0.95, 0.999])))
    if kind in (5, 7, 8):
        row.minP = float(F32(rng.choice([1e-4, 0.02, 0.3, 1])))
    if rng.random() < 0.1:
        row.temperature = -1.0
    if rng.random() < 0.4:
        row.bias = [(int(t), float(F32(rng.normal() * 5))) for t in rng.integers(0, vocab, rng.integers(1, 20))]
        if rng.random() < 0.3:
            row.bias += row.bias[:3]
    if rng.random() < 0.4:
        row.repetition = float(F32(rng.choice([1, 1.2, 0.8])))
        row.frequency, row.presence = float(F32(rng.choice([0, 0.5, -0.3]))), float(F32(rng.choice([0, 0.7])))
        tokens = rng.choice(vocab, min(vocab, int(rng.integers(1, 2000))), replace=False)
        row.history = [(int(t), int(n)) for t, n in zip(tokens, rng.integers(0, 4, tokens.size))]
    return row


def upload(gpu, rows, most):
    """The step and the logits of some rows; rows behind them are NaN, and must not be looked at."""
    vocab = rows[0].logits.size
    sampling, history, bias = np.zeros(most, SAMPLING), [], []
    for s, row in zip(sampling, rows):
        for name in ("temperature", "topK", "topP", "minP", "repetition", "frequency", "presence", "index"):
            s[name] = getattr(row, name)
        s["seed"] = row.seed & 0xFFFFFFFF, row.seed >> 32
        s["historyBegin"], s["historyEnd"] = len(history), len(history) + len(row.history)
        s["biasBegin"], s["biasEnd"] = len(bias), len(bias) + len(row.bias)
        history += row.history
        bias += row.bias
    logits = np.full((most, vocab), np.nan, F32)
    logits[:len(rows)] = [row.logits for row in rows]
    step = gpu.step(counts=np.array([-1, -1, len(rows)], np.int32), sampling=sampling,
                    history=np.array(history + [(0, 0)], np.int32), sampled=np.full(most, POISON, np.int32),
                    bias=np.array(bias + [(0, 0)], np.dtype([("token", "i4"), ("bias", "f4")])))
    return step, gpu.upload(logits)


def run(gpu, kernel, rows, most, launches, overlap):
    """What the last of some launches samples, and the counters that it leaves."""
    step, logits = upload(gpu, rows, most)
    workspace, counters = gpu.alloc(max(kernel.workspace, 16)), gpu.upload(np.zeros(kernel.counters + 1, np.int32))
    gpu.fill(workspace, 0xFF, max(kernel.workspace, 16))
    for _ in range(launches):
        kernel.launch([logits, workspace, counters], overlap, step)
    gpu.synchronize()
    sampled, left = np.empty(most, np.int32), np.empty(kernel.counters + 1, np.int32)
    gpu.download(sampled, step.sampled)
    gpu.download(left, counters)
    for pointer in (logits, workspace, counters):
        gpu.free(pointer)
    gpu.free_step(step)
    return sampled, left


def check(gpu, kernel, rows, most):
    """What is wrong, as lines; and how many tokens were near ties."""
    problems, ties = [], 0
    sampled, left = run(gpu, kernel, rows, most, 1, False)
    for i, row in enumerate(rows):
        token, expected = int(sampled[i]), reference(row)
        if token == expected:
            continue
        if 0 <= token < row.logits.size and expected >= 0 and row.temperature >= 1e-5 and near(row, token):
            ties += 1
        else:
            problems.append(f"row {i}: {token} in place of {expected}: {replace(row, history=len(row.history))}")
    if (sampled[len(rows):] != POISON).any():
        problems.append("wrote behind its output")
    if left.any():
        problems.append("left counters that are not zero")
    plain = [replace(row, bias=[], history=[]) for row in rows]  # edits would be made thrice
    if (run(gpu, kernel, plain, most, 1, False)[0] != run(gpu, kernel, plain, most, 3, True)[0]).any():
        problems.append("not the same tokens again")
    return problems, ties


CASES = [(vocab, most, rows) for vocab in (7, 1000, 50257, 151936) for most, rows in ((1, 1), (4, 3), (40, 40))]
CASES += [(1000, 256, 250), (151936, 64, 60), (49152, 1, 1), (262144, 3, 3)]
BENCH = [("greedy", {}), ("temperature", dict(temperature=1.0)), ("top-k 50, top-p 0.9", dict(temperature=0.8, topK=50,
         topP=0.9)), ("top-p 0.9", dict(temperature=0.6, topP=0.9)), ("min-p 0.05", dict(temperature=1.0, minP=0.05)),
         ("top-p 0.95, flat", dict(temperature=4.0, topP=0.95))]


def measure(gpu, kernel, rows):
    """Microseconds of a launch, of many in a graph."""
    step, logits = upload(gpu, rows, len(rows))
    workspace, counters = gpu.alloc(max(kernel.workspace, 16)), gpu.upload(np.zeros(kernel.counters + 1, np.int32))
    time = micros(gpu, lambda: [kernel.launch([logits, workspace, counters], True, step) for _ in range(10)], 10)
    for pointer in (logits, workspace, counters):
        gpu.free(pointer)
    gpu.free_step(step)
    return time


def source(shape):
    vocab, rows = shape
    return emit("sample.cuh", initializer("SampleConfig", vocab=vocab, maxRows=rows), "sample", 3)


def main():
    parser = arguments(__doc__, small="two small cases")
    parser.add_argument("--bench", action="store_true", help="also print times")
    options = parser.parse_args()
    todo = [(1000, 4, 3), (5000, 40, 8)] if options.small else CASES
    shapes = [case[:2] for case in todo] + [(151936, rows) for rows in (1, 256) if options.bench]
    suite = Suite(options, {shape: source(shape) for shape in shapes})
    if options.compile_only:
        return suite.finish()
    gpu, seed = suite.start()
    rng, near_ties = np.random.default_rng(seed), 0
    kernels = {shape: Kernel(gpu, k.image, emitted=True) for shape, k in suite.compiled.items()}
    for vocab, most, count in todo:
        for _ in range(12 if most < 16 and not options.small else 1):
            problems, ties = check(gpu, kernels[vocab, most], [random_row(rng, vocab) for _ in range(count)], most)
            near_ties += ties
            suite.report(f"vocab {vocab}, {count} of {most} rows", "; ".join(problems[:2]))
    print(f"{near_ties} near ties")
    for name, parameters in BENCH if options.bench else []:
        for count in (1, 256):
            logits = rng.standard_normal((count, 151936)).astype(F32) * F32(2)
            rows = [Row(x, seed=i, **parameters) for i, x in enumerate(logits)]
            print(f"{name}, {count} rows: {measure(gpu, kernels[151936, count], rows):.1f} us", flush=True)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
