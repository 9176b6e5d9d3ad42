# SPDX-License-Identifier: Apache-2.0
"""The matmul of 17 rows and more against torch in float32 on fresh random inputs, for every epilogue and tile.

Outputs are poisoned with NaN and fenced with a guard, and so are the rows of x behind the step's; each kernel runs
alone and overlapping itself (programmatic launch), and must give the same bits.
--compile-only needs no GPU.
"""
import os
import sys
from dataclasses import replace

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import matmul_checks
from driver import CudaStep
from harness import Suite, arguments
from matmul import Config, Matmul, args_of

SMALL = [(Config(n=72, k=104, tokens=40, epilogue="SwiGlu"), 33), (Config(n=576, k=1536, tokens=32), 20),
         (Config(n=576, k=576, tokens=300, epilogue="Residual"), 290),
         (Config(n=136, k=104, tokens=40, epilogue="Residual", squares=True), 33),
         (Config(n=576, k=1032, tokens=128, norm=True), 100),
         (Config(n=200, k=1024, tokens=40, height=5, split=3, fetched=2, epilogue="Residual"), 33),
         (Config(n=1288, k=576, tokens=300, epilogue="SwiGlu", norm=True, tileTokens=256, split=1), 270)]


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
    for tile in (32, 64, 96, 128, 192, 256):
        config = Config(n=640, k=576, tokens=2100, epilogue="SwiGlu", tileTokens=tile, split=1)
        yield config, 2050  # many tiles of tokens, of more than one group
        yield replace(config, epilogue="None", bias=True, tokens=300), 270
        for split in (2, 3, 4, 5, 8):
            if tile <= 128 * split:
                yield replace(config, epilogue="Residual", n=1288, tokens=300, split=split, triggerAtEntry=True), 280
                yield replace(config, tokens=100, bias=True, split=split), 100
    for height in (1, 3, 5, 6, 10, 12, 16):  # tiles that end within a product
        for tokens in (32, 64, 128):
            config = Config(n=1000, k=1032, tokens=tokens, height=height, bias=True)
            yield replace(config, split=1, norm=True), tokens - 5
            yield replace(config, split=3, out="F32"), tokens
            yield replace(config, split=2, epilogue="Residual", squares=height % 4 == 0), tokens
            yield replace(config, split=1, epilogue="SwiGlu"), tokens
            yield replace(config, split=4, epilogue="SwiGlu", norm=True), tokens - 20
    for most in (192, 256, 384, 512):  # one tile for every SM, clusters that bring weights to all
        for rows in (most - 63, most):
            for n, k in ((6144, 2560), (3072, 2048), (4096, 1024), (1000, 1032), (72, 40)):
                yield Config(n=n, k=k, tokens=most, bias=n % 64 != 0), rows
                yield Config(n=n, k=k, tokens=most, bias=n % 64 != 0, norm=True), rows
            for n, k in ((2560, 4096), (4096, 4096), (2048, 2048), (1024, 3072), (1288, 1032)):
                yield Config(n=n, k=k, tokens=most, epilogue="Residual", squares=True), rows
            for n, k in ((9728, 2560), (8192, 1032), (7000, 40)):
                yield Config(n=n, k=k, tokens=most, epilogue="SwiGlu", bias=k == 1032, norm=k != 40), rows
    for tokens in (32, 64, 96, 128):  # x of the first stages by the threads that multiply
        for split in (1, 2, 4, 5):
            config = Config(n=1000, k=1024, tokens=tokens, split=split, fetched=3)
            yield replace(config, epilogue="Residual", squares=True), tokens - 5
            yield replace(config, epilogue="Residual", out="F32", bias=True), tokens
            yield replace(config, epilogue="SwiGlu", norm=True, height=10), tokens - 20
        yield Config(n=40000, k=320, tokens=tokens, fetched=4, epilogue="Residual"), tokens - 1
    for epilogue in ("None", "Residual", "SwiGlu"):  # two bands; 176 rows; norms, whose factors pass from tile to tile
        config = Config(n=1288, k=1032, tokens=330, epilogue=epilogue, bias=True)
        for kind in (dict(tileTokens=160, split=1, bands=2), dict(tileTokens=128, split=1, bands=2),
                     dict(tileTokens=128, split=4, bands=2), dict(tileTokens=176, split=2), dict(tokens=2100),
                     dict(tokens=32), dict(tokens=64), dict(tokens=128), dict(tokens=256)):
            rows = kind.get("tokens", 330) - 7
            yield replace(config, **kind), rows
            yield replace(config, **kind, norm=True), rows
            if epilogue != "SwiGlu":
                yield replace(config, **kind, squares=True), rows
        yield replace(config, k=64, n=17408, tokens=2100, norm=True), 2090
        yield replace(config, k=64, n=34816, tokens=64, norm=True), 57
    for tokens in (64, 96, 128, 192, 256, 384, 512, 2048):
        yield Config(n=2560, k=9728, tokens=tokens, epilogue="Residual", squares=True), tokens
        yield Config(n=9728, k=2560, tokens=tokens, epilogue="SwiGlu", norm=True), tokens
        yield Config(n=6144, k=2560, tokens=tokens, norm=True), tokens - 30
    yield Config(n=2560, k=9728, tokens=2100, epilogue="Residual", squares=True), 1000
    for tokens in (1, 129, 1000):
        yield Config(n=6144, k=2560, tokens=2100, norm=True), tokens
        yield Config(n=9728, k=1032, tokens=2100, epilogue="SwiGlu", norm=True), tokens
    yield Config(n=2560, k=256, tokens=512, epilogue="Residual", squares=True), 512
    for tokens in (1, 129, 300, 520, 2049):  # all sizes of tiles
        yield Config(n=2560, k=576, tokens=2100, epilogue="Residual", bias=True), tokens
        yield Config(n=17408, k=64, tokens=2100, bias=True), tokens
        yield Config(n=5000, k=2048, tokens=2100), tokens
        yield Config(n=3000, k=2048, tokens=2100, epilogue="SwiGlu"), tokens
    for tokens in (64, 96, 192, 256, 384, 2048):
        yield Config(n=6144, k=2560, tokens=tokens), tokens
        yield Config(n=2560, k=9728, tokens=tokens, epilogue="Residual"), tokens
        yield Config(n=9728, k=2560, tokens=tokens, epilogue="SwiGlu"), tokens
    yield Config(n=32000, k=576, tokens=64, out="F32"), 50


