# SPDX-License-Identifier: Apache-2.0
"""The matvec against float64 on fresh random inputs, for every epilogue and number of tokens.

Outputs are poisoned with NaN and fenced with a guard; each kernel runs twice, alone and overlapping itself
(programmatic launch), and must give the same bits. --compile-only needs no GPU.
"""
import ctypes
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import GUARD, NAN, Suite, arguments, from_bf16, np, run, to_bf16
from matvec import Config, load

TOKENS = (1, 2, 3, 4, 7, 8, 9, 16)
SMALL = [Config(n=72, k=264, tokens=t, epilogue=e, norm=e != "None", normWeight=t == 3, bias=t > 1, split=s)
         for t, e, s in ((1, "None", 1), (3, "SwiGlu", 2), (9, "Residual", 4))]
SMALL.append(Config(n=72, k=264, tokens=16, split=2, nextTiles=5, nextBlocks=3, nextSplit=1, nextClusters=3))


def configurations():
    for tokens in TOKENS:
        for out in ("Bf16", "F32"):
            for norm in (0, 1, 2):
                for epilogue in ("None", "Residual", "SwiGlu"):
                    yield Config(n=1000, k=1032, tokens=tokens, epilogue=epilogue, out=out, norm=norm > 0,
                                 normWeight=norm > 1, bias=(norm == 1) == (out == "F32"))
        for split in (1, 2, 4, 8):  # odd slices, empty last chunks, many groups, few tiles
            yield Config(n=520, k=2088, tokens=tokens, epilogue="SwiGlu", norm=True, normWeight=split < 4, bias=True,
                         split=split, clusters=3)
            yield Config(n=2568, k=520, tokens=tokens, epilogue="Residual", split=split, chunkBlocks=2, clusters=7)
            yield Config(n=17, k=520, tokens=tokens, out="F32", norm=True, normWeight=split > 2, split=split,
                         chunkBlocks=3)
        yield Config(n=1024, k=2048, tokens=tokens, epilogue="Residual", warps=16)
        yield Config(n=960, k=576, tokens=tokens, norm=True, warps=4, triggerAtEntry=False)
        yield Config(n=8, k=8, tokens=tokens)
        yield Config(n=520, k=2088, tokens=tokens, epilogue="Residual", split=tokens % 2 + 1, clusters=9, nextTiles=33,
                     nextBlocks=31, nextSplit=2, nextClusters=10)
    for tokens in (1, 8, 16):
        yield Config(n=2560, k=9728, tokens=tokens, epilogue="Residual")
        yield Config(n=9728, k=2560, tokens=tokens, epilogue="SwiGlu", norm=True)
        yield Config(n=6144, k=4096, tokens=tokens, norm=True)


class Case:
    """Random inputs of one configuration, packed, and what float64 makes of them."""

    def __init__(self, config, rng, packer):
        self.config = c = config
        pair = c.epilogue == "SwiGlu"
        weights = [to_bf16(rng.standard_normal((c.n, c.k), np.float32) / np.sqrt(c.k)) for _ in range(1 + pair)]
        self.x = to_bf16(rng.standard_normal((c.tokens, c.k), np.float32) * 3)
        self.norm = rng.uniform(0.5, 2, c.k).astype(np.float32) if c.normWeight else None
        self.bias, self.up_bias = (rng.standard_normal(c.n, np.float32) if c.bias else None for _ in range(2))
        residual = rng.standard_normal((c.tokens, c.n), np.float32)
        self.residual = residual if c.out == "F32" else to_bf16(residual)
        self.stream = np.full(c.weight_bytes() // 2, NAN, np.uint16)
        pointers = [w.ctypes.data_as(ctypes.c_void_p) for w in weights]
        pack = packer.packPair if pair else packer.packPlain
        pack(*pointers, ctypes.c_int64(c.n), ctypes.c_int(c.k), self.stream.ctypes.data_as(ctypes.c_void_p))
        self.reference = self.evaluate([from_bf16(w).astype(np.float64) for w in weights])

    def evaluate(self, weights):
        c, x = self.config, from_bf16(self.x).astype(np.float64)
        if c.norm:
            x = x / np.sqrt((x * x).mean(-1, keepdims=True) + c.eps)
        if c.normWeight:
            x = x * self.norm.astype(np.float64)
        y = x @ weights[0].T + (self.bias if c.bias else 0)
        if c.epilogue == "SwiGlu":
            y = y / (1 + np.exp(-y)) * (x @ weights[1].T + (self.up_bias if c.bias else 0))
        if c.epilogue == "Residual":
            y = y + (self.residual if c.out == "F32" else from_bf16(self.residual)).astype(np.float64)
        return y


def output_of(gpu, kernel, case, launches, overlap):
    """The output of the last of `launches` launches; None if the guard behind it was touched."""
    c = case.config
    size = c.tokens * c.n
    poison = np.full(size + GUARD, np.nan, np.float32) if c.out == "F32" else np.full(size + GUARD, NAN, np.uint16)
    arrays = [case.stream, case.x, poison, case.norm, case.bias, case.up_bias, case.residual, case.stream]
    out, = run(gpu, kernel, arrays, [2], launches, overlap)
    return out[:size].reshape(c.tokens, c.n) if out[size:].tobytes() == poison[size:].tobytes() else None


def check(gpu, compiled, case):
    """What is wrong with a configuration, or None."""
    c, kernel = case.config, load(gpu, compiled)
    first = output_of(gpu, kernel, case, 1, False)
    again = output_of(gpu, kernel, case, 3, True)
    kernel.unload()
    if first is None or again is None:
        return "wrote behind its output"
    y = (first if c.out == "F32" else from_bf16(first)).astype(np.float64)
    error = np.linalg.norm(y - case.reference) / np.linalg.norm(case.reference)
    # float32 sums of exact products; one rounding of x * w to bfloat16 with a norm, one of the output to bfloat16; silu
    # and the product of gate and up add to the first.
    limit = (1e-2 if c.epilogue == "SwiGlu" else 4e-3) if c.norm else 4e-3 if c.out == "Bf16" else 2e-5
    if not error <= limit:
        return f"error {error:.2e}, at most {limit:.0e} expected; {np.isnan(y).sum()} of {y.size} are NaN"
    if first.tobytes() != again.tobytes():
        return "not the same bits again"
    return None


def main():
    parser = arguments(__doc__, small="four small cases")
    parser.add_argument("--packer", help="pack.cpp as a shared library; needed to run")
    options = parser.parse_args()
    configs = SMALL if options.small else list(dict.fromkeys(configurations()))
    suite = Suite(options, {config: config.source() for config in configs})
    if not options.compile_only:
        if not options.packer:
            parser.error("--packer is needed to run")
        packer = ctypes.CDLL(os.path.abspath(options.packer))
        gpu, seed = suite.start()
        rng = np.random.default_rng(seed)
        for config in configs:
            suite.report(config, check(gpu, suite.compiled[config], Case(config, rng, packer)))
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
