# SPDX-License-Identifier: Apache-2.0
"""What is compared on a GPU: the models, the work, its bars, and the bytes that a step must read."""
import json
from dataclasses import dataclass
from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[2] / "tests" / "gpu" / "configs"
MODELS = {"qwen3-4b": "Qwen3-4B", "llama-3.1-8b": "Llama-3.1-8B", "llama-3.2-1b": "Llama-3.2-1B",
          "qwen3-0.6b": "Qwen3-0.6B"}
MAIN = "qwen3-4b"
MANY, STORED = MAIN + "-1024", MAIN + "-stored"  # executables: steps of 1,024 sequences; weights in a file
CONTEXT = 1024  # of one sequence
BATCH_CONTEXT = 1043
BATCHES = (8, 16, 32, 64, 128, 256)
PROMPTS = (512, 2048, 8192)
REQUESTS = (1000, 128, 128)
MATMUL_TOKENS = (64, 256, 512, 2048, 8192)
LONGEST = 16384  # positions that executables are made for

DECODE_BARS = {"qwen3-4b": (2.1, 1.92), "llama-3.1-8b": (3.7, None), "llama-3.2-1b": (0.70, 0.62),
               "qwen3-0.6b": (0.50, 0.375)}  # ms, and the stretch
REQUESTS_BARS = (25512, 32000)  # tokens a second
PROMPT_BAR = 1.25  # times the peer
PEER_PROMPTS = {512: 8.7, 2048: 30.0, 8192: 134.0}  # ms, vLLM 0.24 on an H200; where it is not measured beside us
HOST_BAR = 50  # microseconds a step
START_BAR = 2.0  # seconds
UPLOAD_BAR = 0.8  # of the link's rate


def batch_bar(sequences):
    """Times the floor."""
    return 1.3 if sequences >= 256 else 1.2


def matmul_bar(tokens):
    """Of cuBLAS's speed."""
    return 0.9 if tokens <= 256 else 0.85


@dataclass(frozen=True)
class Model:
    """What matmuls and the KV cache depend on."""
    layers: int
    hidden: int
    inner: int
    query: int  # query heads times head size
    key: int
    vocabulary: int

    def weights(self):
        """Bytes in bf16 that every step reads: all but an embedding table that is not the head too, and vectors."""
        layer = self.hidden * (self.query + 2 * self.key) + self.query * self.hidden + 3 * self.hidden * self.inner
        return 2 * (self.layers * layer + self.vocabulary * self.hidden)

    def token(self):
        """Bytes of a token in the KV cache in bf16, all layers."""
        return 2 * 2 * self.layers * self.key

    def floor(self, bandwidth, sequences, context):
        """Milliseconds that reading weights and cache takes."""
        return (self.weights() + sequences * context * self.token()) / bandwidth * 1e3


def config(name):
    return json.loads((CONFIGS / f"{name}.json").read_text())


def model(name):
    found = config(name)
    head = found.get("head_dim") or found["hidden_size"] // found["num_attention_heads"]
    return Model(found["num_hidden_layers"], found["hidden_size"], found["intermediate_size"],
                 found["num_attention_heads"] * head, found["num_key_value_heads"] * head, found["vocab_size"])
