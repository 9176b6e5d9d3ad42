#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every test suite of a build and adds up what they report.

    tests/run.py --build build [--only NAME ...]

The suites are those that CMake registered (GoogleTest binaries, lit) and the end-to-end scripts beside this file. The
last line is `N passed, N failed`; the exit status says whether all passed.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parent

# How each kind of runner closes: the sum of the first groups is what passed, that of the second what failed.
PASSED = [r"\[  PASSED  \] (\d+) test", r"^  Passed\s*: (\d+)", r"^(\d+) passed, \d+ failed"]
FAILED = [
    r"\[  FAILED  \] (\d+) test",
    r"^  (?:Failed|Unresolved|Unexpectedly Passed|Timed Out)\s*: (\d+)",
    r"^\d+ passed, (\d+) failed",
]


def registered_suites(build):
    """What add_test() declared: (name, command)."""
    listing = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True, capture_output=True)
    for test in json.loads(listing.stdout)["tests"]:
        if "command" not in test:
            sys.exit(f"{test['name']} is not built: run ./dev build")
        yield test["name"], [part for part in test["command"] if part != "-q"]  # lit -q would not count


def script_suites(build):
    model = next((build / "models").glob("*.gguf"), None)

    def script(path, *arguments):
        return [sys.executable, TESTS / path, *arguments]

    sinter, tokenize = build / "bin/sinter", build / "bin/tokenize"
    yield "golden", script("e2e/golden.py", "--sinter", sinter)
    yield "random-weights", script("e2e/random_weights.py", "--sinter", sinter)
    yield "cuda-compile", script("e2e/cuda_compile.py", "--sinter", sinter)
    yield "cuda-fake", script("e2e/cuda_fake.py", "--sinter", sinter, "--driver", build / "lib/libfake_cuda.so")
    yield "install", script("e2e/install.py", "--build", build)
    smollm2 = ["--smollm2", model] if model else []
    yield "tokenizer", script("tokenizer/check.py", "--tool", tokenize, "--work", build / "tokenizer", *smollm2)
    if model:
        yield "smollm2", script("e2e/smollm2.py", "--sinter", sinter, "--model", model)


def count(patterns, text):
    return sum(int(n) for pattern in patterns for n in re.findall(pattern, text, re.MULTILINE))


def run(name, command):
    start = time.monotonic()
    result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, errors="replace")
    passed, failed = count(PASSED, result.stdout), count(FAILED, result.stdout)
    if failed == 0 and (result.returncode != 0 or passed == 0):
        failed = 1  # it crashed, or ran nothing
    print(f"{name:24} {passed:6} passed {failed:4} failed {time.monotonic() - start:8.1f} s", flush=True)
    if failed:
        print(result.stdout[-20000:], flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=TESTS.parent / "build")
    parser.add_argument("--only", nargs="*", help="names of suites")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    os.environ.setdefault("SINTER_CACHE", str(build / "cache"))
    suites = [*registered_suites(build), *script_suites(build)]
    if arguments.only:
        unknown = set(arguments.only) - {name for name, _ in suites}
        if unknown:
            sys.exit(f"no such suite: {', '.join(sorted(unknown))}; there are {', '.join(name for name, _ in suites)}")
        suites = [suite for suite in suites if suite[0] in arguments.only]
    results = [run(*suite) for suite in suites]
    passed, failed = (sum(column) for column in zip(*results))
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
