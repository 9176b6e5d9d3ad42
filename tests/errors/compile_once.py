#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles a model unless that is done already; tests that run beside each other wait for the first.

    compile_once.py SINTER MODEL EXECUTABLE
"""
import fcntl
import pathlib
import shutil
import subprocess
import sys


def main():
    sinter, model, executable = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    executable.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{executable}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made_by = pathlib.Path(shutil.which(sinter)).stat().st_mtime_ns
        if not executable.exists() or executable.stat().st_mtime_ns < made_by:
            subprocess.run([sinter, "compile", model, "-o", executable], check=True)


if __name__ == "__main__":
    main()
