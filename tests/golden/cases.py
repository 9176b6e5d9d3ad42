# SPDX-License-Identifier: Apache-2.0
"""The golden cases: one tiny model for every family and variant, as plain data. make.py builds them."""
from dataclasses import dataclass, field

PROMPT_TOKENS = 37  # odd, longer than two KV blocks of 16, crosses every rope variant's original context
GREEDY_TOKENS = 24


@dataclass(frozen=True)
class Case:
    """A model directory (gguf == "") or a GGUF file of one block format."""
    name: str
    family: str  # "llama", "qwen2", "qwen3"
    seed: int
    config: dict = field(default_factory=dict)  # over BASE
    dtype: str = "float32"
    keys: str = "hub"  # config.json as the hub has it, or "v5": as transformers 5 saves it
    shards: int = 1
    gguf: str = ""  # block format of the matrices, as gguf.GGMLQuantizationType names it
    rope_freqs: bool = False  # llama3 rope factors as GGUF's rope_freqs.weight


BASE = dict(hidden_size=40, intermediate_size=52, num_hidden_layers=2, num_attention_heads=5, num_key_value_heads=5,
            vocab_size=131, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False, hidden_act="silu",
            max_position_embeddings=128, bos_token_id=1, eos_token_id=2)

LLAMA3_ROPE = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=16)

# Equal sizes give equal kernels, which the compiler takes from its cache: cases that differ otherwise share them.
HEADS = dict(num_attention_heads=4, num_key_value_heads=2, head_dim=16)  # not hidden / heads
QWEN2 = dict(num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-6)  # has no head_dim
QWEN3 = HEADS | dict(rms_norm_eps=1e-6)

HUGGING_FACE = [
    # Odd width of the MLP, as many KV heads as query heads.
    Case("llama-mha", "llama", 11, dict(intermediate_size=93)),
    # Three layers, three query heads a KV head, head_dim 8, tied head: SmolLM2's shape.
    Case("llama-gqa-tied", "llama", 12, dict(hidden_size=72, intermediate_size=44, num_attention_heads=9,
         num_key_value_heads=3, num_hidden_layers=3, tie_word_embeddings=True), keys="v5"),
    Case("llama-bias", "llama", 13, HEADS | dict(attention_bias=True, mlp_bias=True)),
    Case("llama-head-dim", "llama", 14, HEADS, keys="v5"),
    Case("llama-rope-linear", "llama", 15, HEADS | dict(rope_scaling=dict(type="linear", factor=4.0))),
    Case("llama-rope-llama3", "llama", 16, HEADS | dict(rope_theta=500000.0, tie_word_embeddings=True,
         rope_scaling=LLAMA3_ROPE)),
    Case("llama-rope-llama3-v5", "llama", 17, HEADS | dict(rope_theta=500000.0, rope_scaling=LLAMA3_ROPE), keys="v5"),
    Case("llama-rope-yarn", "llama", 18, HEADS | dict(rope_scaling=dict(rope_type="yarn", factor=4.0,
         original_max_position_embeddings=32))),
    Case("qwen2", "qwen2", 21, QWEN2),
    Case("qwen2-tied-v5", "qwen2", 22, QWEN2 | dict(rope_theta=1000000.0, tie_word_embeddings=True), keys="v5"),
    Case("qwen3-tied", "qwen3", 31, QWEN3 | dict(rope_theta=1000000.0, tie_word_embeddings=True)),
    Case("qwen3-sharded-v5", "qwen3", 32, QWEN3, keys="v5", shards=2),
    Case("llama-bf16", "llama", 41, HEADS, "bfloat16"),
    Case("qwen2-bf16", "qwen2", 42, QWEN2 | dict(tie_word_embeddings=True), "bfloat16", "v5"),
    Case("qwen3-bf16", "qwen3", 43, QWEN3, "bfloat16"),
    Case("llama-f16", "llama", 44, HEADS | dict(tie_word_embeddings=True), "float16", "v5"),
    Case("qwen2-f16", "qwen2", 45, QWEN2, "float16"),
    Case("qwen3-f16", "qwen3", 46, QWEN3, "float16", "v5"),
]

# Rows of a block format are multiples of 32 (64, 96, 128), of a K format multiples of 256 where llama.cpp quantizes
# them: the others (attention output, MLP down) it gives the fallback it gives in real files of such widths.
PLAIN = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]
K_QUANTS = ["Q4_K", "Q5_K", "Q6_K"]
SMALL = dict(hidden_size=64, intermediate_size=96, vocab_size=96, num_attention_heads=4, num_key_value_heads=2,
             head_dim=32, tie_word_embeddings=True)
WIDE = dict(SMALL, hidden_size=256, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=1)


def _gguf():
    for family, seed in (("llama", 51), ("qwen3", 61)):
        for fmt in PLAIN:
            if family == "llama" or fmt not in ("F32", "F16", "BF16"):  # large, and the family matters little
                yield Case(f"{family}-gguf-{fmt.lower()}", family, seed, SMALL, gguf=fmt)
        for fmt in K_QUANTS:
            config = dict(WIDE)
            if (family, fmt) == ("llama", "Q4_K"):  # K-quantized everywhere: MLP down and attention output too
                config |= dict(intermediate_size=256, num_attention_heads=8)
            yield Case(f"{family}-gguf-{fmt.lower()}", family, seed + 1, config, gguf=fmt)
    # A head of 16 is half a group of 32: quantized activations cross heads.
    yield Case("llama-gguf-rope-freqs", "llama", 71, dict(SMALL, head_dim=16, rope_theta=500000.0,
               rope_scaling=LLAMA3_ROPE), gguf="Q8_0", rope_freqs=True)


GGUF = list(_gguf())
CASES = HUGGING_FACE + GGUF
