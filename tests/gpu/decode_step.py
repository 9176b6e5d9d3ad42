# SPDX-License-Identifier: Apache-2.0
"""The resident decode step as codegen emits it; and random models for it, with what torch makes of them in float32."""
import os
import sys
from dataclasses import asdict, dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from driver import Kernel, emit
from harness import from_bf16, initializer, np

OPS = ("qkv", "o", "gateUp", "down")


@dataclass(frozen=True)
class Shape:
    """The fields of DecodeStepConfig; 0: let tuned() choose."""
    layers: int
    hidden: int
    inner: int
    heads: int
    kvHeads: int
    headDim: int
    vocab: int
    qkNorm: bool
    scale: float
    eps: float = 1e-6
    sms: int = 132
    slots: int = 0
    outstanding: int = 0
    preload: int = 0
    ahead: int = 0
    pace: int = 0

    def source(self):
        config = initializer("DecodeStepConfig", **asdict(self))
        return emit("decode_step.cuh", f"tuned({config})", "decodeStep", 5) + """
extern "C" __constant__ const int k_step[2] = {config.slots, int(config.exchangeBytes())};
"""

    def rows(self):
        return dict(zip(OPS, ((self.heads + 2 * self.kvHeads) * self.headDim, self.hidden, 2 * self.inner, self.hidden)))

    def columns(self):
        return dict(zip(OPS, (self.hidden, self.heads * self.headDim, self.hidden, self.inner)))


SHAPES = {
    "qwen3-0.6b": Shape(28, 1024, 3072, 16, 8, 128, 151936, True, 128 ** -0.5),
    "qwen3-4b": Shape(36, 2560, 9728, 32, 8, 128, 151936, True, 128 ** -0.5),
    "llama-3.2-1b": Shape(16, 2048, 8192, 32, 8, 64, 128256, False, 64 ** -0.5, eps=1e-5),
}


def load(gpu, compiled):
    kernel = Kernel(gpu, compiled.image, emitted=True)
    kernel.slots, kernel.exchange = kernel.constants("k_step", 2)
    return kernel


def swizzle(torch, atoms):
    """Pieces of 8 columns, the last dimension but one, of rows, the one before, as atoms of layout.h have them."""
    out = torch.empty_like(atoms, memory_format=torch.contiguous_format)
    for row in range(8):
        out[..., row, :, :] = atoms[..., row, :, :][..., [c ^ row for c in range(8)], :]
    return out


