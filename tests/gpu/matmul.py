# SPDX-License-Identifier: Apache-2.0
"""Matmul kernels as codegen emits them: a wrapper around templates/cuda/matmul.cuh, or matmul_tokens.cuh, for one
configuration, with the tensor maps that the configuration asks for."""
import ctypes as c
import os
import sys
from dataclasses import asdict, dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from driver import Kernel, emit
from harness import initializer

ARGUMENTS = 9
TILE = ("height", "tileTokens", "split", "stages", "outstanding")
HOW = (*TILE, "fetched", "push", "bands", "adaptive", "triggerAtEntry")
CHOICE = """#include "templates/cuda/matmul_tokens_config.h"
namespace sinter::cuda {
template <MatmulConfig C, bool Told> constexpr auto chosen() {
  if constexpr (!Told && tokensFor(C).tileWeights)
    return tokensFor(C);
  else
    return tuned(C, C.sms);
}
struct Tile { int fields[5]; };
constexpr Tile tileOf(const MatmulConfig &c) { return {c.height, c.tileTokens, c.split, c.stages, c.outstanding}; }
constexpr Tile tileOf(const MatmulTokensConfig &c) {
  return {c.tileWeights / tileRows, c.tileTokens, c.share, c.stages, c.stages};
}
} // namespace sinter::cuda
"""


@dataclass(frozen=True)
class Config:
    """The fields of MatmulConfig; 0: let tuned() choose. Where nothing is said about how to run, tokensFor() comes first,
    as in the compiler."""
    n: int
    k: int
    tokens: int
    epilogue: str = "None"
    out: str = "Bf16"
    norm: bool = False
    squares: bool = False
    bias: bool = False
    sms: int = 132
    height: int = 0
    tileTokens: int = 0
    split: int = 0
    stages: int = 0
    outstanding: int = 0
    fetched: int = 0
    push: bool = False
    bands: int = 1
    adaptive: bool = False
    triggerAtEntry: bool = False

    def source(self):
        fields = asdict(self) | dict(epilogue=f"Epilogue::{self.epilogue}", out=f"Out::{self.out}")
        told = any(getattr(self, name) != getattr(Config, name) for name in HOW)
        config = f"chosen<{initializer('MatmulConfig', **fields)}, {str(told).lower()}>()"
        return CHOICE + emit("matmul.cuh matmul_tokens.cuh", config, "matmul", ARGUMENTS, cluster=True) + """
static_assert(config.valid(), "no way to run this shape");
extern "C" __constant__ const auto k_tile = tileOf(config);
extern "C" __constant__ const MatmulTensorMap k_maps[2] = {activationMap(config, config.tokens), weightMap(config)};
"""

    def packed_rows(self):
        return -(-self.n // 8) * 16 if self.epilogue == "SwiGlu" else -(-self.n // 16) * 16

    def weight_elements(self):
        return self.packed_rows() * -(-self.k // 64) * 64


class TensorMap(c.Structure):
    _fields_ = [("rank", c.c_int), ("dims", c.c_uint64 * 5), ("strides", c.c_uint64 * 4), ("box", c.c_uint * 5),
                ("swizzle128", c.c_bool)]


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


def args_of(weight=0, x=0, y=0, squares=0, bias=0, up_bias=0, residual=0, x_map=0, weight_map=0):
    return [weight, x, y, squares, bias, up_bias, residual, x_map, weight_map]
