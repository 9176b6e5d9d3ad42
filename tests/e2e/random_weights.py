#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Models compiled from a config.json alone: their weights are made at load, the same for the same seed.

Usage: random_weights.py --sinter build/bin/sinter
"""
import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from sinter_e2e import GREEDY, Report, call, logits, require, run_json

CONFIG = {"hidden_size": 128, "intermediate_size": 192, "num_hidden_layers": 3, "num_attention_heads": 4,
          "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 320, "rms_norm_eps": 1e-06, "rope_theta": 10000.0,
          "max_position_embeddings": 128, "tie_word_embeddings": False, "hidden_act": "silu"}
FAMILIES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
IDS = [3, 1, 4, 1, 5, 9, 2, 6]


class Setup:
    def __init__(self, sinter, scratch):
        self.sinter, self.scratch = sinter, Path(scratch)

    def config(self, family, dtype):
        path = self.scratch / f"{family}-{dtype}.config.json"
        path.write_text(json.dumps({**CONFIG, "architectures": [FAMILIES[family]], "torch_dtype": dtype}))
        return path

    def compile(self, config, seed, *flags):
        exe = self.scratch / f"{config.stem}.{seed}"
        call([self.sinter, "compile", config, "-o", exe, "--weights", f"random:{seed}", *flags])
        return exe


def check_family(s, family, dtype):
    config = s.config(family, dtype)
    first = s.compile(config, 1)
    got = logits(first, IDS, s.scratch)
    require(np.isfinite(got).all() and got.std() > 0.01, f"logits with a deviation of {got.std()}")
    require(np.array_equal(got, logits(first, IDS, s.scratch, "--threads", "1")), "the number of threads changes them")
    again = first.rename(s.scratch / "first")
    require(again.read_bytes() == s.compile(config, 1).read_bytes(), "the same seed gives another executable")
    other = logits(s.compile(config, 2), IDS, s.scratch)
    require(np.abs(got - other).max() > 0.1 * got.std(), "another seed gives the same logits")
    return f"logits deviate by {got.std():.3f}, executable of {again.stat().st_size / 2**20:.1f} MiB"


def check_commands(s):
    exe = s.compile(s.config("qwen3", "bfloat16"), 7)
    request = run_json(exe, "--token-ids", "1,2,3", "--max-tokens", "8", *GREEDY)[0]
    call([exe, "bench", "-p", "16", "-n", "4", "-r", "1"])
    call([exe, "info", "--verify"])
    mapped = logits(exe, IDS, s.scratch, "--mmap")
    require(np.array_equal(mapped, logits(exe, IDS, s.scratch)), "--mmap changes the weights")
    return f"run gives {request.get('token_ids', request)}"


def check_directory(s):
    """A directory is read for its config alone, whatever else it holds."""
    folder = s.scratch / "folder"
    folder.mkdir()
    s.config("llama", "float32").rename(folder / "config.json")
    (folder / "model.safetensors").write_bytes(b"not one")
    exe = s.scratch / "from-folder"
    call([s.sinter, "compile", folder, "-o", exe, "--weights", "random"])
    require(json.loads(call([exe, "info", "--json"]))["model"] == "folder", "it is not named after the folder")
    return "named after it"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sinter", required=True, type=Path)
    arguments = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        s = Setup(arguments.sinter.resolve(), scratch)
        for family, dtype in ("llama", "float32"), ("qwen2", "float16"), ("qwen3", "bfloat16"):
            report.check(f"{family} {dtype}", lambda: check_family(s, family, dtype))
        report.check("run, bench, info", lambda: check_commands(s))
        report.check("a directory", lambda: check_directory(s))
    report.finish()


if __name__ == "__main__":
    main()
