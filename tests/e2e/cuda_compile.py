#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every kernel of every family, compiled by NVRTC for every architecture; needs no GPU. No kernel spills.

Usage: cuda_compile.py --sinter build/bin/sinter
"""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sinter_e2e import Report, require

sys.path.append(str(Path(__file__).resolve().parents[1] / "codegen"))
from emit import FAMILIES, write_config  # noqa: E402

ARCHITECTURES = ["sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120"]


class Setup:
    def __init__(self, sinter, scratch):
        self.sinter, self.scratch = sinter, Path(scratch)

    def call(self, *arguments, **options):
        """Standard output of a command that must succeed and has nothing to warn of."""
        done = subprocess.run([self.sinter, *map(str, arguments)], capture_output=True, text=True, timeout=600,
                              **options)
        require(done.returncode == 0 and not done.stderr, f"{arguments[0]}: {done.stderr.strip()[:400]}")
        return done.stdout

    def compile(self, family, arch, *flags):
        config = write_config(family, self.scratch)
        exe = self.scratch / f"{family}-{arch}"
        self.call("compile", config, "-o", exe, "--weights", "random", "--target", f"cuda:{arch}", *flags)
        return exe


def kernels(table):
    """The rows of inspect's table of kernels: (name, threads, registers, shared bytes, spill bytes)."""
    lines = table.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("kernel"))
    last = lines.index("", first)
    return [(name, *map(int, numbers)) for name, *numbers in (line.split()[:5] for line in lines[first + 1:last])]


def check(s, family, arch, *flags):
    exe = s.compile(family, arch, *flags)
    rows = kernels(s.call("inspect", exe))
    require(rows, "inspect shows no kernels")
    for name, threads, registers, _, spills in rows:
        require(spills == 0, f"{name} spills {spills} bytes")
        require(0 < threads <= 1024 and 0 < registers <= 255, f"{name}: {threads} threads of {registers} registers")
        # The hardware hands out registers to warps by the 256.
        require(threads // 32 * -(-registers * 32 // 256) * 256 <= 65536, f"{name} does not fit an SM's registers")
    return f"{len(rows)} kernels, at most {max(r[2] for r in rows)} registers, {max(r[3] for r in rows)} bytes shared"


def check_resident(s):
    said = check(s, "resident", "sm_90a")
    shown = s.call("inspect", s.scratch / "resident-sm_90a", "--tokens", "1")
    require("_decode_step_1" in shown, "a step of one sequence is not one kernel")
    return said


def check_repeats(s):
    """The executable says nothing of where it was made, nor of what the cache held."""
    made = []
    for place, environment in ("here", {}), ("elsewhere/and deeper", {"SINTER_CACHE": str(s.scratch / "empty")}):
        folder = s.scratch / place
        folder.mkdir(parents=True)
        config = write_config("qwen3", folder)
        s.call("compile", config.name, "-o", "exe", "--weights", "random", "--target", "cuda:sm_90a", cwd=folder,
               env={**os.environ, **environment})
        made.append((folder / "exe").read_bytes())
    require(made[0] == made[1], "the same model gives other bytes")
    return f"equal bytes, {len(made[0])} of them"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sinter", required=True, type=Path)
    parser.add_argument("--only", help="checks whose names hold this")
    arguments = parser.parse_args()
    report = Report(arguments.only)
    with tempfile.TemporaryDirectory() as scratch:
        s = Setup(arguments.sinter.resolve(), scratch)
        for family in FAMILIES:
            for arch in ARCHITECTURES:
                report.check(f"{family} {arch}", lambda: check(s, family, arch))
            report.check(f"{family} sm_90a portable", lambda: check(s, family, "sm_90a", "--kernels", "portable"))
        report.check("a step of one sequence as one kernel", lambda: check_resident(s))
        report.check("the same bytes from another folder", lambda: check_repeats(s))
    report.finish()


if __name__ == "__main__":
    main()
