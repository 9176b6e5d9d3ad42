# SPDX-License-Identifier: Apache-2.0
"""The portable matmul against torch in float32 on fresh random inputs, for every epilogue and every way to cut a tile,
with as much shared memory as each architecture has.

Outputs are poisoned with NaN and fenced with a guard, and so are the rows of x behind the step's; each kernel runs
alone and overlapping itself (programmatic launch), and must give the same bits. --compile-only needs no GPU.
"""
import os
import sys
from dataclasses import asdict, dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import matmul_checks
from driver import CudaStep, Kernel, emit
from harness import Suite, arguments, initializer, micros

SHARED = {"sm_80": 166912, "sm_86": 101376, "sm_90a": 232448}


@dataclass(frozen=True)
class Config:
    n: int
    k: int
    tokens: int
    epilogue: str = "None"
    out: str = "Bf16"
    norm: bool = False
    normWeight: bool = False
    bias: bool = False
    sms: int = 132
    sharedLimit: int = SHARED["sm_90a"]

    def source(self):
        fields = asdict(self) | dict(epilogue=f"Epilogue::{self.epilogue}", out=f"Out::{self.out}")
        return emit("matmul_mma.cuh", f"tuned({initializer('MatmulMmaConfig', **fields)})", "matmulMma", 7)


SMALL = [(Config(n=72, k=104, tokens=1, epilogue="SwiGlu", norm=True, normWeight=True), 1),
         (Config(n=72, k=200, tokens=40, epilogue="Residual", bias=True), 33),
         (Config(n=320, k=576, tokens=300, sms=7), 290)]


def cases():
    """(configuration, rows of the step)"""
    for rows, most in ((1, 1), (3, 4), (8, 8), (15, 16), (32, 32), (57, 64), (128, 128), (300, 512)):
        for epilogue in ("None", "Residual", "SwiGlu"):
            for bias in (False, True):
                yield Config(n=1000, k=1032, tokens=most, epilogue=epilogue, bias=bias, norm=most <= 16), rows
        yield Config(n=1000, k=1032, tokens=most, norm=True, normWeight=True), rows
        yield Config(n=1003, k=520, tokens=most, out="F32", norm=most <= 16), rows
        yield Config(n=4800, k=576, tokens=most, out="F32", bias=True, sms=5), rows
        yield Config(n=192, k=8, tokens=most, norm=True), rows
        yield Config(n=72, k=104, tokens=most, epilogue="SwiGlu", norm=True, normWeight=True), rows
        for shared in SHARED.values():
            yield Config(n=2560, k=4096, tokens=most, epilogue="Residual", sharedLimit=shared), rows
            yield Config(n=4864, k=2560, tokens=most, epilogue="SwiGlu", norm=most <= 16, sharedLimit=shared), rows
    yield Config(n=640, k=576, tokens=4096, epilogue="SwiGlu"), 3001  # several groups of tiles of tokens
    yield Config(n=640, k=576, tokens=8192, epilogue="Residual", sms=20), 1
    yield Config(n=640, k=576, tokens=4096, sms=9, bias=True), 2050


BENCH = [(Config(n=n, k=k, tokens=tokens, epilogue=epilogue, norm=tokens <= 16 and epilogue != "Residual"), tokens)
         for n, k, epilogue in ((6144, 2560, "None"), (2560, 9728, "Residual"), (9728, 2560, "SwiGlu"))
         for tokens in (1, 16, 64, 256, 2048)]


class Bed(matmul_checks.Bed):
    def launch(self, residual, overlap):
        i = self.inputs
        tensors = [i.weight, i.x, self.y, i.norm, i.bias, i.up_bias, residual]
        self.kernel.launch([t.data_ptr() for t in tensors], overlap, CudaStep(counts=i.counts.data_ptr()))


def bed_of(torch, gpu, compiled, config, rows):
    return Bed(gpu, Kernel(gpu, compiled.image, emitted=True), matmul_checks.Inputs(torch, config, rows, scale=2))


def measure(torch, gpu, compiled, config, rows):
    """A line with a launch's time, of some in a graph, over enough memory that weights do not stay in L2."""
    c, count = config, max(1, 2 ** 27 // (config.n * config.k))
    beds = [bed_of(torch, gpu, compiled, config, rows) for _ in range(count)]
    torch.cuda.synchronize()
    launches = [bed for _ in range(4) for bed in beds]
    time = micros(gpu, lambda: [bed.launch(bed.inputs.residual, True) for bed in launches], len(launches)) * 1e-6
    pair = 2 if c.epilogue == "SwiGlu" else 1
    print(f"{c.epilogue} n {c.n} k {c.k} rows {rows}: {time * 1e6:.1f} us, {2 * pair * c.n * c.k * 1e-12 / time:.2f} "
          f"TB/s of weights, {2 * pair * rows * c.n * c.k * 1e-12 / time:.0f} TFLOP/s", flush=True)


def main():
    parser = arguments(__doc__, small="three small cases")
    parser.add_argument("--bench", action="store_true", help="also print times")
    options = parser.parse_args()
    todo, timed = SMALL if options.small else list(dict.fromkeys(cases())), BENCH if options.bench else []
    suite = Suite(options, {config: config.source() for config, _ in todo + timed})
    if not options.compile_only:
        import torch
        gpu, _ = suite.start(torch)
        for config, rows in todo:
            bed = bed_of(torch, gpu, suite.compiled[config], config, rows)
            suite.report(f"{rows} of {config}", matmul_checks.check(bed, each=True))
            bed.close()
        for config, rows in timed:
            measure(torch, gpu, suite.compiled[config], config, rows)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
