#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model whose resident steps lack a block: the executable must end in seconds, with the exit code of a failing device
and the driver's word for it, rather than wait for ever or answer.

Usage: decode_step_withheld_test.py --sinter build/bin/sinter [--executable EXE]
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from sinter_e2e import Failure, Report, compile_model, require

LIMIT = 60  # seconds for loading and failing
MESSAGES = "CUDA_ERROR_LAUNCH_FAILED", "blocks must all run at once"


def real_driver():
    """The file of the driver that this machine's programs open."""
    code = "import ctypes; ctypes.CDLL('libcuda.so.1'); print(*{l.split()[-1] for l in open('/proc/self/maps') " \
           "if 'libcuda.so' in l})"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def build_driver(folder):
    """A folder for LD_LIBRARY_PATH: withhold_block.cpp, and the real driver as its dependency."""
    compiler, stubs = os.environ.get("CXX", "c++"), folder / "stubs"
    stubs.mkdir(parents=True)
    name = "libcuda_of_this_machine.so"
    (stubs / "empty.cpp").touch()
    shared = [compiler, "-std=c++20", "-shared", "-fPIC"]
    subprocess.run([*shared, stubs / "empty.cpp", f"-Wl,-soname,{name}", "-o", stubs / name], check=True)
    subprocess.run([*shared, f"-I{HERE.parents[1]}", HERE / "withhold_block.cpp", "-Wl,--no-as-needed", stubs / name,
                    "-ldl", "-o", folder / "libcuda.so.1"], check=True)
    (folder / name).symlink_to(real_driver())
    return folder


def run(executable, driver=None):
    """The exit code, what was said last, and the seconds it took."""
    environment = dict(os.environ)
    if driver:
        environment["LD_LIBRARY_PATH"] = f"{driver}:{environment.get('LD_LIBRARY_PATH', '')}"
    start = time.monotonic()
    done = subprocess.run([executable, "bench", "-p", "4", "-n", "4", "-r", "1", "--kv-memory", "64MiB"], text=True,
                          capture_output=True, timeout=LIMIT, env=environment)
    said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
    return done.returncode, said, time.monotonic() - start


def fails(executable, driver):
    code, said, seconds = run(executable, driver)
    line = f"exit code {code} after {seconds:.1f} s: {said}"
    require(code == 2 and "error: internal: " in said and all(m in said for m in MESSAGES), line)
    return line


def answers(executable):
    code, said, seconds = run(executable)
    require(code == 0, f"exit code {code}: {said}")
    return f"{seconds:.1f} s"


def main():
    parser = argparse.ArgumentParser(description="Resident steps that lack a block.")
    parser.add_argument("--sinter", required=True, help="the compiler")
    parser.add_argument("--executable", type=Path, help="one that is there already")
    parser.add_argument("--config", type=Path, default=HERE / "configs" / "qwen3-0.6b.json")
    options = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        executable = options.executable
        if not executable:
            (scratch / "model").mkdir()
            shutil.copy(options.config, scratch / "model" / "config.json")
            executable = compile_model(options.sinter, scratch / "model", scratch / "exe", "--weights", "random",
                                       "--max-seqs", "1", "--max-step-tokens", "16", "--max-seq-len", "256",
                                       target="cuda:sm_90a")
        driver = build_driver(scratch / "driver")
        report.check("a block withheld", lambda: fails(executable, driver))
        report.check("all blocks, afterwards", lambda: answers(executable))
    return report.finish()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.SubprocessError) as problem:
        sys.exit(f"decode_step_withheld_test: {problem}")
