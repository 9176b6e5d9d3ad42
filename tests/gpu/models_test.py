# SPDX-License-Identifier: Apache-2.0
"""Whole models on the GPU against transformers, at the shapes of real ones with random weights: prompts of several
lengths, each followed by decode steps, alone and in ragged batches with other requests. The root mean square distance
of our logits to those of transformers in float32 is at most 1.2 times that of transformers in bfloat16. Then random
requests come and go, and how long such an executable takes from its start to the first token, its weights in the page
cache. Random requests watch the GPU's memory: nothing else may use it, unless --soak 0 leaves them out.

Usage: models_test.py --sinter build/bin/sinter [--models qwen3-0.6b,llama-3.2-1b] [--flags=--kernels=portable ...]
"""
import argparse
import json
import os
import shutil
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
CROWDS = {512: (40, 150)}  # after this prompt, beside so many others too: other kernels
LIMIT = 1.2
KV_MEMORY = "6GiB"


def rows_of(part, prompt):
    """The positions whose logits are compared."""
    return list(range(max(prompt - ROWS, 0), prompt) if part == "prompt" else range(prompt, prompt + ROWS))


class Model:
    """One configuration, what transformers says of it, and it compiled in every way that was asked for."""

    def __init__(self, name, options, scratch):
        self.name, self.folder, self.device = name, Path(scratch) / name, options.device
        start = time.monotonic()
        reference = Reference(options.configs / f"{name}.json", options.seed, options.device)
        made = time.monotonic()
        (self.folder / "model").mkdir(parents=True)
        reference.save(self.folder / "model")
        ids = reference.ids(max(options.prompts) + ROWS)
        self.ids = ids.tolist()
        saved = time.monotonic()
        compiling = {flags: self.compile(flags, options) for flags in options.flags}
        self.positions = sorted({row for part in ("prompt", "decode") for p in options.prompts
                                 for row in rows_of(part, p)})
        self.narrow, self.wide = reference.both_logits(ids, self.positions)
        reference.close()
        referred = time.monotonic()
        self.executables = {}
        for flags, (exe, process) in compiling.items():
            _, errors = process.communicate(timeout=300)
            require(process.returncode == 0, f"sinter compile {flags}: {errors.strip().splitlines()[-1:]}")
            self.executables[flags] = exe
        shutil.rmtree(self.folder / "model")
        print(f"{name}: {reference.bytes / 2**30:.2f} GiB of weights made in {made - start:.1f} s, saved in "
              f"{saved - made:.1f} s, compiled in {time.monotonic() - saved:.1f} s, meanwhile reference logits in "
              f"{referred - saved:.1f} s", flush=True)

    def compile(self, flags, options):
        """The executable, and the process that makes it."""
        exe = self.folder / "-".join([self.name, *flags.replace("--", "").replace("=", " ").split()])
        command = [options.sinter, "compile", self.folder / "model", "-o", exe, "--target", options.target, "--weights",
                   "external", *flags.split()]
        return exe, subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL,
                                     stderr=subprocess.PIPE, text=True)

    def soak(self, exe, steps):
        """Steps of every kind and size, one after another: alone and in batches, prompts and answers."""
        out = call([exe, "soak", "--steps", steps, "--kv-memory", KV_MEMORY])
        return ", ".join(" ".join(line.split()) for line in out.splitlines())

    def start(self, exe):
        """From the start of a process to its first token, after one that read the weights."""
        times, command = [], [exe, "bench", "-p", "1", "-n", "0", "-r", "1", "-o", "json", "--kv-memory", KV_MEMORY]
        for _ in range(2):
            found = json.loads(call(command))[0]
            times.append(found["first_token_seconds"])
        uploaded, link = found["upload_bytes_per_second"], found["link_bytes_per_second"]
        return (f"first token {times[1]:.2f} s after the start ({times[0]:.2f} s before that), weights uploaded at "
                f"{uploaded / 1e9:.1f} of the link's {link / 1e9:.1f} GB/s: {uploaded / link:.0%}")

    def eval(self, exe, part, prompt, flags):
        """Our logits of those rows, on the GPU."""
        rows = rows_of(part, prompt)
        files = [exe.with_name("-".join([exe.name, part, str(prompt), *flags]) + end) for end in (".ids", ".logits")]
        files[0].write_text(",".join(map(str, self.ids[:rows[-1] + 1])))
        first = prompt if part == "decode" else rows[0] + 1
        decode = ["--decode"] if part == "decode" else []
        call([exe, "eval", "--token-ids", files[0], "--logits", files[1], "--from", first, *decode, *flags,
              "--kv-memory", KV_MEMORY])
        found = safetensors_file.read(files[1])[0]["logits"]
        files[1].unlink()
        require(len(found) == len(rows) + (part == "decode"), f"{len(found)} rows of logits")
        return torch.from_numpy(found[-len(rows):].copy()).to(self.device)

    def compare(self, exe, part, prompt, flags):
        """A line of distances; a Failure when ours is too large."""
        ours = self.eval(exe, part, prompt, flags)
        index = [self.positions.index(row) for row in rows_of(part, prompt)]
        wide, narrow = self.wide[index], self.narrow[index]
        require(bool(torch.isfinite(ours).all()), "logits that are not finite")
        distance, theirs = (float((a - wide).square().mean().sqrt() / wide.std()) for a in (ours, narrow))
        line = f"{distance:.5f} to float32, transformers in bfloat16 {theirs:.5f}: ratio {distance / theirs:.3f}"
        require(distance <= LIMIT * theirs, line)
        return line


