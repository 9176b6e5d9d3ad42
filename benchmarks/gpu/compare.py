#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ours beside what the GPU's memory allows, beside vLLM, and kernels beside cuBLAS and FlashAttention, in one run.
Prints tables; writes medians, ratios and bars as JSON into benchmarks/results/.

    benchmarks/gpu/compile SINTER DIR [--stored]     anywhere, no GPU needed: the executables, with random weights
    benchmarks/gpu/compare.py DIR [--peer vllm.sh]

Read bandwidth is what the executables' own kernel reaches. Every process has a time limit; what fails is left out, and
the JSON, written after every process, says why. Kernels need torch; the rest needs Python's own library alone.
"""
import argparse
import datetime
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peers
import report
import rows
import work

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PARTS = ("decode", "batch", "requests", "stored", "matmul", "attention", "peer")  # in this order


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("executables", type=lambda path: Path(path).resolve(),
                   help=f"folder of {', '.join([*work.MODELS, work.MANY])} and, if there, {work.STORED}")
    p.add_argument("--peer", type=lambda path: Path(path).resolve(), help="vLLM's script, see peers.py")
    p.add_argument("--peer-models", default=",".join(work.MODELS), help="default: %(default)s")
    p.add_argument("--parts", default=",".join(PARTS), help="default: %(default)s")
    p.add_argument("--limit", type=float, default=60, help="seconds for a process of ours (default: %(default)s)")
    p.add_argument("--peer-limit", type=float, default=180, help="of the peer's (default: %(default)s)")
    p.add_argument("--commit", help="where there is no git")
    p.add_argument("--output", type=Path, help="default: benchmarks/results/gpu-DATE.json")
    args = p.parse_args()
    args.parts = args.parts.split(",")
    if unknown := set(args.parts) - set(PARTS):
        p.error(f"--parts: no {', '.join(sorted(unknown))}")
    return args


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=ROOT).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def machine(args):
    device, _, driver = output_of("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"
                                  ).split("\n")[0].partition(", ")
    return dict(date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                device=device or "unknown", driver=driver or "unknown",
                commit=args.commit or output_of("git", "rev-parse", "--short=10", "HEAD") or "unknown",
                command=shlex.join(["benchmarks/gpu/compare.py", *sys.argv[1:]]))


class Comparison:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.about = machine(args)
        self.output = args.output or ROOT / f"benchmarks/results/gpu-{self.about['date'][:10]}.json"
        self.tests = {}  # (model, kind, size) -> bench's own object
        self.stored = None  # the same, of the executable with weights in a file
        self.peers = {}  # model -> (kind, size) -> value
        self.kernels = {}  # benchmark -> its rows
        self.errors = []
        self.seconds = {}  # of each process

    def run(self, command, limit, name):
        """Standard output; empty, and a line more of errors, where the process failed or took too long."""
        command = [str(word) for word in command]
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   start_new_session=True)
        try:
            out, err = process.communicate(timeout=limit)
            problem = f"exit code {process.returncode}: {err.strip()[-400:]}" if process.returncode else ""
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its own session: what it has started too
            out, problem = process.communicate()[0], f"ran longer than {limit:g} s"
        self.seconds[name] = round(time.monotonic() - begin, 1)
        print(f"{name}: {self.seconds[name]} s {problem}", file=sys.stderr, flush=True)
        if problem:
            self.errors.append(f"{shlex.join(command)}: {problem}")
        return "" if problem else out

    def bench(self, executable, *flags):
        """The tests of one process."""
        out = self.run([self.args.executables / executable, "bench", *flags, "-o", "json"], self.args.limit,
                       f"{executable} {' '.join(flags)}")
        return json.loads(out or "[]")

    def keep(self, model, tests):
        kinds = {"pp": "prompt", "tg": "decode"}
        for test in tests:
            kind = kinds.get(test["test"][:2], "requests")
            self.tests[model, kind, test["n_prompt"] if kind == "prompt" else test["n_sequences"]] = test

    def decode(self):
        for model in work.MODELS:
            lengths = ["-p", ",".join(map(str, work.PROMPTS))] if model == work.MAIN else []
            self.keep(model, self.bench(model, "-c", "1", "--context", str(work.CONTEXT), "--steps", "64", "--kernels",
                                        *lengths))
            self.save()

    def batch(self):
        self.keep(work.MAIN, self.bench(work.MAIN, "-c", ",".join(map(str, work.BATCHES)), "--context",
                                        str(work.BATCH_CONTEXT), "--steps", "16"))

    def requests(self):
        self.keep(work.MAIN, self.bench(work.MANY, "--requests", "x".join(map(str, work.REQUESTS)), "-r", "3"))

    def stored_start(self):
        if (self.args.executables / work.STORED).exists():
            for _ in range(2):  # by the second time the page cache has the weights
                for test in self.bench(work.STORED, "-p", "16", "-n", "0", "-r", "1"):
                    self.stored = test

    def kernel_rows(self, name, *command):
        """What a benchmark of kernels, a script that writes JSON, has found."""
        out = self.folder / f"{name}.json"
        self.run([sys.executable, HERE / command[0], *command[1:], out], self.args.limit, name)
        if out.exists():
            self.kernels[name] = json.loads(out.read_text())["rows"]

    def matmul(self):
        self.kernel_rows("matmul", "matmul_bench.py", "--tokens", ",".join(map(str, work.MATMUL_TOKENS)), "--out")

    def attention(self):
        peer = self.args.peer
        other = peers.attention(self.run, peer, self.folder, self.args.peer_limit) if peer else None
        self.kernel_rows("attention", "attention.py", *(["--fa3", other] if other else []), "--output")

    def peer(self):
        for model in self.args.peer_models.split(",") if self.args.peer else ():
            self.peers[model] = peers.measure(self.run, self.args.peer, model, self.folder, self.args.peer_limit)
            self.save()

    def everything(self):
        parts = dict(zip(PARTS, (self.decode, self.batch, self.requests, self.stored_start, self.matmul,
                                 self.attention, self.peer), strict=True))
        for part in self.args.parts:
            try:
                parts[part]()
            except (OSError, ValueError, KeyError) as problem:  # whatever a process wrote: the other parts count
                self.errors.append(f"{part}: {type(problem).__name__}: {problem}")
            self.save()

    def save(self):
        found = rows.summarize(self.tests, self.peers, self.stored, self.kernels)
        raw = {" ".join(map(str, key)): {k: v for k, v in test.items() if k != "samples_ts"}
               for key, test in self.tests.items()}
        peer = {model: {" ".join(map(str, k)): v for k, v in values.items()} for model, values in self.peers.items()}
        self.output.write_text(json.dumps(self.about | found | dict(errors=self.errors, process_seconds=self.seconds,
                                                                    peers=peer, tests=raw, stored=self.stored),
                                          indent=1) + "\n")
        return self.about | found


def main():
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(args, Path(folder))
        comparison.everything()
    print(report.tables(comparison.save()))
    return int(bool(comparison.errors))


if __name__ == "__main__":
    sys.exit(main())
