# SPDX-License-Identifier: Apache-2.0
"""Matvec kernels as codegen emits them: a wrapper around templates/cuda/matvec.cuh for one configuration."""
import os
import sys
from dataclasses import asdict, dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from driver import Kernel, emit
from harness import initializer


@dataclass(frozen=True)
class Config:
    """The fields of MatvecConfig; 0: let tuned() choose."""
    n: int
    k: int
    tokens: int = 1
    epilogue: str = "None"
    out: str = "Bf16"
    norm: bool = False
    normWeight: bool = False
    bias: bool = False
    eps: float = 1e-6
    split: int = 0
    clusters: int = 0
    chunkBlocks: int = 0
    slots: int = 0
    outstanding: int = 0
    perSm: int = 0
    warps: int = 0
    finishWarps: int = 0
    triggerAtEntry: bool = True
    nextTiles: int = 0
    nextBlocks: int = 0
    nextSplit: int = 0
    nextClusters: int = 0
    next: "Config" = None  # the matvec that follows, to let followedBy() choose those

    def expression(self):
        fields = asdict(self) | dict(epilogue=f"Epilogue::{self.epilogue}", out=f"Out::{self.out}")
        del fields["next"]
        config = f"tuned({initializer('MatvecConfig', **fields)})"
        return f"followedBy({config}, {self.next.expression()})" if self.next else config

    def source(self):
        return emit("matvec.cuh", self.expression(), "matvec", 8, cluster=True) + """
static_assert(config.valid(), "no way to run this shape");
extern "C" __constant__ const int k_cut[5] = {config.split, config.slots, planOf(config).chunkBlocks,
  planOf(config).chunksPerTile, planOf(config).clusterTiles};
"""

    def weight_rows(self):
        """Rows of the packed stream."""
        return -(-self.n // 8) * 16 if self.epilogue == "SwiGlu" else -(-self.n // 16) * 16

    def weight_bytes(self):
        return self.weight_rows() * -(-self.k // 64) * 128


CUT = ("split", "slots", "chunkBlocks", "chunksPerTile", "clusterTiles")


def load(gpu, compiled):
    kernel = Kernel(gpu, compiled.image, emitted=True)
    kernel.plan = dict(zip(CUT, kernel.constants("k_cut", len(CUT))), grid=kernel.shape[0], shared=kernel.shape[2])
    return kernel
