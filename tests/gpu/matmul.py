# SPDX-License-Identifier: Apache-2.0
"""Matmul kernels as codegen emits them: a wrapper around templates/cuda/matmul.cuh for one configuration, with the
tensor maps that the configuration asks for."""
import ctypes as c
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from driver import Compiled, Kernel, emit

ARGUMENTS = 9
TILE = ("tileTokens", "split", "stages", "outstanding")


@dataclass(frozen=True)
class Config:
    """The fields of MatmulConfig; 0: let tuned() choose."""
    n: int
    k: int
    tokens: int
    epilogue: str = "None"
    out: str = "Bf16"
    bias: bool = False
    tileTokens: int = 0
    split: int = 0
    stages: int = 0
    outstanding: int = 0
    adaptive: bool = False
    triggerAtEntry: bool = True
    sms: int = 132

    def source(self):
        fields = (f".n = {self.n}, .k = {self.k}, .tokens = {self.tokens}, .epilogue = Epilogue::{self.epilogue},"
                  f" .out = Out::{self.out}, .bias = {str(self.bias).lower()}, "
                  f".tileTokens = {self.tileTokens}, .split = {self.split}, .stages = {self.stages}, "
                  f".outstanding = {self.outstanding}, "
                  f".adaptive = {str(self.adaptive).lower()}, .triggerAtEntry = {str(self.triggerAtEntry).lower()}")
        config = f"tuned(MatmulConfig{{{fields}}}, {self.sms})"
        return emit("matmul.cuh", config, "matmul", ARGUMENTS, cluster=True) + """
static_assert(config.valid(), "no way to run this shape");
extern "C" __constant__ const int k_tile[4] = {config.tileTokens, config.split, config.stages,
  config.outstanding};
extern "C" __constant__ const MatmulTensorMap k_maps[2] = {activationMap(config, config.tokens), weightMap(config)};
"""

    def packed_rows(self):
        return -(-self.n // 8) * 16 if self.epilogue == "SwiGlu" else -(-self.n // 16) * 16

    def weight_elements(self):
        return self.packed_rows() * -(-self.k // 64) * 64


class TensorMap(c.Structure):
    _fields_ = [("rank", c.c_int), ("dims", c.c_uint64 * 5), ("strides", c.c_uint64 * 4), ("box", c.c_uint * 5),
                ("swizzle128", c.c_bool)]


def compile_all(configs, workers):
    """{config: Compiled}, on `workers` threads; NVRTC runs without the interpreter's lock."""
    configs = list(dict.fromkeys(configs))
    with ThreadPoolExecutor(workers) as pool:
        return dict(zip(configs, pool.map(lambda config: Compiled(config.source()), configs)))


class Matmul(Kernel):
    """A compiled configuration, ready to launch."""

    def __init__(self, gpu, compiled):
        super().__init__(gpu, compiled.image, emitted=True)
        self.tile = dict(zip(TILE, self.constants("k_tile", len(TILE))))
        pointer, size, self.maps = c.c_uint64(), c.c_size_t(), (TensorMap * 2)()
        gpu.call("cuModuleGetGlobal_v2", c.byref(pointer), c.byref(size), self.module, b"k_maps")
        assert size.value == c.sizeof(self.maps)
        gpu.call("cuMemcpyDtoH_v2", self.maps, pointer, c.c_size_t(size.value))

    def tensor_map(self, which, pointer):
        """The device address of map `which` (0: activations, 1: weight) over memory at `pointer`."""
        m = self.maps[which]
        return self.gpu.tensor_map(pointer, m.dims[:m.rank], m.strides[:m.rank - 1], m.box[:m.rank], m.swizzle128)


def args_of(weight=0, x=0, y=0, bias=0, up_bias=0, residual=0, x_map=0, weight_map=0):
    return [weight, x, y, 0, bias, up_bias, residual, x_map, weight_map]


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
