#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An executable of a configuration with its weights beside it, of random numbers: what the time from start to first
token is measured with where the real weights are not at hand. Needs numpy, and NVRTC as every compilation.

    benchmarks/gpu/stored.py SINTER EXECUTABLE [--config qwen3-4b]
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import work

sys.path.insert(0, str(work.CONFIGS.parent))
import weights_file


def shapes_of(name):
    """{tensor: shape} as Hugging Face names them."""
    m, config = work.model(name), work.config(name)
    shapes = {"model.embed_tokens.weight": (m.vocabulary, m.hidden), "model.norm.weight": (m.hidden,)}
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (m.vocabulary, m.hidden)
    layer = {"self_attn.q_proj": (m.query, m.hidden), "self_attn.k_proj": (m.key, m.hidden),
             "self_attn.v_proj": (m.key, m.hidden), "self_attn.o_proj": (m.hidden, m.query),
             "mlp.gate_proj": (m.inner, m.hidden), "mlp.up_proj": (m.inner, m.hidden),
             "mlp.down_proj": (m.hidden, m.inner), "input_layernorm": (m.hidden,),
             "post_attention_layernorm": (m.hidden,)}
    if config["model_type"] == "qwen3":
        layer |= {"self_attn.q_norm": (config["head_dim"],), "self_attn.k_norm": (config["head_dim"],)}
    return shapes | {f"model.layers.{i}.{part}.weight": shape for i in range(m.layers)
                     for part, shape in layer.items()}


def save(name, folder, jobs):
    noise = np.random.default_rng(1).uniform(-0.02, 0.02, weights_file.PIECE).astype(np.float32)
    noise = (noise.view(np.uint32) >> 16).astype(np.uint16)
    shutil.copy(work.CONFIGS / f"{name}.json", folder / "config.json")
    weights_file.write(folder / "model.safetensors", shapes_of(name), lambda _, begin, end: noise[:end - begin], jobs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sinter", type=Path)
    parser.add_argument("executable", type=Path)
    parser.add_argument("--config", default=work.MAIN, help="default: %(default)s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.executable.parent) as folder:
        save(options.config, Path(folder), os.cpu_count())
        command = [options.sinter, "compile", folder, "-o", options.executable, "--target", "cuda:sm_90a", "--weights",
                   "external", "--max-seq-len", str(work.LONGEST)]
        return subprocess.run([str(word) for word in command]).returncode


if __name__ == "__main__":
    sys.exit(main())
