# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end checks share: compiling a model, running its executable, measuring answers, counting results."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import safetensors_file

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"


class Failure(Exception):
    """A check that did not hold, in one line."""


def require(condition, message):
    if not condition:
        raise Failure(message)


def call(command, **options):
    """The standard output of a command that must succeed."""
    done = subprocess.run([str(c) for c in command], capture_output=True, timeout=600, **options)
    if done.returncode != 0:
        error = done.stderr.decode(errors="replace").strip().splitlines()
        raise Failure(f"{Path(str(command[0])).name} {' '.join(map(str, command[1:]))}: exit code {done.returncode}: "
                      + (error[-1] if error else "no message"))
    return done.stdout.decode()


def compile_model(sinter, model, executable, *flags, target="cpu", **options):
    """`sinter compile` of a model to an executable, for this machine's CPU if nothing else is said."""
    call([sinter, "compile", model, "-o", executable, "--target", target, *flags], **options)
    return Path(executable)


def logits(executable, ids, scratch, *flags):
    """`eval --token-ids`: float32 [T, vocab], a row a position."""
    tokens, out = Path(scratch) / "ids.txt", Path(scratch) / "logits.safetensors"
    tokens.write_text(",".join(map(str, ids)) + "\n")
    call([executable, "eval", "--token-ids", tokens, "--logits", out, *flags])
    found, _ = safetensors_file.read(out)
    require(list(found) == ["logits"] and found["logits"].dtype == np.float32 and len(found["logits"]) == len(ids),
            f"eval wrote {[(n, str(a.dtype), a.shape) for n, a in found.items()]}, "
            f"expected float32 logits [{len(ids)}, vocab]")
    return found["logits"]


def run_json(executable, *arguments, **options):
    """`run --json`: one object a request, in the order of the requests."""
    out = call([executable, "run", *arguments, "--json"], **options)
    return [json.loads(line) for line in out.splitlines() if line.strip()]


GREEDY = ("--temperature", "0", "--ignore-eos")


def error(got, want):
    """The largest difference over the reference's standard deviation."""
    return float(np.abs(got - want).max() / want.std())


def rms(got, want):
    """The root of the mean squared difference, over the reference's standard deviation."""
    return float(np.sqrt(((got - want) ** 2).mean()) / want.std())


def cosines(got, want):
    """The cosine of each row, less its mean: adding a constant to logits changes nothing. And that of all together."""
    got, want = (a.astype(np.float64) - a.mean(-1, keepdims=True, dtype=np.float64) for a in (got, want))
    dots, squares = (got * want).sum(-1), (got * got).sum(-1) * (want * want).sum(-1)
    return dots / np.sqrt(squares), dots.sum() / np.sqrt((got * got).sum() * (want * want).sum())


def agreement(got, want, margins, tie, seconds=None):
    """How many greedy tokens agree before the first that does not. That one must be at a near-tie, a margin (best logit
    less the second, in standard deviations) of at most `tie`, and the reference's second choice where `seconds` are
    given. What follows it is another text."""
    for i, (a, b) in enumerate(zip(got, want)):
        if a != b:
            require(margins[i] <= tie, f"greedy token {i} is {a}, expected {b}; the margin there is {margins[i]:.4f}")
            require(not seconds or a == seconds[i], f"greedy token {i} is {a}, expected {b} or its runner-up")
            return i
    require(len(got) == len(want), f"{len(got)} greedy tokens, expected {len(want)}")
    return len(want)


class Report:
    """One line a check, and the count at the end."""

    def __init__(self, pattern=""):
        self.passed = self.failed = 0
        self.pattern = pattern or ""

    def check(self, name, body):
        """Runs `body`, which returns a line of measurements or raises Failure."""
        if self.pattern not in name:
            return
        start = time.monotonic()
        try:
            verdict, line = "PASS", body()
            self.passed += 1
        except (Failure, subprocess.TimeoutExpired, KeyError, ValueError, OSError) as problem:
            verdict, line = "FAIL", f"{type(problem).__name__}: {problem}"
            self.failed += 1
        print(f"{verdict} {name:28} {line or ''} ({time.monotonic() - start:.1f} s)", flush=True)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)


def bare_environment():
    """A machine without a compiler: nothing on PATH, no variables."""
    return {"PATH": "/nonexistent", "LC_ALL": os.environ.get("LC_ALL", "C")}
