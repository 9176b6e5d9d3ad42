# SPDX-License-Identifier: Apache-2.0
"""The matmuls of a decode step of the models we measure."""
import os
import sys
from dataclasses import dataclass

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "gpu"))
from matvec import Config


@dataclass(frozen=True)
class Model:
    name: str
    layers: int
    hidden: int
    inner: int
    query: int  # query heads times head size
    key: int
    vocabulary: int

    def layer(self, tokens, **knobs):
        """The four matmuls of one layer, in order: QKV, attention's output, gate and up, down."""
        return [Config(n=self.query + 2 * self.key, k=self.hidden, tokens=tokens, norm=True, **knobs),
                Config(n=self.hidden, k=self.query, tokens=tokens, epilogue="Residual", **knobs),
                Config(n=self.inner, k=self.hidden, tokens=tokens, norm=True, epilogue="SwiGlu", **knobs),
                Config(n=self.hidden, k=self.inner, tokens=tokens, epilogue="Residual", **knobs)]

    def head(self, tokens, **knobs):
        return Config(n=self.vocabulary, k=self.hidden, tokens=tokens, norm=True, normWeight=True, out="F32", **knobs)


MODELS = [Model("Qwen3-4B", 36, 2560, 9728, 4096, 1024, 151936),
          Model("Qwen3-0.6B", 28, 1024, 3072, 2048, 1024, 151936),
          Model("Llama-3.2-1B", 16, 2048, 8192, 2048, 512, 128256),
          Model("Llama-3.1-8B", 32, 4096, 14336, 4096, 1024, 128256)]
NAMES = ("qkv", "o", "gate-up", "down", "head")
