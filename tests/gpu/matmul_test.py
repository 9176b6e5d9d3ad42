# SPDX-License-Identifier: Apache-2.0
"""The matmul of 17 rows and more against torch in float32 on fresh random inputs, for every epilogue and tile.

Outputs are poisoned with NaN and fenced with a guard, and so are the rows of x behind the step's; each kernel runs
alone and overlapping itself (programmatic launch), and must give the same bits.
--compile-only needs no GPU.
"""
import argparse
import os
import sys
from dataclasses import replace

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from matmul import Config, Matmul, args_of, compile_all, pack

GUARD = 64
SMALL = [(Config(n=72, k=104, tokens=40, epilogue="SwiGlu"), 33), (Config(n=576, k=1536, tokens=32), 20),
         (Config(n=576, k=576, tokens=300, epilogue="Residual"), 290)]


def cases():
    """(configuration, tokens of the step)"""
    for epilogue in ("None", "Residual", "SwiGlu"):
        for out in ("Bf16", "F32"):
            for bias in (False, True):
                for tokens, most in ((17, 32), (64, 64), (100, 128), (130, 256), (300, 512)):
                    yield Config(n=1000, k=1032, tokens=most, epilogue=epilogue, out=out, bias=bias), tokens
    for n, k in ((192, 576), (576, 1536), (8, 8), (16, 9728), (2560, 4096)):  # few tiles, split
        for tokens, most in ((17, 32), (33, 64), (128, 128), (256, 256), (1, 8192), (513, 8192)):
            yield Config(n=n, k=k, tokens=most, epilogue="Residual"), tokens
    for tile in (32, 64, 128, 192, 256):
        config = Config(n=640, k=576, tokens=2100, epilogue="SwiGlu", tileTokens=tile, split=1)
        yield config, 2050  # many tiles of tokens, of more than one group
        yield replace(config, epilogue="None", bias=True, tokens=300), 270
        for split in (2, 3, 4, 5, 8):
            if tile <= 64 * split:
                yield replace(config, epilogue="Residual", n=1288, tokens=300, split=split, triggerAtEntry=False), 280
                yield replace(config, tokens=100, bias=True, split=split), 100
    for tokens in (1, 129, 300, 520, 2049):  # all sizes of tiles
        yield Config(n=2560, k=576, tokens=2100, epilogue="Residual", bias=True), tokens
        yield Config(n=17408, k=64, tokens=2100, bias=True), tokens
    for tokens in (64, 256, 2048):
        yield Config(n=6144, k=2560, tokens=tokens), tokens
        yield Config(n=2560, k=9728, tokens=tokens, epilogue="Residual"), tokens
        yield Config(n=9728, k=2560, tokens=tokens, epilogue="SwiGlu"), tokens
    yield Config(n=32000, k=576, tokens=64, out="F32"), 50


class Inputs:
    """Random inputs of one case on the device, and what float32 makes of them."""

    def __init__(self, torch, config, tokens):
        self.torch, self.config, self.tokens = torch, config, tokens
        c, pair = config, config.epilogue == "SwiGlu"
        make = lambda *shape: torch.randn(*shape, device="cuda")
        weights = [(make(c.n, c.k) / c.k ** 0.5).bfloat16() for _ in range(1 + pair)]
        self.weight = pack(torch, weights)
        self.x = torch.full((c.tokens, c.k), float("nan"), dtype=torch.bfloat16, device="cuda")
        self.x[:tokens] = make(tokens, c.k)
        self.bias, self.up_bias = make(c.n), make(c.n)
        self.residual = make(c.tokens, c.n).bfloat16()
        counts = [tokens, 0, 0]
        self.counts = torch.tensor(counts, dtype=torch.int32, device="cuda")
        self.reference = self.evaluate([w.float() for w in weights], self.x[:tokens].float())

    def evaluate(self, weights, x):
        c = self.config
        y = x @ weights[0].t() + (self.bias if c.bias else 0)
        if c.epilogue == "SwiGlu":
            y = y * self.torch.sigmoid(y) * (x @ weights[1].t() + (self.up_bias if c.bias else 0))
        if c.epilogue == "Residual":
            y = y + self.residual[:self.tokens].float()
        return y


