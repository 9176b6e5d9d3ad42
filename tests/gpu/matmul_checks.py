# SPDX-License-Identifier: Apache-2.0
"""What the checks of the matmuls of many rows share, in torch: random inputs and what float32 makes of them, outputs
and rows behind the step's that are NaN, and what a right output is."""
from harness import GUARD


def pack(torch, weights):
    """The stream of layout.h of a weight [n, k], or of gate and up, on their device."""
    n, k = weights[0].shape
    rows, columns = -(-n // 16) * 16 if len(weights) == 1 else -(-n // 8) * 8, -(-k // 64) * 64
    padded = [torch.zeros(rows, columns, dtype=w.dtype, device=w.device) for w in weights]
    for target, w in zip(padded, weights):
        target[:n, :k] = w
    stacked = padded[0] if len(weights) == 1 else torch.stack([p.view(-1, 8, columns) for p in padded], 1)
    atoms = stacked.reshape(-1, 2, 8, columns // 64, 8, 8).permute(0, 3, 1, 2, 4, 5)  # tile, block, atom, row, piece, 8
    places = torch.arange(8, device=atoms.device).view(8, 1) ^ torch.arange(8, device=atoms.device)
    index = places.view(1, 1, 1, 8, 8, 1).expand(atoms.shape)
    return atoms.gather(4, index).contiguous().view(-1)


class Inputs:
    """Random inputs of one case on the device, of which the step has `rows` rows. `scale`: of x."""

    def __init__(self, torch, config, rows, scale=1):
        self.torch, self.config, self.rows = torch, config, rows
        c, pair = config, config.epilogue == "SwiGlu"
        make = lambda *shape: torch.randn(*shape, device="cuda")
        self.weights = [(make(c.n, c.k) / c.k ** 0.5).bfloat16() for _ in range(1 + pair)]
        self.weight = pack(torch, self.weights)
        self.x = torch.full((c.tokens, c.k), float("nan"), dtype=torch.bfloat16, device="cuda")
        self.x[:rows] = make(rows, c.k) * scale
        self.norm = torch.rand(c.k, device="cuda") + 0.5
        self.bias, self.up_bias = make(c.n), make(c.n)
        self.residual = make(c.tokens, c.n).bfloat16()
        self.counts = torch.tensor([rows, -1, -1], dtype=torch.int32, device="cuda")

    def reference(self):
        c, x = self.config, self.x[:self.rows].float()
        normed = getattr(c, "norm", False)
        factor = (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() if normed else 1
        if normed and getattr(c, "normWeight", False):
            x = (x * self.norm).bfloat16().float()
        biases = (self.bias, self.up_bias) if c.bias else (0, 0)
        sums = [x @ w.float().t() * factor + b for w, b in zip(self.weights, biases)]
        if c.epilogue == "SwiGlu":
            return sums[0] * self.torch.sigmoid(sums[0]) * sums[1]
        return sums[0] + (self.residual[:self.rows].float() if c.epilogue == "Residual" else 0)


class Bed:
    """A kernel with everything that it needs to run on `inputs`. Subclasses say how it is launched."""

    def __init__(self, gpu, kernel, inputs):
        self.gpu, self.kernel, self.inputs, self.torch = gpu, kernel, inputs, inputs.torch
        c, torch = inputs.config, inputs.torch
        kind = torch.float32 if c.out == "F32" else torch.bfloat16
        self.y = torch.empty(c.tokens * c.n + GUARD, dtype=kind, device="cuda")

    def launch(self, residual, overlap):
        """One launch; `residual`: a tensor."""
        raise NotImplementedError

    def run(self, launches, overlap, in_place=False):
        """y of the last of some launches, with what lies behind it."""
        c, residual = self.inputs.config, self.inputs.residual
        self.y.fill_(float("nan"))
        if in_place:
            self.y[:c.tokens * c.n] = residual.view(-1)
        self.torch.cuda.synchronize()
        for _ in range(launches):
            self.launch(self.y if in_place else residual, overlap)
        self.gpu.synchronize()
        return self.y.clone()

    def close(self):
        self.kernel.unload()


def check(bed, each=False):
    """What is wrong with a case, or None. `each`: hold every output to a bound too, not only their norm."""
    torch, inputs, c = bed.torch, bed.inputs, bed.inputs.config
    first, size = bed.run(1, False), inputs.rows * c.n
    if not bool(first[size:].isnan().all()):
        return "wrote behind its output"
    y, reference = first[:size].view(inputs.rows, c.n).float(), inputs.reference()
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
    if each and bool((off > bound).any()):
        return f"{int((off > bound).sum())} of {size} are off, the first at {(off > bound).nonzero()[0].tolist()}"
    if not torch.equal(bed.run(3, True)[:size], first[:size]):
        return "not the same bits again"
    if c.epilogue == "Residual" and c.out == "Bf16" and not torch.equal(bed.run(1, False, True)[:size], first[:size]):
        return "not the same bits in place"
    return None
