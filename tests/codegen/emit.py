#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Emits the code of a small model with random weights, and optionally shows how it would run.

    emit.py FAMILY TARGET FOLDER [FLAG...]    files of `sinter compile --compile-to codegen`
"""
import json
import pathlib
import shutil
import subprocess
import sys

SHAPE = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "head_dim": 64, "vocab_size": 512, "rms_norm_eps": 1e-06, "rope_theta": 10000.0,
         "max_position_embeddings": 1024, "hidden_act": "silu", "torch_dtype": "bfloat16"}
FAMILIES = {
    "llama": {"architectures": ["LlamaForCausalLM"], "tie_word_embeddings": False},
    "qwen2": {"architectures": ["Qwen2ForCausalLM"], "tie_word_embeddings": False},
    "qwen3": {"architectures": ["Qwen3ForCausalLM"], "tie_word_embeddings": True, "head_dim": 128},
}

# Large enough for a step of one sequence to be one kernel on sm_90a.
RESIDENT = {**FAMILIES["qwen3"], "hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 4,
            "num_attention_heads": 16, "num_key_value_heads": 8}


def write_config(family, folder):
    path = pathlib.Path(folder) / f"{family}.config.json"
    path.write_text(json.dumps({**SHAPE, **(RESIDENT if family == "resident" else FAMILIES[family])}))
    return path


def main():
    family, target, folder, *flags = sys.argv[1:]
    shutil.rmtree(folder, ignore_errors=True)
    pathlib.Path(folder).mkdir(parents=True)
    config = write_config(family, folder)
    subprocess.run(["sinter", "compile", config, "--weights", "random", "--target", target, "--compile-to", "codegen",
                    "-o", folder, *flags], check=True)


if __name__ == "__main__":
    main()