def check(model, exe, report, options):
    cases = []
    for prompt in options.prompts:
        cases += [("prompt", prompt, ()), ("decode", prompt, ())]
        cases += [("decode", prompt, ("--beside", str(n))) for n in (BESIDE, *CROWDS.get(prompt, ()))]

    def attempt(case):
        try:
            return model.compare(exe, *case), None
        except (Failure, subprocess.TimeoutExpired) as problem:
            return None, problem

    def outcome(result):
        if result[1]:
            raise result[1]
        return result[0]

    with ThreadPoolExecutor(options.jobs) as pool:
        for (part, prompt, flags), result in zip(cases, pool.map(attempt, cases)):
            kind = f"{part}{f' beside {flags[1]}' if flags else ''} {prompt}"
            report.check(f"{exe.name} {kind}", lambda: outcome(result))
    if options.soak:
        report.check(f"{exe.name} soak", lambda: model.soak(exe, options.soak))
    report.check(f"{exe.name} start", lambda: model.start(exe))


def main():
    parser = argparse.ArgumentParser(description="Compares whole models with transformers.")
    parser.add_argument("--sinter", required=True, type=lambda p: Path(p).resolve(), help="the compiler")
    parser.add_argument("--models", default=",".join(MODELS), help="names of --configs, separated by commas")
    parser.add_argument("--configs", default=HERE / "configs", type=Path, help="folder of NAME.json")
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--flags", action="append", help="more flags of sinter compile; may be repeated: each is a way "
                        "to compile, and all are compared")
    parser.add_argument("--device", default="cuda", help="where transformers runs")
    parser.add_argument("--prompts", default="1,17,512,4096", type=lambda p: [int(n) for n in p.split(",")],
                        help="lengths, separated by commas")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=3, help="executables at once")
    parser.add_argument("--soak", type=int, default=500, help="steps of random requests (default: %(default)s)")
    parser.add_argument("--keep", type=Path, help="folder that executables are moved to, with their weights")
    parser.add_argument("--work", default="/dev/shm" if os.path.isdir("/dev/shm") else None,
                        help="folder for weights: twice the largest model's size, and once more for each of --flags")
    options = parser.parse_args()
    options.flags = options.flags or [""]
    report = Report()
    for name in options.models.split(","):
        with tempfile.TemporaryDirectory(dir=options.work) as scratch:
            try:
                model = Model(name, options, scratch)
            except (Failure, subprocess.TimeoutExpired) as problem:
                report.failed += 1
                print(f"FAIL {name}: {problem}", flush=True)
                continue
            for exe in model.executables.values():
                check(model, exe, report, options)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    for file in (exe, exe.with_name(exe.name + ".weights")):
                        shutil.move(file, options.keep / file.name)
    report.finish()


if __name__ == "__main__":
    main()