class Bed:
    """A kernel with everything it needs to run on `inputs`."""

    def __init__(self, gpu, torch, kernel, inputs):
        from driver import CudaStep
        self.gpu, self.torch, self.kernel, self.inputs = gpu, torch, kernel, inputs
        c = inputs.config
        self.kind = torch.float32 if c.out == "F32" else torch.bfloat16
        self.y = torch.empty(c.tokens * c.n + GUARD, dtype=self.kind, device="cuda")
        self.maps = [kernel.tensor_map(0, inputs.x.data_ptr()), kernel.tensor_map(1, inputs.weight.data_ptr())]
        self.step = CudaStep(counts=inputs.counts.data_ptr())

    def run(self, launches, overlap, in_place=False):
        """y of the last of some launches, with what lies behind it."""
        i, c = self.inputs, self.inputs.config
        self.y.fill_(float("nan"))
        if in_place:
            self.y[:c.tokens * c.n] = i.residual.view(-1)
        args = args_of(x=i.x.data_ptr(), y=self.y.data_ptr(), bias=i.bias.data_ptr() if c.bias else 0,
                       up_bias=i.up_bias.data_ptr() if c.bias else 0,
                       residual=(self.y if in_place else i.residual).data_ptr(), x_map=self.maps[0],
                       weight_map=self.maps[1])
        self.torch.cuda.synchronize()
        for _ in range(launches):
            self.kernel.launch(args, overlap, self.step)
        self.gpu.synchronize()
        return self.y.clone()

    def close(self):
        for address in self.maps:
            self.gpu.free(address)
        self.kernel.unload()


def check(bed):
    """What is wrong with a case, or None."""
    torch, inputs, c = bed.torch, bed.inputs, bed.inputs.config
    first = bed.run(1, False)
    size = inputs.tokens * c.n
    if not bool(first[size:].isnan().all()):
        return "wrote behind its output"
    y = first[:size].view(inputs.tokens, c.n).float()
    if bool(y.isnan().any()):
        rows, columns = y.isnan().any(1).nonzero().flatten(), y.isnan().any(0).nonzero().flatten()
        return (f"{int(y.isnan().sum())} of {size} are NaN: rows {int(rows[0])} to {int(rows[-1])}, "
                f"columns {int(columns[0])} to {int(columns[-1])}")
    error = float((y - inputs.reference).norm() / inputs.reference.norm())
    limit = 4e-3 if c.out == "Bf16" else 2e-5  # one rounding of the output; float32 sums of exact products
    if not error <= limit:
        worst = (y - inputs.reference).abs().argmax()
        return f"error {error:.2e}, at most {limit:.0e} expected; worst at {divmod(int(worst), c.n)}"
    if not torch.equal(bed.run(3, True)[:size], first[:size]):
        return "not the same bits again"
    if c.epilogue == "Residual" and c.out == "Bf16" and not torch.equal(bed.run(1, False, True)[:size], first[:size]):
        return "not the same bits in place"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="three small cases, for compute-sanitizer")
    parser.add_argument("--compile-only", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    todo = SMALL if options.small else list(dict.fromkeys(cases()))
    compiled = compile_all([config for config, _ in todo], options.jobs)
    spilled = [config for config, k in compiled.items() if k.spilled() or "C75" in k.log]
    print(f"{len(compiled)} kernels, at most {max(k.registers() for k in compiled.values())} registers, "
          f"{len(spilled)} of them spill or serialize wgmma {spilled[:1] or ''}", flush=True)
    if options.compile_only:
        return int(bool(spilled))
    import torch
    torch.cuda.init()
    torch.empty(1, device="cuda")
    from driver import Gpu
    gpu = Gpu()
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "little")
    torch.manual_seed(seed)
    print(f"{gpu.name}, seed {seed}", flush=True)
    failed = len(spilled)
    for config, tokens in todo:
        bed = Bed(gpu, torch, Matmul(gpu, compiled[config]), Inputs(torch, config, tokens))
        problem = check(bed)
        bed.close()
        if problem:
            failed += 1
            print(f"FAILED {tokens} of {config}: {problem}", flush=True)
    print(f"{len(todo) + len(spilled) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
