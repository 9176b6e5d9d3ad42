#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ours beside what the GPU's memory allows and beside vLLM, in one run. Prints a table; writes medians, ratios and bars
as JSON into benchmarks/results/.

    benchmarks/gpu/compile SINTER DIR        anywhere, no GPU needed: the executables, with random weights
    benchmarks/gpu/compare.py DIR [--peer vllm.sh] [--stored EXECUTABLE]

Read bandwidth is what the executables' own kernel reaches. Every process has a time limit; what fails is left out, and
the JSON, written after every process, says why. Nothing is imported but Python's own library.
"""
import argparse
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peers
import report
import work

ROOT = Path(__file__).resolve().parents[2]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("executables", type=Path, help="folder of them: " + ", ".join([*work.MODELS, work.MAIN + "-1024"]))
    p.add_argument("--models", default=",".join(work.MODELS), help="default: %(default)s")
    p.add_argument("--peer", type=Path, help="vLLM's script, see peers.py")
    p.add_argument("--peer-models", default=work.MAIN, help="default: %(default)s")
    p.add_argument("--stored", type=Path, help=f"{work.MAIN} with its weights stored: time to the first token")
    p.add_argument("--skip", default="", help="of ours: batch, prompt, requests")
    p.add_argument("--limit", type=float, default=40, help="seconds for a process of ours (default: %(default)s)")
    p.add_argument("--peer-limit", type=float, default=150, help="of the peer's (default: %(default)s)")
    p.add_argument("--commit", help="where there is no git")
    p.add_argument("--output", type=Path, help="default: benchmarks/results/gpu-DATE.json")
    return p.parse_args()


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
                commit=args.commit or output_of("git", "rev-parse", "--short=10", "HEAD") or "unknown")


class Comparison:
    def __init__(self, args):
        self.args = args
        self.about = machine(args)
        self.output = args.output or ROOT / f"benchmarks/results/gpu-{self.about['date'][:10]}.json"
        self.tests = {}  # (model, kind, size) -> bench's own object
        self.peers = {}  # model -> (kind, size) -> value
        self.starts = {}  # what -> seconds
        self.errors = []
        self.seconds = {}  # of each process

    def run(self, command, limit, name=None):
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
        self.seconds[name or " ".join(command[:3])] = round(time.monotonic() - begin, 1)
        if problem:
            self.errors.append(f"{' '.join(command)}: {problem}")
            print(self.errors[-1], file=sys.stderr, flush=True)
        return "" if problem else out

    def bench(self, model, executable, *flags):
        """Keeps the tests of one process."""
        out = self.run([self.args.executables / executable, "bench", *flags, "-o", "json"], self.args.limit,
                       f"{executable} {' '.join(flags)}")
        kinds = {"pp": "prompt", "tg": "decode"}
        for test in json.loads(out or "[]"):
            kind = kinds.get(test["test"][:2], "requests")
            self.tests[model, kind, test["n_prompt"] if kind == "prompt" else test["n_sequences"]] = test
            self.starts.setdefault(f"{executable}, random weights", test["first_token_seconds"])
        self.save()

    def ours(self):
        skip = self.args.skip.split(",")
        for model in self.args.models.split(","):
            prompts = model == work.MAIN and "prompt" not in skip
            lengths = ["-p", ",".join(map(str, work.PROMPTS))] if prompts else []
            self.bench(model, model, "-c", "1", "--context", str(work.CONTEXT), "--steps", "64", "--kernels", *lengths)
        if work.MAIN not in self.args.models.split(","):
            return
        if "batch" not in skip:
            self.bench(work.MAIN, work.MAIN, "-c", ",".join(map(str, work.BATCHES)), "--context",
                       str(work.BATCH_CONTEXT), "--steps", "16", "-r", "5")
        if "requests" not in skip:
            self.bench(work.MAIN, work.MAIN + "-1024", "--requests", "x".join(map(str, work.REQUESTS)), "-r", "2")
        if self.args.stored:
            out = self.run([self.args.stored, "bench", "-p", "16", "-n", "0", "-r", "1", "-o", "json"],
                           self.args.limit, "stored weights")
            for test in json.loads(out or "[]"):
                self.starts["stored weights"] = test["first_token_seconds"]

    def others(self, folder):
        for model in self.args.peer_models.split(",") if self.args.peer else ():
            self.peers[model] = peers.measure(self.run, self.args.peer.resolve(), model, Path(folder),
                                              self.args.peer_limit)
            self.save()

    def save(self):
        found = report.summarize(self.tests, self.peers, self.starts)
        raw = {" ".join(map(str, key)): {k: v for k, v in test.items() if k != "samples_ts"}
               for key, test in self.tests.items()}
        peer = {model: {" ".join(map(str, k)): v for k, v in values.items()} for model, values in self.peers.items()}
        self.output.write_text(json.dumps(self.about | found | dict(errors=self.errors, process_seconds=self.seconds,
                                                                    peers=peer, tests=raw), indent=1) + "\n")
        return self.about | found


def main():
    args = arguments()
    comparison = Comparison(args)
    with tempfile.TemporaryDirectory() as folder:
        comparison.ours()
        comparison.others(folder)
    print(report.table(comparison.save()))
    return int(bool(comparison.errors))


if __name__ == "__main__":
    sys.exit(main())
