#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The compiler as it is installed: a tree that works when moved and from any directory, and code for every CPU target.

Usage: install.py --build build
"""
import argparse
import filecmp
import shutil
import tempfile
from pathlib import Path

import numpy as np

from sinter_e2e import GOLDEN, Failure, Report, call, compile_model, logits, require

MODEL = GOLDEN / "llama-mha"
IDS = [3, 1, 4, 1, 5, 9, 2, 6]


class Setup:
    """The installed tree, moved away from where it was installed to."""

    def __init__(self, build, scratch):
        self.build, self.scratch = build, Path(scratch)
        call(["cmake", "--install", build, "--prefix", self.scratch / "installed"])
        self.tree = shutil.move(self.scratch / "installed", self.scratch / "moved tree")
        self.sinter = Path(self.tree) / "bin/sinter"


def check_tree(s):
    found = sorted(p.name for p in Path(s.tree).iterdir())
    require(found == ["bin", "lib", "share"], f"the tree holds {found}")
    links = [p for p in Path(s.tree).rglob("*") if p.is_symlink()]
    require(not links, f"it points outside itself: {links}")
    return f"{sum(p.stat().st_size for p in Path(s.tree).rglob('*') if p.is_file()) / 2**20:.1f} MiB"


def check_moved(s):
    elsewhere = s.scratch / "elsewhere"
    elsewhere.mkdir()
    moved = compile_model(s.sinter, MODEL, elsewhere / "moved", cwd=elsewhere)
    built = compile_model(s.build / "bin/sinter", MODEL, s.scratch / "built", cwd=s.scratch)
    require(filecmp.cmp(moved, built, shallow=False), "its executables differ from the build folder's")
    return f"equal bytes, {moved.stat().st_size} of them"


def check_missing_library(s):
    hidden = shutil.move(Path(s.tree) / "lib", s.scratch / "lib")
    try:
        call([s.sinter, "compile", MODEL, "-o", s.scratch / "none"])
    except Failure as failure:
        require("bin, lib and share of sinter belong together" in str(failure), str(failure))
    else:
        raise Failure("it compiled without its libraries")
    finally:
        shutil.move(hidden, Path(s.tree) / "lib")
    return "says what is missing"


def check_target(s, target):
    exe = s.scratch / target.replace(":", "-")
    call([s.sinter, "compile", MODEL, "-o", exe, "--target", target])
    native = compile_model(s.sinter, MODEL, s.scratch / "native")
    got, want = (logits(e, IDS, s.scratch) for e in (exe, native))
    difference = float(np.abs(got - want).max() / want.std())
    require(difference < 1e-5, f"its logits differ from the native ones by {difference:.1e} of their deviation")
    return f"largest difference {difference:.1e}"


def check_foreign(s, target):
    """A target with features that this machine lacks."""
    exe = s.scratch / "foreign"
    call([s.sinter, "compile", MODEL, "-o", exe, "--target", target])
    try:
        call([exe, "run", "--token-ids", "1"])
    except Failure as failure:
        require("this machine lacks" in str(failure), str(failure))
        return "refused, both sides named"
    raise Failure("it ran on a machine without its features")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=Path)
    arguments = parser.parse_args()
    flags = Path("/proc/cpuinfo").read_text()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        s = Setup(arguments.build.resolve(), scratch)
        report.check("installed tree", lambda: check_tree(s))
        report.check("moved tree", lambda: check_moved(s))
        report.check("tree without lib", lambda: check_missing_library(s))
        report.check("cpu:x86-64-v3", lambda: check_target(s, "cpu:x86-64-v3"))
        if "avx512vl" in flags:
            report.check("cpu:x86-64-v4", lambda: check_target(s, "cpu:x86-64-v4"))
        else:
            report.check("cpu:x86-64-v4", lambda: check_foreign(s, "cpu:x86-64-v4"))
    report.finish()


if __name__ == "__main__":
    main()
