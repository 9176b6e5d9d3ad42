# SPDX-License-Identifier: Apache-2.0
"""Embedding, RMSNorm and row gathering against float64 on fresh random inputs.

Outputs are poisoned with NaN and fenced with a guard, and so are the rows of x behind the step's; each kernel runs
alone and overlapping itself (programmatic launch). --compile-only needs no GPU.
"""
import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from driver import Compiled, Kernel, emit

GUARD, SMS = 64, 132
HIDDEN = (8, 64, 576, 2560, 4096, 16384)
ROWS = (1, 3, 16, 257, 2048)


def to_bf16(values):
    """float32 to bfloat16 bits, to nearest even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def pack(weight):
    """The stream of layout.h of a weight [n, k]."""
    rows, columns = -(-weight.shape[0] // 16) * 16, -(-weight.shape[1] // 64) * 64
    padded = np.zeros((rows, columns), weight.dtype)
    padded[:weight.shape[0], :weight.shape[1]] = weight
    atoms = padded.reshape(-1, 2, 8, columns // 64, 8, 8).transpose(0, 3, 1, 2, 4, 5)
    places = np.arange(8)[:, None] ^ np.arange(8)
    return np.ascontiguousarray(atoms[:, :, :, np.arange(8)[:, None], places])


@dataclass(frozen=True)
class Case:
    op: str
    hidden: int
    rows: int  # of the step
    most: int  # that the kernel is for
    weighted: bool = True  # norms

    def source(self):
        fields = f".hidden = {self.hidden}, .maxRows = {self.most}, .sms = {SMS}"
        if self.op == "embed":
            return emit("embed.cuh", f"EmbedConfig{{.hidden = {self.hidden}, .vocab = 1000, .maxRows = {self.most}}}",
                        "embed", 2)
        if self.op == "rmsNorm":
            return emit("norm.cuh", f"RmsNormConfig{{.hidden = {self.hidden}, .eps = 1e-5f, .weighted = "
                        f"{str(self.weighted).lower()}, .maxRows = {self.most}}}",
                        "rmsNorm", 3)
        return emit("last_tokens.cuh", f"LastTokensConfig{{{fields}}}", "lastTokens", 2)


def cases():
    for hidden in HIDDEN:
        for rows in ROWS:
            if hidden * rows > 1 << 23:
                continue
            yield Case("embed", hidden, rows, rows)
            yield Case("lastTokens", hidden, max(rows * 2 // 3, 1), rows)
            for weighted in (False, True):
                yield Case("rmsNorm", hidden, max(rows - 2, 1), rows, weighted)


def inputs(case, rng):
    """The kernel's arguments but the output, the step's arrays, and the expected output with its tolerance."""
    x = to_bf16(rng.standard_normal((case.most, case.hidden), np.float32) * 2)
    counts = np.array([case.rows, 0, 0], np.int32)
    if case.op == "embed":
        table = to_bf16(rng.standard_normal((1000, case.hidden), np.float32))
        sampled = rng.integers(0, 1000, 8).astype(np.int32)
        tokens = rng.integers(0, 1000, case.most).astype(np.int32)
        later = rng.random(case.most) < 0.4
        tokens[later] = ~rng.integers(0, 8, later.sum())
        ids = np.where(tokens < 0, sampled[~tokens % 8], tokens)[:case.rows]
        return [pack(table)], dict(counts=counts, tokens=tokens, sampled=sampled), from_bf16(table[ids]), 0
    if case.op == "lastTokens":
        rows = np.sort(rng.choice(case.most, case.rows, replace=False)).astype(np.int32)
        return [x], dict(counts=np.array([case.most, 0, case.rows], np.int32), logitRows=rows), from_bf16(x[rows]), 0
    x[case.rows:] = 0x7FFF
    weight = rng.uniform(0.5, 2, case.hidden).astype(np.float32)
    exact = from_bf16(x[:case.rows]).astype(np.float64)
    exact = exact / np.sqrt((exact * exact).mean(-1, keepdims=True) + np.float32(1e-5))
    exact = exact * weight if case.weighted else exact
    return [x, weight], dict(counts=counts), exact, 2.0 ** -8 * 1.01


def check(gpu, compiled, case, rng):
    """What is wrong with a case, or None."""
    arguments, arrays, expected, tolerance = inputs(case, rng)
    kernel = Kernel(gpu, compiled.image, emitted=True)
    poison = np.full(case.most * case.hidden + GUARD, 0x7FFF, np.uint16)
    step, pointers = gpu.step(**arrays), [gpu.upload(array) for array in arguments + [poison]]
    outputs = []
    for launches, overlap in ((1, False), (3, True)):
        for _ in range(launches):
            kernel.launch(pointers, overlap, step)
        gpu.synchronize()
        out = np.empty_like(poison)
        gpu.download(out, pointers[-1])
        outputs.append(out)
    for pointer in pointers:
        gpu.free(pointer)
    gpu.free_step(step)
    kernel.unload()
    size = case.rows * case.hidden
    if (outputs[0][size:] != 0x7FFF).any():
        return "wrote behind its output"
    if (outputs[0] != outputs[1]).any():
        return "not the same bits again"
    y = from_bf16(outputs[0][:size]).reshape(case.rows, case.hidden)
    wrong = ~(np.abs(y - expected) <= tolerance * np.abs(expected))
    return f"{wrong.sum()} of {size} are wrong, the first at {np.argwhere(wrong)[0]}" if wrong.any() else None


def measure(gpu, compiled, case, rng):
    """Microseconds of a launch, of many in a graph."""
    arguments, arrays, _, _ = inputs(case, rng)
    kernel = Kernel(gpu, compiled.image, emitted=True)
    step = gpu.step(**arrays)
    pointers = [gpu.upload(array) for array in arguments] + [gpu.alloc(case.most * case.hidden * 2)]
    replay = gpu.graph(lambda: [kernel.launch(pointers, True, step) for _ in range(20)])
    time = sorted(gpu.time(replay, 10))[5] * 50
    for pointer in pointers:
        gpu.free(pointer)
    gpu.free_step(step)
    return time


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="three small cases, for compute-sanitizer")
    parser.add_argument("--bench", action="store_true", help="also print times")
    parser.add_argument("--compile-only", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    todo = list(dict.fromkeys(cases()))
    if options.small:
        todo = [case for case in todo if case.hidden == 576 and case.most == 3]
    timed = [Case(op, 2560, rows, rows) for op in ("embed", "rmsNorm", "lastTokens") for rows in (1, 64, 8192)
             if options.bench]
    with ThreadPoolExecutor(options.jobs) as pool:
        compiled = dict(zip(todo + timed, pool.map(lambda case: Compiled(case.source()), todo + timed)))
    spilled = [case for case, k in compiled.items() if k.spilled()]
    print(f"{len(compiled)} kernels, at most {max(k.registers() for k in compiled.values())} registers, "
          f"{len(spilled)} of them spill {spilled[:1] or ''}", flush=True)
    if options.compile_only:
        return int(bool(spilled))
    from driver import Gpu
    gpu = Gpu()
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "little")
    rng, failed = np.random.default_rng(seed), len(spilled)
    print(f"{gpu.name}, seed {seed}", flush=True)
    for case in todo:
        problem = check(gpu, compiled[case], case, rng)
        if problem:
            failed += 1
            print(f"FAILED {case}: {problem}", flush=True)
    for case in timed:
        print(f"{case.op} {case.rows} x {case.hidden}: {measure(gpu, compiled[case], case, rng):.2f} us", flush=True)
    print(f"{len(todo) + len(spilled) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
