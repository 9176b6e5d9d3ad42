# SPDX-License-Identifier: Apache-2.0
"""The matmuls of a decode step of the models we measure, as configurations of matvec."""
import os
import sys
from dataclasses import dataclass

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "gpu"))
import work
from matvec import Config


@dataclass(frozen=True)
class Model(work.Model):
    name: str

    def layer(self, tokens, **knobs):
        """The four matmuls of one layer, in order: QKV, attention's output, gate and up, down."""
        gate_up = Config(n=self.inner, k=self.hidden, tokens=tokens, norm=True, epilogue="SwiGlu", **knobs)
        return [Config(n=self.query + 2 * self.key, k=self.hidden, tokens=tokens, norm=True, **knobs),
                Config(n=self.hidden, k=self.query, tokens=tokens, epilogue="Residual", next=gate_up, **knobs), gate_up,
                Config(n=self.hidden, k=self.inner, tokens=tokens, epilogue="Residual", **knobs)]

    def head(self, tokens, **knobs):
        return Config(n=self.vocabulary, k=self.hidden, tokens=tokens, norm=True, normWeight=True, out="F32", **knobs)


MODELS = [Model(**vars(work.model(name)), name=title) for name, title in work.MODELS.items()]
NAMES = ("qkv", "o", "gate-up", "down", "head")
