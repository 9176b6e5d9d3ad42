# SPDX-License-Identifier: Apache-2.0
"""The portable matmul against torch in float32 on fresh random inputs, for every epilogue and every way to cut a tile,
with as much shared memory as each architecture has.

Outputs are poisoned with NaN and fenced with a guard, and so are the rows of x behind the step's; each kernel runs
alone and overlapping itself (programmatic launch), and must give the same bits. --compile-only needs no GPU.
"""
import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from driver import Compiled, CudaStep, Kernel, emit
from matmul import pack

GUARD = 64
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
    shared: int = SHARED["sm_90a"]

    def source(self):
        return emit("matmul_mma.cuh", f"tuned(MatmulMmaConfig{{.n = {self.n}, .k = {self.k}, .tokens = {self.tokens}, "
                    f".epilogue = Epilogue::{self.epilogue}, .out = Out::{self.out}, "
                    f".norm = {str(self.norm).lower()}, .normWeight = {str(self.normWeight).lower()}, "
                    f".bias = {str(self.bias).lower()}, "
                    f".sms = {self.sms}, .sharedLimit = {self.shared}}})", "matmulMma", 7)


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
            yield Config(n=2560, k=4096, tokens=most, epilogue="Residual", shared=shared), rows
            yield Config(n=4864, k=2560, tokens=most, epilogue="SwiGlu", norm=most <= 16, shared=shared), rows
    yield Config(n=640, k=576, tokens=4096, epilogue="SwiGlu"), 3001  # several groups of tiles of tokens
    yield Config(n=640, k=576, tokens=8192, epilogue="Residual", sms=20), 1
    yield Config(n=640, k=576, tokens=4096, sms=9, bias=True), 2050


BENCH = [(Config(n=n, k=k, tokens=tokens, epilogue=epilogue, norm=tokens <= 16 and epilogue != "Residual"), tokens)
         for n, k, epilogue in ((6144, 2560, "None"), (2560, 9728, "Residual"), (9728, 2560, "SwiGlu"))
         for tokens in (1, 16, 64, 256, 2048)]