def squares_of(torch, rows):
    """The squares of each row, added up for every 64 columns; NaN behind the last row: [rows / 32][blocks][32]."""
    padded = torch.nn.functional.pad(rows.float().square(), (0, -rows.shape[1] % 64))
    sums = padded.view(rows.shape[0], -1, 64).sum(-1)
    sums = torch.nn.functional.pad(sums, (0, 0, 0, -rows.shape[0] % 32), value=float("nan"))
    return sums.view(-1, 32, sums.shape[1]).transpose(1, 2).contiguous()


class Bed(matmul_checks.Bed):
    def __init__(self, gpu, kernel, inputs):
        super().__init__(gpu, kernel, inputs)
        c, torch = inputs.config, inputs.torch
        blocks = -(-(c.n if c.squares else c.k) // 64)
        self.squares = torch.full((-(-c.tokens // 32), blocks, 32), float("nan"), device="cuda")
        if c.norm:
            given = squares_of(torch, inputs.x[:inputs.rows])
            self.squares[:len(given)] = given
        self.maps = [kernel.tensor_map(0, inputs.x.data_ptr()), kernel.tensor_map(1, inputs.weight.data_ptr())]

    def launch(self, residual, overlap):
        i, bias = self.inputs, self.inputs.config.bias
        args = args_of(squares=self.squares.data_ptr(), x=i.x.data_ptr(), y=self.y.data_ptr(),
                       bias=i.bias.data_ptr() if bias else 0, up_bias=i.up_bias.data_ptr() if bias else 0,
                       residual=residual.data_ptr(), x_map=self.maps[0], weight_map=self.maps[1])
        self.kernel.launch(args, overlap, CudaStep(counts=i.counts.data_ptr()))

    def check(self):
        """What is wrong, or None."""
        problem, c, rows = matmul_checks.check(self), self.inputs.config, self.inputs.rows
        if problem or not c.squares:
            return problem
        # Tiles that are not of 64 columns have parts of their own: what counts is what a row's add up to.
        wanted = squares_of(self.torch, self.y[:rows * c.n].view(rows, c.n)).sum(1)
        found = self.squares[:len(wanted)].sum(1)
        if not self.torch.allclose(found, wanted, rtol=1e-4, atol=1e-6, equal_nan=True):
            off = ~self.torch.isclose(found, wanted, rtol=1e-4, atol=1e-6, equal_nan=True)
            return f"squares are off, the first at {off.nonzero()[:1].tolist()}"
        return None if bool(self.squares[len(wanted):].isnan().all()) else "squares behind the step's rows"

    def close(self):
        for address in self.maps:
            self.gpu.free(address)
        super().close()


def spills_or_serializes(kernel):
    """ptxas says C75xx where it had to wait after every wgmma."""
    return kernel.spilled() or "C75" in kernel.log


def main():
    options = arguments(__doc__, small="some small cases").parse_args()
    todo = SMALL if options.small else list(dict.fromkeys(cases()))
    suite = Suite(options, {config: config.source() for config, _ in todo}, bad=spills_or_serializes)
    if not options.compile_only:
        import torch
        gpu, _ = suite.start(torch)
        for config, rows in todo:
            bed = Bed(gpu, Matmul(gpu, suite.compiled[config]), matmul_checks.Inputs(torch, config, rows))
            suite.report(f"{rows} of {config}", bed.check())
            bed.close()
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
