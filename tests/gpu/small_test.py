# SPDX-License-Identifier: Apache-2.0
"""Embedding, RMSNorm and row gathering against float64 on fresh random inputs.

Outputs are poisoned with NaN and fenced with a guard, and so are the rows of x behind the step's; each kernel runs
alone and overlapping itself (programmatic launch). --compile-only needs no GPU.
"""
import os
import sys
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from driver import Kernel, emit
from harness import GUARD, NAN, Suite, arguments, from_bf16, initializer, micros, np, pack, run, to_bf16

HIDDEN = (8, 64, 576, 2560, 4096, 16384)
ROWS = (1, 3, 16, 257, 2048)


@dataclass(frozen=True)
class Case:
    op: str
    hidden: int
    rows: int  # of the step
    most: int  # that the kernel is for
    weighted: bool = True  # norms
    squares: bool = False  # embeddings

    def source(self):
        header, config, arguments, fields = {
            "embed": ("embed.cuh", "EmbedConfig", 2 + self.squares, dict(vocab=1000, squares=self.squares)),
            "rmsNorm": ("norm.cuh", "RmsNormConfig", 3, dict(eps=1e-5, weighted=self.weighted)),
            "lastTokens": ("last_tokens.cuh", "LastTokensConfig", 2, {})}[self.op]
        fields = dict(hidden=self.hidden) | fields | dict(maxRows=self.most)
        return emit(header, initializer(config, **fields), self.op, arguments)


def cases():
    for hidden in HIDDEN:
        for rows in ROWS:
            if hidden * rows > 1 << 23:
                continue
            yield Case("embed", hidden, rows, rows)
            yield Case("embed", hidden, max(rows - 2, 1), rows, squares=True)
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
    x[case.rows:] = NAN
    weight = rng.uniform(0.5, 2, case.hidden).astype(np.float32)
    exact = from_bf16(x[:case.rows]).astype(np.float64)
    exact = exact / np.sqrt((exact * exact).mean(-1, keepdims=True) + np.float32(1e-5))
    exact = exact * weight if case.weighted else exact
    return [x, weight], dict(counts=counts), exact, 2.0 ** -8 * 1.01


def squares_problem(case, found, y):
    """What is wrong with the squares of y, added up for every 64 columns: [rows / 32][blocks][32]."""
    blocks = -(-case.hidden // 64)
    padded = np.pad(y.astype(np.float64) ** 2, ((0, 0), (0, blocks * 64 - case.hidden)))
    rows = found.reshape(-1, blocks, 32).transpose(0, 2, 1).reshape(-1, blocks)
    if not np.isnan(rows[case.rows:]).all():
        return "squares behind the step's rows"
    right = np.allclose(rows[:case.rows], padded.reshape(case.rows, blocks, 64).sum(-1), rtol=1e-5)
    return None if right else "squares are off"


def check(gpu, compiled, case, rng):
    """What is wrong with a case, or None."""
    given, arrays, expected, tolerance = inputs(case, rng)
    kernel, step = Kernel(gpu, compiled.image, emitted=True), gpu.step(**arrays)
    given.append(np.full(case.most * case.hidden + GUARD, NAN, np.uint16))
    outputs = [len(given) - 1]
    if case.squares:
        given.append(np.full(-(-case.most // 32) * 32 * -(-case.hidden // 64), np.nan, np.float32))
        outputs.append(len(given) - 1)
    first, *squares = run(gpu, kernel, given, outputs, step=step)
    again, *_ = run(gpu, kernel, given, outputs, launches=3, overlap=True, step=step)
    gpu.free_step(step)
    kernel.unload()
    size = case.rows * case.hidden
    if (first[size:] != NAN).any():
        return "wrote behind its output"
    if (first != again).any():
        return "not the same bits again"
    y = from_bf16(first[:size]).reshape(case.rows, case.hidden)
    wrong = ~(np.abs(y - expected) <= tolerance * np.abs(expected))
    if wrong.any():
        return f"{wrong.sum()} of {size} are wrong, the first at {np.argwhere(wrong)[0]}"
    return squares_problem(case, squares[0], y) if squares else None


def measure(gpu, compiled, case, rng):
    """Microseconds of a launch, of many in a graph."""
    given, arrays, _, _ = inputs(case, rng)
    kernel, step = Kernel(gpu, compiled.image, emitted=True), gpu.step(**arrays)
    pointers = [gpu.upload(array) for array in given] + [gpu.alloc(case.most * case.hidden * 2)]
    time = micros(gpu, lambda: [kernel.launch(pointers, True, step) for _ in range(20)], 20)
    for pointer in pointers:
        gpu.free(pointer)
    gpu.free_step(step)
    return time


def main():
    parser = arguments(__doc__, small="three small cases")
    parser.add_argument("--bench", action="store_true", help="also print times")
    options = parser.parse_args()
    todo = list(dict.fromkeys(cases()))
    if options.small:
        todo = [case for case in todo if case.hidden == 576 and case.most == 3]
    timed = [Case(op, 2560, rows, rows) for op in ("embed", "rmsNorm", "lastTokens") for rows in (1, 64, 8192)
             if options.bench]
    suite = Suite(options, {case: case.source() for case in todo + timed})
    if not options.compile_only:
        gpu, seed = suite.start()
        rng = np.random.default_rng(seed)
        for case in todo:
            suite.report(case, check(gpu, suite.compiled[case], case, rng))
        for case in timed:
            time = measure(gpu, suite.compiled[case], case, rng)
            print(f"{case.op} {case.rows} x {case.hidden}: {time:.2f} us", flush=True)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