class Bed:
    """A kernel with random inputs, and what float32 makes of them."""

    def __init__(self, torch, gpu, compiled, config, rows):
        self.torch, self.gpu, self.config, self.rows = torch, gpu, config, rows
        self.kernel = Kernel(gpu, compiled.image, emitted=True)
        c, pair = config, config.epilogue == "SwiGlu"
        make = lambda *shape: torch.randn(*shape, device="cuda")
        self.weights = [(make(c.n, c.k) / c.k ** 0.5).bfloat16() for _ in range(1 + pair)]
        self.packed = pack(torch, self.weights)
        self.x = torch.full((c.tokens, c.k), float("nan"), dtype=torch.bfloat16, device="cuda")
        self.x[:rows] = make(rows, c.k) * 2
        self.norm = torch.rand(c.k, device="cuda") + 0.5
        self.biases = [make(c.n), make(c.n)]
        self.residual = make(c.tokens, c.n).bfloat16()
        counts = [rows, -1, -1]
        self.counts = torch.tensor(counts, dtype=torch.int32, device="cuda")
        kind = torch.float32 if c.out == "F32" else torch.bfloat16
        self.y = torch.empty(c.tokens * c.n + GUARD, dtype=kind, device="cuda")

    def reference(self):
        c, x = self.config, self.x[:self.rows].float()
        factor = (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() if c.norm else 1
        if c.normWeight:
            x = (x * self.norm).bfloat16().float()
        sums = [x @ w.float().t() * factor + (b if c.bias else 0) for w, b in zip(self.weights, self.biases)]
        if c.epilogue == "SwiGlu":
            return sums[0] * self.torch.sigmoid(sums[0]) * sums[1]
        return sums[0] + (self.residual[:self.rows].float() if c.epilogue == "Residual" else 0)

    def launch(self, overlap, in_place=False):
        tensors = [self.packed, self.x, self.y, self.norm, *self.biases, self.y if in_place else self.residual]
        self.kernel.launch([t.data_ptr() for t in tensors], overlap, CudaStep(counts=self.counts.data_ptr()))

    def run(self, launches, overlap, in_place=False):
        """y of the last of some launches, with what lies behind it."""
        self.y.fill_(float("nan"))
        if in_place:
            self.y[:self.config.tokens * self.config.n] = self.residual.view(-1)
        self.torch.cuda.synchronize()
        for _ in range(launches):
            self.launch(overlap, in_place)
        self.gpu.synchronize()
        return self.y.clone()


def check(bed):
    """What is wrong with a case, or None."""
    torch, c, size = bed.torch, bed.config, bed.rows * bed.config.n
    first = bed.run(1, False)
    if not bool(first[size:].isnan().all()):
        return "wrote behind its output"
    y, reference = first[:size].view(bed.rows, c.n).float(), bed.reference()
    if bool(y.isnan().any()):
        rows, columns = y.isnan().any(1).nonzero().flatten(), y.isnan().any(0).nonzero().flatten()
        return (f"{int(y.isnan().sum())} of {size} are NaN: rows {int(rows[0])} to {int(rows[-1])}, "
                f"columns {int(columns[0])} to {int(columns[-1])}")
    off = (y - reference).abs()
    # One rounding of the output; float32 sums of exact products.
    error, limit = float(off.norm() / reference.norm()), 4e-3 if c.out == "Bf16" else 2e-5
    if not error <= limit:
        return f"error {error:.2e}, at most {limit:.0e} expected; worst at {divmod(int(off.argmax()), c.n)}"
    bound = reference.abs() * 2.0 ** -8 * 1.1 + 1e-3 if c.out == "Bf16" else reference.abs() * 1e-4 + 1e-4
    if bool((off > bound).any()):
        return f"{int((off > bound).sum())} of {size} are off, the first at {(off > bound).nonzero()[0].tolist()}"
    if not torch.equal(bed.run(3, True)[:size], first[:size]):
        return "not the same bits again"
    if c.epilogue == "Residual" and not torch.equal(bed.run(1, False, True)[:size], first[:size]):
        return "not the same bits in place"
    return None


def measure(torch, gpu, compiled, config, rows):
    """A line with a launch's time, of some in a graph, over enough memory that weights do not stay in L2."""
    c, count = config, max(1, 2 ** 27 // (config.n * config.k))
    beds = [Bed(torch, gpu, compiled, config, rows) for _ in range(count)]
    torch.cuda.synchronize()
    replay = gpu.graph(lambda: [bed.launch(True) for _ in range(4) for bed in beds])
    time = sorted(gpu.time(replay, 6))[3] / (4 * count) * 1e-3
    pair = 2 if c.epilogue == "SwiGlu" else 1
    print(f"{c.epilogue} n {c.n} k {c.k} rows {rows}: {time * 1e6:.1f} us, {2 * pair * c.n * c.k * 1e-12 / time:.2f} "
          f"TB/s of weights, {2 * pair * rows * c.n * c.k * 1e-12 / time:.0f} TFLOP/s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="three small cases, for compute-sanitizer")
    parser.add_argument("--bench", action="store_true", help="also print times")
    parser.add_argument("--compile-only", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    todo = SMALL if options.small else list(dict.fromkeys(cases()))
    configs = list(dict.fromkeys(c for c, _ in todo + (BENCH if options.bench else [])))
    with ThreadPoolExecutor(options.jobs) as pool:
        compiled = dict(zip(configs, pool.map(lambda c: Compiled(c.source()), configs)))
    spilled = [c for c, k in compiled.items() if k.spilled()]
    print(f"{len(compiled)} kernels, at most {max(k.registers() for k in compiled.values())} registers, "
          f"{len(spilled)} of them spill {spilled[:1] or ''}", flush=True)
    if options.compile_only:
        return int(bool(spilled))
    import torch
    torch.empty(1, device="cuda")
    from driver import Gpu
    gpu = Gpu()
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "little")
    torch.manual_seed(seed)
    print(f"{gpu.name}, seed {seed}", flush=True)
    failed = len(spilled)
    for config, rows in todo:
        bed = Bed(torch, gpu, compiled[config], config, rows)
        problem = check(bed)
        bed.kernel.unload()
        if problem:
            failed += 1
            print(f"FAILED {rows} of {config}: {problem}", flush=True)
    for config, rows in BENCH if options.bench else []:
        measure(torch, gpu, compiled[config], config, rows)
    print(f"{len(todo) + len(spilled) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
