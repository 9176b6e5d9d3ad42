# SPDX-License-Identifier: Apache-2.0
"""Whole models on the GPU against transformers, at the shapes of real ones with random weights: prompts of several
lengths, each followed by decode steps, alone and in ragged batches with other requests. The root mean square distance
of our logits to those of transformers in float32 is at most 1.2 times that of transformers in bfloat16.

Usage: models_test.py --sinter build/bin/sinter [--models qwen3-0.6b,llama-3.2-1b] [--flags "--kernels portable"]
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import safetensors_file
from reference import Reference
from sinter_e2e import Failure, Report, call, require

MODELS = ("qwen3-0.6b", "llama-3.2-1b", "qwen3-4b", "llama-3.1-8b")
ROWS = 64  # of a prompt at most, its last ones; and decode steps after it
BESIDE = 7
LIMIT = 1.2
KV_MEMORY = "6GiB"


def rows_of(part, prompt):
    """The positions whose logits are compared."""
    return list(range(max(prompt - ROWS, 0), prompt) if part == "prompt" else range(prompt, prompt + ROWS))


class Model:
    """One configuration: compiled, and what transformers says of it."""

    def __init__(self, name, options, scratch):
        self.name, self.folder, self.device = name, Path(scratch) / name, options.device
        start = time.monotonic()
        reference = Reference(options.configs / f"{name}.json", options.seed, options.device)
        reference.save(self.folder / "model")
        ids = reference.ids(max(options.prompts) + ROWS)
        self.ids = ids.tolist()
        saved = time.monotonic()
        self.exe = self.folder / name
        flags = ["--target", options.target, "--weights", "external", *options.flags.split()]
        command = [str(word) for word in (options.sinter, "compile", self.folder / "model", "-o", self.exe, *flags)]
        compiling = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.positions = sorted({row for part in ("prompt", "decode") for p in options.prompts
                                 for row in rows_of(part, p)})
        self.narrow, self.wide = reference.both_logits(ids, self.positions)
        reference.close()
        _, errors = compiling.communicate(timeout=300)
        require(compiling.returncode == 0, f"sinter compile: {errors.strip().splitlines()[-1:]}")
        print(f"{name}: {reference.bytes / 2**30:.2f} GiB of weights saved in {saved - start:.1f} s, compiled in "
              f"{time.monotonic() - saved:.1f} s", flush=True)

    def eval(self, part, prompt, flags):
        """Our logits of those rows, on the GPU."""
        rows = rows_of(part, prompt)
        files = [self.folder / f"{'-'.join([part, str(prompt), *flags])}.{end}" for end in ("ids", "logits")]
        files[0].write_text(",".join(map(str, self.ids[:rows[-1] + 1])))
        first = prompt if part == "decode" else rows[0] + 1
        decode = ["--decode"] if part == "decode" else []
        call([self.exe, "eval", "--token-ids", files[0], "--logits", files[1], "--from", first, *decode, *flags,
              "--kv-memory", KV_MEMORY])
        found = safetensors_file.read(files[1])[0]["logits"]
        files[1].unlink()
        require(len(found) == len(rows) + (part == "decode"), f"{len(found)} rows of logits")
        return torch.from_numpy(found[-len(rows):].copy()).to(self.device)

    def compare(self, part, prompt, flags):
        """A line of distances; a Failure when ours is too large."""
        ours = self.eval(part, prompt, flags)
        index = [self.positions.index(row) for row in rows_of(part, prompt)]
        wide, narrow = self.wide[index], self.narrow[index]
        require(bool(torch.isfinite(ours).all()), "logits that are not finite")
        distance, theirs = (float((a - wide).square().mean().sqrt() / wide.std()) for a in (ours, narrow))
        line = f"{distance:.5f} to float32, transformers in bfloat16 {theirs:.5f}: ratio {distance / theirs:.3f}"
        require(distance <= LIMIT * theirs, line)
        return line


def check(model, report, options):
    cases = [(part, prompt, flags) for prompt in options.prompts
             for part, flags in (("prompt", ()), ("decode", ()), ("decode", ("--beside", str(BESIDE))))]

    def attempt(case):
        try:
            return model.compare(*case), None
        except (Failure, subprocess.TimeoutExpired) as problem:
            return None, problem

    def outcome(result):
        if result[1]:
            raise result[1]
        return result[0]

    with ThreadPoolExecutor(options.jobs) as pool:
        for (part, prompt, flags), result in zip(cases, pool.map(attempt, cases)):
            kind = f"{part}{' beside others' if flags else ''} {prompt}"
            report.check(f"{model.name} {kind}", lambda: outcome(result))


def main():
    parser = argparse.ArgumentParser(description="Compares whole models with transformers.")
    parser.add_argument("--sinter", required=True, type=lambda p: Path(p).resolve(), help="the compiler")
    parser.add_argument("--models", default=",".join(MODELS), help="names of --configs, separated by commas")
    parser.add_argument("--configs", default=HERE / "configs", type=Path, help="folder of NAME.json")
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--flags", default="", help="more flags of sinter compile")
    parser.add_argument("--device", default="cuda", help="where transformers runs")
    parser.add_argument("--prompts", default="1,17,512,4096", type=lambda p: [int(n) for n in p.split(",")],
                        help="lengths, separated by commas")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=3, help="executables at once")
    parser.add_argument("--work", default="/dev/shm" if os.path.isdir("/dev/shm") else None,
                        help="folder for weights, three times the size of the largest model")
    options = parser.parse_args()
    report = Report()
    for name in options.models.split(","):
        with tempfile.TemporaryDirectory(dir=options.work) as scratch:
            try:
                model = Model(name, options, scratch)
            except (Failure, subprocess.TimeoutExpired) as problem:
                report.failed += 1
                print(f"FAIL {name}: {problem}", flush=True)
                continue
            check(model, report, options)
    report.finish()


if __name__ == "__main__":
    main()
