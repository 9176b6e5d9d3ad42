# SPDX-License-Identifier: Apache-2.0
"""Paged decode attention, fused and not, and ropeAppend, against float64 on fresh random inputs.

Each kernel runs alone and overlapping itself and must give the same bits, leave its counters zero and everything else
as it was. --compile-only needs no GPU.
"""
import os
import sys
from dataclasses import replace

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from attention_decode import Config, Inputs, load
from harness import NAN, Suite, arguments, from_bf16, np, run, to_bf16

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
        yield Config(heads, kv, dim, bulk=True, perSm=1), RAGGED[::-1], ()
    qwen = Config(32, 8, 128, maxSequences=1)
    for length in (1, 2, 64, 65, 1024, 5000):
        yield qwen, (length,), ()
        yield replace(qwen, bulk=True, perSm=1), (length,), ()
    yield replace(qwen, bulk=True, maxSequences=8), (1043,) * 8, ()
    yield replace(qwen, bulk=True, maxSequences=8, perSm=1), (300, 5000, 1, 1, 1, 64, 129, 2), ()
    yield replace(qwen, bulk=True, maxSequences=8), (300, 5000, 1, 1, 1, 64, 129, 2), ()
    yield replace(qwen, bulk=True, perSm=3, slots=2, maxSequences=32), tuple(1 + 61 * i % 700 for i in range(29)), ()
    yield replace(qwen, bulk=True, maxSequences=1024), tuple(1 + 37 * i % 200 for i in range(700)), ()
    yield replace(qwen, maxSequences=256), (1024,), ()
    yield replace(qwen, maxSequences=256, bulk=True), tuple(1 + 7 * i % 190 for i in range(200)), ()
    for fused in (True, False):
        many = Config(8, 2, 128, maxSequences=1024, bulk=True, fused=fused)
        yield many, tuple(1 + 7 * i % 90 for i in range(1000)), () if fused else (0, 500, 999)
    yield replace(qwen, maxSequences=33), tuple(1 + 31 * i % 300 for i in range(33)), ()
    yield replace(qwen, maxSequences=16, fused=False), (40, 50), (0, 1)
    yield Config(16, 1, 128, slots=2, perSm=1), RAGGED, ()


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
    """(pool, out, counters) of the last of `launches` launches."""
    c = inputs.config
    out = np.full((inputs.tokens + 1, c.heads, c.headDim), NAN, np.uint16)
    counters = np.zeros(max(kernel.counters, 1), np.uint32)
    rope_table = inputs.rope_table if c.fused else None
    norms = inputs.norms if c.fused and c.norm else [None, None]
    first = inputs.qkv if c.fused else to_bf16(inputs.q)
    step = inputs.step(gpu)
    found = run(gpu, kernel, [first, rope_table, *norms, inputs.pool(not c.fused), out, counters],
                [4, 5, 6], launches, overlap, step)
    gpu.free_step(step)
    return found


def check_attention(gpu, kernel, inputs):
    pool, out, counters = run_attention(gpu, kernel, inputs, 1, False)
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
    for t, expected in inputs.reference().items():
        error = difference(from_bf16(out[t]), expected)
        if not error <= 8e-3:
            return (f"row {t} (length {inputs.lengths[inputs.sequence[t]]}): error {error:.2e}, "
                    f"{np.isnan(from_bf16(out[t])).sum()} NaN")
    if pool.tobytes() != again[0].tobytes() or out.tobytes() != again[1].tobytes():
        return "not the same bits again"
    return None


def check_rope(gpu, kernel, inputs):
    c = inputs.config
    q = np.full((inputs.tokens + 1, c.heads, c.headDim), NAN, np.uint16)
    padded = np.concatenate([inputs.qkv, np.full((1,) + inputs.qkv.shape[1:], 0x3F80, np.uint16)])
    norms, step = inputs.norms if c.norm else [None, None], inputs.step(gpu)
    pool, q = run(gpu, kernel, [padded, inputs.rope_table, *norms, inputs.pool(False), q], [4, 5], 2, True, step)
    gpu.free_step(step)
    if (q[-1] != NAN).any():
        return "wrote a row of padding"
    error = difference(from_bf16(q[:-1]), inputs.q)
    return f"q: error {error:.2e}" if not error <= 3e-3 else check_pool(inputs, pool)


def main():
    parser = arguments(__doc__, small="a few cases")
    parser.add_argument("--arch", default="sm_90a")
    options = parser.parse_args()
    bulk = int(options.arch[3:].rstrip("a")) >= 90
    chosen = [case for case in cases() if bulk or not case[0].bulk]
    if options.small:
        chosen = [chosen[i] for i in (0, 3, 5, 7, 26) if i < len(chosen)]
    roped = list(dict.fromkeys(replace(c, fused=True, bulk=False, sms=3, maxSequences=1, slots=0, perSm=0)
                               for c, _, _ in chosen))
    sources = [c.source(options.arch) for c, _, _ in chosen] + [c.rope_source() for c in roped]
    suite = Suite(options, {source: source for source in sources}, options.arch)
    if options.compile_only:
        return suite.finish()
    gpu, seed = suite.start()
    rng = np.random.default_rng(seed)
    for config, lengths, several in chosen:
        kernel = load(gpu, suite.compiled[config.source(options.arch)])
        problem = check_attention(gpu, kernel, Inputs(config, lengths, several, rng))
        suite.report(f"{config} {lengths[:10]} {several}", problem)
        kernel.unload()
    for config in roped:
        kernel = load(gpu, suite.compiled[config.rope_source()])
        suite.report(f"rope {config}", check_rope(gpu, kernel, Inputs(config, RAGGED, (4, 9), rng)))
        kernel.unload()
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
