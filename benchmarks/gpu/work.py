# SPDX-License-Identifier: Apache-2.0
"""What is compared on a GPU: the models, the work, its bars, and the bytes that a step must read."""
import json
from dataclasses import dataclass
from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[2] / "tests" / "gpu" / "configs"
MODELS = {"qwen3-4b": "Qwen3-4B", "llama-3.1-8b": "Llama-3.1-8B", "llama-3.2-1b": "Llama-3.2-1B",
          "qwen3-0.6b": "Qwen3-0.6B"}
MAIN = "qwen3-4b"
CONTEXT = 1024  # of one sequence
BATCH_CONTEXT = 1043
BATCHES = (8, 16, 32, 64, 128, 256)
PROMPTS = (512, 2048, 8192)
REQUESTS = (1000, 128, 128)

DECODE_BARS = {"qwen3-4b": (2.1, 1.92), "llama-3.1-8b": (3.7, None), "llama-3.2-1b": (0.70, 0.62),
               "qwen3-0.6b": (0.50, 0.375)}  # ms, and the stretch
REQUESTS_BARS = (25512, 32000)  # tokens a second
PROMPT_BAR = 1.25  # times the peer
PEER_PROMPTS = {512: 8.7, 2048: 30.0, 8192: 134.0}  # ms, vLLM 0.24 on an H200; where it is not measured beside us
HOST_BAR = 50  # microseconds a step
START_BAR = 2.0  # seconds


def batch_bar(sequences):
    """Times the floor."""
    return 1.3 if sequences >= 256 else 1.2


@dataclass(frozen=True)
class Sizes:
    """Bytes in bf16."""
    weights: int  # read by every step: all but an embedding table that is not the head too
    token: int  # of the KV cache, all layers

    def floor(self, bandwidth, sequences, context):
        """Milliseconds that reading weights and cache takes."""
        return (self.weights + sequences * context * self.token) / bandwidth * 1e3


def sizes(model):
    config = json.loads((CONFIGS / f"{model}.json").read_text())
    hidden, inner, layers = (config[k] for k in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
    head = config.get("head_dim") or hidden // heads
    layer = hidden * head * (heads + 2 * kv) + heads * head * hidden + 3 * hidden * inner
    return Sizes(2 * (layers * layer + config["vocab_size"] * hidden), 2 * 2 * layers * kv * head)
