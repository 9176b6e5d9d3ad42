# SPDX-License-Identifier: Apache-2.0
"""Matvec kernels as codegen emits them: a wrapper around templates/cuda/matvec.cuh for one configuration."""
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from driver import Compiled, Kernel


@dataclass(frozen=True)
class Config:
    """The fields of MatvecConfig; 0: let tuned() choose."""
    n: int
    k: int
    tokens: int = 1
    epilogue: str = "None"
    out: str = "Bf16"
    norm: bool = False
    eps: float = 1e-6
    split: int = 0
    clusters: int = 0
    chunkBlocks: int = 0
    slots: int = 0
    outstanding: int = 0
    perSm: int = 0
    warps: int = 8
    finishWarps: int = 0
    triggerAtEntry: bool = True

    def initializer(self):
        return (f".n = {self.n}, .k = {self.k}, .tokens = {self.tokens}, .epilogue = MatvecEpilogue::{self.epilogue}, "
                f".out = MatvecOut::{self.out}, .norm = {str(self.norm).lower()}, .eps = {self.eps}f, "
                f".split = {self.split}, .clusters = {self.clusters}, .chunkBlocks = {self.chunkBlocks}, "
                f".slots = {self.slots}, .outstanding = {self.outstanding}, .perSm = {self.perSm}, "
                f".warps = {self.warps}, .finishWarps = {self.finishWarps}, "
                f".triggerAtEntry = {str(self.triggerAtEntry).lower()}")

    def source(self):
        return f"""#include "templates/cuda/matvec.cuh"
using namespace sinter::cuda;
constexpr MatvecConfig config = tuned(MatvecConfig{{{self.initializer()}}});
static_assert(valid(config), "no way to run this shape");
extern "C" __constant__ const int k_plan[8] = {{config.grid(), config.threads(), planOf(config).bytes, config.split,
  config.slots, planOf(config).chunkBlocks, planOf(config).chunksPerTile, planOf(config).clusterTiles}};
extern "C" __global__ void __launch_bounds__(config.threads(), 1) __cluster_dims__(config.split) k(MatvecArgs args) {{
  matvec<config>(args);
}}
"""

    def weight_rows(self):
        """Rows of the packed stream."""
        return -(-self.n // 8) * 16 if self.epilogue == "SwiGlu" else -(-self.n // 16) * 16

    def weight_bytes(self):
        return self.weight_rows() * -(-self.k // 32) * 64


PLAN = ("grid", "threads", "shared", "split", "slots", "chunkBlocks", "chunksPerTile", "clusterTiles")


def compile_all(configs, workers, skip=False):
    """{config: Compiled}, on `workers` threads; NVRTC runs without the interpreter's lock. `skip`: leave out what
    cannot run at all."""
    def attempt(config):
        try:
            return Compiled(config.source())
        except RuntimeError:
            if not skip:
                raise
            return None

    configs = list(dict.fromkeys(configs))
    with ThreadPoolExecutor(workers) as pool:
        return {config: kernel for config, kernel in zip(configs, pool.map(attempt, configs)) if kernel}


def load(gpu, compiled):
    kernel = Kernel(gpu, compiled.image, "k")
    kernel.plan = dict(zip(PLAN, kernel.constants("k_plan", len(PLAN))))
    kernel.prepare(kernel.plan["grid"], kernel.plan["threads"], kernel.plan["shared"])
    return kernel