def pack(torch, w):
    """The stream of a weight [n, k] of torch; n a multiple of 16, k of 64."""
    n, k = w.shape
    return swizzle(torch, w.view(n // 16, 2, 8, k // 64, 8, 8).permute(0, 3, 1, 2, 4, 5)).reshape(-1)


def pack_blocks(torch, x):
    """Keys or values [kvHeads, tokens, D] of whole blocks, as [block, head, ...] of the pool."""
    h, t, d = x.shape
    atoms = x.view(h, t // 64, 8, 8, d // 64, 8, 8).permute(1, 0, 4, 2, 3, 5, 6)
    return swizzle(torch, atoms).reshape(t // 64, h, -1)


class Model:
    """Random weights of a shape, packed; keys and values of `tokens` tokens, and NaN in the rest of their blocks.
    `checked`: all that float32 needs is kept too. `device`: torch's, where it makes them and where the reference runs."""

    def __init__(self, torch, shape, tokens, checked, device="cuda"):
        self.torch, self.shape, self.blocks, self.device = torch, shape, tokens // 64 + 2, device
        s = shape
        self.layers = [self.layer(tokens, checked) for _ in range(s.layers)]
        self.embedding = self.random(s.vocab, s.hidden, scale=s.hidden ** -0.5)
        self.packed_embedding = pack(torch, self.embedding)
        angles = torch.arange(self.blocks * 64, device=device)[:, None].double() * 10000.0 ** (
            -torch.arange(s.headDim // 2, device=device) / (s.headDim // 2))
        self.rope = torch.cat([angles.cos(), angles.sin()], -1).float()

    def random(self, *size, scale):
        return self.torch.randn(*size, device=self.device).mul_(scale).bfloat16()

    def layer(self, tokens, checked):
        torch, s = self.torch, self.shape
        plain = {op: self.random(s.rows()[op], s.columns()[op], scale=1.2 * s.columns()[op] ** -0.5) for op in OPS}
        pairs = plain["gateUp"].view(2, s.inner // 8, 8, s.hidden).transpose(0, 1).reshape(-1, s.hidden)
        layer = {op: pack(torch, pairs if op == "gateUp" else plain[op]) for op in OPS}
        layer["norms"] = 1 + 0.2 * torch.randn(2, s.headDim, device=self.device)
        context = self.random(2, s.kvHeads, self.blocks * 64, s.headDim, scale=1)
        context[:, :, tokens:] = float("nan")
        layer["pool"] = torch.stack([pack_blocks(torch, context[0]), pack_blocks(torch, context[1])], 2).contiguous()
        return layer | ({"plain": plain, "context": context} if checked else {})

    def normed(self, x):
        return x * self.torch.rsqrt((x * x).mean(-1, keepdim=True) + self.shape.eps)

    def roped(self, x, position):
        half = self.shape.headDim // 2
        cosine, sine = self.rope[position, :half], self.rope[position, half:]
        a, b = x[..., :half], x[..., half:]
        return self.torch.cat([a * cosine - b * sine, b * cosine + a * sine], -1)

    def attend(self, layer, qkv, position):
        torch, s = self.torch, self.shape
        q, k, v = qkv.view(-1, s.headDim).split([s.heads, s.kvHeads, s.kvHeads])
        if s.qkNorm:
            q, k = self.normed(q) * layer["norms"][0], self.normed(k) * layer["norms"][1]
        q, k = self.roped(q, position), self.roped(k, position)
        keys, values = (torch.cat([c[:, :position].float(), new[:, None]], 1)
                        for c, new in zip(layer["context"], (k, v)))
        layer["context"][:, :, position] = torch.stack([k, v]).bfloat16()
        logits = torch.einsum("hgd,htd->hgt", q.view(s.kvHeads, -1, s.headDim), keys) * s.scale
        return torch.einsum("hgt,htd->hgd", logits.softmax(-1), values).reshape(-1)

    def reference(self, token, position):
        """The last layer's output in float32; the new token's keys and values join the context."""
        x = self.embedding[token].float()
        for layer in self.layers:
            w = {op: layer["plain"][op].float() for op in OPS}
            x = x + w["o"] @ self.attend(layer, w["qkv"] @ self.normed(x), position)
            gate, up = (w["gateUp"] @ self.normed(x)).chunk(2)
            x = x + w["down"] @ (self.torch.nn.functional.silu(gate) * up)
        return x


class Step:
    """A kernel and a model, with what else lies on the device."""

    def __init__(self, gpu, kernel, model):
        self.gpu, self.kernel, self.model = gpu, kernel, model
        table = [[*(self.place(layer[op]) for op in OPS), *(self.place(norm) for norm in layer["norms"]),
                  self.place(layer["pool"])] for layer in model.layers]
        self.exchange = gpu.upload(np.zeros(kernel.exchange, np.uint8))
        self.out = gpu.alloc(2 * model.shape.hidden)
        self.arguments = [gpu.upload(np.array(table, np.uint64)), self.place(model.packed_embedding),
                          self.place(model.rope), self.exchange, self.out]
        if model.device == "cuda":
            model.torch.cuda.synchronize()

    def place(self, tensor):
        """Where a tensor lies on the device, or a copy of it."""
        if tensor.is_cuda:
            return tensor.data_ptr()
        return self.gpu.upload(tensor.contiguous().view(self.model.torch.uint8).numpy())

    def at(self, token, position):
        def ints(*values):
            return np.array(values, np.int32)
        blocks = self.model.blocks
        return self.gpu.step(blocks, counts=ints(1, 1, 1), tokens=ints(token), positions=ints(position),
                             slots=ints(position), queryStart=ints(0, 1), contextLengths=ints(position + 1),
                             blockTable=ints(*range(blocks)))

    def run(self, token, position):
        """The last layer's output."""
        step, found = self.at(token, position), np.empty(self.model.shape.hidden, np.uint16)
        self.gpu.fill(self.out, 0xFF, found.nbytes)
        self.kernel.launch(self.arguments, False, step)
        self.gpu.synchronize()
        self.gpu.free_step(step)
        self.gpu.download(found, self.out)
        return self.model.torch.from_numpy(from_bf16(found)).to(self.model.device)
