#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small models of every family on the GPU against transformers, as models_test.py does it, with native and portable
kernels: biases, tied and untied heads, every kind of rope, groups of 1 to 16 query heads, widths that no tile divides,
prompts in chunks, and one small enough for seconds but large enough for a resident step.

Usage: families_test.py --sinter build/bin/sinter [--only llama-bias,...]
"""
import argparse
import json
import tempfile
from pathlib import Path

import models_test as models
from sinter_e2e import Failure, Report

CHUNK = 256  # tokens of a step: the longest prompt takes two
LIMITS = f"--max-seqs=16 --max-step-tokens={CHUNK}"
PROMPTS = (1, 17, 300)

BASE = dict(hidden_size=512, intermediate_size=1536, num_hidden_layers=3, vocab_size=1000, rms_norm_eps=1e-6,
            rope_theta=10000.0, tie_word_embeddings=False, hidden_act="silu", max_position_embeddings=4096,
            torch_dtype="bfloat16", bos_token_id=1, eos_token_id=2)


def config(kind, heads, kv_heads, head_dim, **fields):
    return BASE | dict(architectures=[f"{kind.capitalize()}ForCausalLM"], model_type=kind, num_attention_heads=heads,
                       num_key_value_heads=kv_heads, head_dim=head_dim) | fields


FAMILIES = {
    "qwen2": config("qwen2", 14, 2, 64, hidden_size=896, tie_word_embeddings=True),
    "llama-bias": config("llama", 5, 5, 64, hidden_size=320, intermediate_size=832, attention_bias=True, mlp_bias=True,
                         rope_scaling=dict(rope_type="linear", factor=4.0)),
    "llama-odd": config("llama", 9, 3, 64, hidden_size=648, intermediate_size=1000, tie_word_embeddings=True,
                        rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=1024)),
    "llama-groups": config("llama", 32, 2, 128, rope_theta=500000.0,
                           rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                             original_max_position_embeddings=64)),
    "qwen3": config("qwen3", 10, 2, 128, tie_word_embeddings=True),
    "resident": config("qwen3", 16, 8, 128, num_hidden_layers=4),
}


def main():
    parser = argparse.ArgumentParser(description="Compares small models of every family with transformers.")
    parser.add_argument("--sinter", required=True, type=lambda p: Path(p).resolve(), help="the compiler")
    parser.add_argument("--only", default=",".join(FAMILIES), help="names, separated by commas (default: %(default)s)")
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--device", default="cuda", help="where transformers runs")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        options = argparse.Namespace(**vars(options), configs=Path(scratch), prompts=PROMPTS, jobs=3, soak=0, keep=None,
                                     flags=[LIMITS, f"{LIMITS} --kernels=portable"])
        for name in options.only.split(","):
            (Path(scratch) / f"{name}.json").write_text(json.dumps(FAMILIES[name]))
            try:
                model = models.Model(name, options, Path(scratch) / "work")
            except Failure as problem:
                report.failed += 1
                print(f"FAIL {name}: {problem}", flush=True)
                continue
            for exe in model.executables.values():
                models.check(model, exe, report, options)
    report.finish()


if __name__ == "__main__":
    main()
