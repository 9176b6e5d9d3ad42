#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Executables for a GPU, run without one: through a driver that is played (tests/runtime/fake_cuda). It runs no kernel,
but refuses whatever a GPU would fault on: addresses, limits of launches, copies that race with graphs. Then what is
said of machines that cannot run a model, and of GPUs that fail on the way.

Usage: cuda_fake.py --sinter build/bin/sinter --driver build/lib/libfake_cuda.so
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import safetensors_file
from sinter_e2e import Report, call, require

sys.path.append(str(Path(__file__).resolve().parents[1] / "codegen"))
from emit import SHAPE, write_config  # noqa: E402

VOCAB = SHAPE["vocab_size"]
LIMITS = ("--max-seq-len", "512", "--max-seqs", "32")
FAULT = "CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)"


class Setup:
    def __init__(self, sinter, driver, scratch):
        self.sinter, self.scratch, self.report = sinter, Path(scratch), Path(scratch) / "report.json"
        folder = self.scratch / "driver"
        folder.mkdir()
        (folder / "libcuda.so.1").symlink_to(driver)
        self.environment = {**os.environ, "LD_LIBRARY_PATH": str(folder), "FAKE_CUDA_VOCAB": str(VOCAB),
                            "FAKE_CUDA_REPORT": str(self.report)}

    def compile(self, name, family, arch, *flags):
        exe = self.scratch / name
        config = write_config(family, self.scratch)
        call([self.sinter, "compile", config, "-o", exe, "--weights", "random", "--target", f"cuda:{arch}", *LIMITS,
              *flags])
        return exe

    def run(self, exe, *arguments, **fake):
        """What a command did: its exit code, output and errors, and the fake driver's report."""
        self.report.unlink(missing_ok=True)
        settings = {f"FAKE_CUDA_{name.upper()}": str(value) for name, value in fake.items()}
        done = subprocess.run([exe, *map(str, arguments)], capture_output=True, text=True, timeout=300,
                              env={**self.environment, **settings})
        require("fake CUDA:" not in done.stderr, done.stderr.strip()[-400:])
        done.report = json.loads(self.report.read_text()) if self.report.exists() else {}
        return done

    def good(self, exe, *arguments, **fake):
        done = self.run(exe, *arguments, **fake)
        require(done.returncode == 0, f"{arguments[0]}: exit code {done.returncode}: {done.stderr.strip()[-400:]}")
        require(done.report.get("live", 0) == 0, f"{arguments[0]} left {done.report.get('live')} things of the driver")
        return done


def expected_tokens(prompt, count):
    """What the fake GPU chooses: a function of the last token and its position."""
    tokens = list(prompt)
    for position in range(len(prompt) - 1, len(prompt) - 1 + count):
        tokens.append((tokens[-1] * 31 + position * 17 + 7) % VOCAB)
    return tokens[len(prompt):]


def check_bench(s, exe):
    done = s.good(exe, "bench", "-p", "1,17,300", "-n", "8", "-r", "2")
    require(all(f"pp{p} " in done.stdout for p in (1, 17, 300)) and "tg8 " in done.stdout, "a test is missing")
    s.good(exe, "bench", "--requests", "40x60x20", "-r", "1")
    return f"{done.report['graph_launches']} steps, {done.report['launches']} launches"


def check_kernels(s, exe):
    done = s.good(exe, "bench", "-c", "1,4", "--context", "64", "--steps", "4", "-r", "1", "--kernels", "-o", "json")
    layers = SHAPE["num_hidden_layers"]
    for test in json.loads(done.stdout):
        calls = sum(kernel["calls_per_step"] for kernel in test["kernels"])
        require(calls == 5 * layers + 3, f"{calls} launches a step, expected five a layer, embed, head and sample")
        require(all(k["seconds_per_step"] > 0 for k in test["kernels"]), "a kernel took no time")
    return f"{calls:g} launches a step"


def check_resident(s, exe):
    """A step of one sequence is the layers, the head and sample; of more sequences, or on a smaller GPU, a list."""
    bench = ("bench", "--context", "64", "--steps", "4", "-r", "1", "--kernels", "-o", "json")
    counts = []
    for sequences, settings in (1, {}), (2, {}), (1, {"multiprocessors": 114}):
        test = json.loads(s.good(exe, *bench, "-c", str(sequences), **settings).stdout)[0]
        counts.append(sum(kernel["calls_per_step"] for kernel in test["kernels"]))
    require(counts[0] == 3 and counts[1] == counts[2] > 20, f"{counts} launches a step")
    return f"{counts} launches a step"


def check_run(s, exe):
    prompt = [3, 1, 4, 1, 5]
    want = expected_tokens(prompt, 20)
    ids = ",".join(map(str, prompt))
    for flags in (), ("--check-kernels",), ("--temperature", "0"), ("--repetition-penalty", "1.1"):
        done = s.good(exe, "run", "--token-ids", ids, "--max-tokens", "20", "--json", *flags)
        require(json.loads(done.stdout)["token_ids"] == want, f"run {' '.join(flags)} gives other tokens")
    edits = ("--temperature", "0.9", "--top-k", "40", "--top-p", "0.95", "--min-p", "0.001", "--presence-penalty",
             "0.1", "--frequency-penalty", "0.1", "--repetition-penalty", "1.05", "--logit-bias", "5:1", "--seed", "3")
    s.good(exe, "run", "--token-ids", ids, "--max-tokens", "200", "--json", *edits)
    done = s.good(exe, "run", "--token-ids", ids, "--max-tokens", "20", "--json", "--logprobs", "3", *edits)
    answer = json.loads(done.stdout)
    require(len(answer["logprobs"]) == 20 and all(len(one["top"]) == 3 for one in answer["logprobs"]), "logprobs")
    return f"{want[:4]} ..."


def check_eval(s, exe):
    ids, out = s.scratch / "ids.txt", s.scratch / "logits.safetensors"
    ids.write_text(",".join(str(3 * i % VOCAB) for i in range(150)))
    for flags, rows in ((), 150), (("--from", "100"), 51), (("--decode",), 150), (("--beside", "5"), 150):
        s.good(exe, "eval", "--token-ids", ids, "--logits", out, *flags)
        found = safetensors_file.read(out)[0]["logits"]
        require(found.shape == (rows, VOCAB), f"eval {flags} gives {found.shape}")
        peaks = [(3 * i % VOCAB * 31 + i * 17 + 7) % VOCAB for i in range(150)][-rows:]
        require(found.argmax(-1).tolist() == peaks, f"eval {flags} gives rows of other positions")
    s.good(exe, "eval", "--token-ids", ids)
    return "whole, from, decode, beside"


def check_soak(s, exe, little):
    done = s.good(exe, "soak", "--steps", "2000")
    ran = len(done.report["kernels"])
    require("0 preemptions" in done.stdout, "there is room for all")
    small = s.good(exe, "soak", "--steps", "1000", "--kv-memory", little, "--seed", "2")
    require(" 0 preemptions" not in small.stdout, f"nothing was preempted in {little}")
    return f"{ran} kernels, {done.report['captures']} graphs, {done.report['launches']} launches"


def check_info(s, exe, arch):
    info = s.good(exe, "info", "--json")
    require(json.loads(info.stdout)["target"] == f"cuda:{arch}", "another target")
    return "the target"


def check_refusals(s, exe):
    run = ("run", "--token-ids", "1,2,3", "--max-tokens", "3")
    gib = 1 << 30
    cases = [
        (dict(capability=89, name="NVIDIA L40S"), "built for sm_90a, this GPU is sm_89 (NVIDIA L40S)"),
        (dict(capability=100), "built for sm_90a, this GPU is sm_100 (Fake GPU)"),
        (dict(free=10 << 20, total=80 * gib), "are needed, 10.0 MiB of 80.0 GiB are free (Fake GPU)"),
        (dict(version=12040), "the CUDA driver is too old: built for CUDA 13.0, the driver is for 12.4"),
        (dict(init=100), "no GPU: the CUDA driver finds none"),
        (dict(gpus=0), "no GPU: the CUDA driver finds none"),
        (dict(context=2), "cuDevicePrimaryCtxRetain: CUDA_ERROR_OUT_OF_MEMORY (out of memory)"),
        (dict(fail_kernel="linear"), f"kernel k01_linear_1: cuLaunchKernelEx: {FAULT}"),
        (dict(fail="cuLibraryLoadData:5"), f"_linear_1: cuLibraryLoadData: {FAULT}"),
        (dict(fail="cuMemcpyHtoDAsync_v2:2"), f"cuMemcpyHtoDAsync_v2: {FAULT}"),
        (dict(fail="cuMemAlloc_v2:3"), f"cuMemAlloc_v2: {FAULT}: "),
        (dict(fail="cuMemHostAlloc"), f"cuMemHostAlloc: {FAULT}: "),
        (dict(fail="cuGraphInstantiateWithFlags:7"), f"cuGraphInstantiateWithFlags: {FAULT}"),
    ]
    for fake, text in cases:
        done = s.run(exe, *run, **fake)
        lines = done.stderr.strip().splitlines()
        require(done.returncode == 1 and len(lines) == 1 and text in lines[0],
                f"{fake}: exit code {done.returncode}: {done.stderr.strip()[-300:]}; expected '{text}'")
        require(not done.stdout, f"{fake}: {done.stdout[:100]}")
        require(done.report.get("live", 0) == 0, f"{fake} leaves {done.report.get('live')} things of the driver's")
    return f"{len(cases)} errors"


def check_failing_steps(s, exe):
    """A GPU that is lost while requests run ends them, with the driver's words, and is nobody's mistake: exit code 2."""
    run, ids = ("run", "--token-ids", "1,2,3", "--max-tokens", "9"), s.scratch / "few.txt"
    ids.write_text(",".join(map(str, range(400))))
    cases = [
        (run, dict(fail="cuGraphLaunch:4"), f"cuGraphLaunch: {FAULT}"),
        (run, dict(fail="cuMemcpyHtoDAsync_v2:8"), f"cuMemcpyHtoDAsync_v2: {FAULT}"),
        (run, dict(fault="k03_linear"), FAULT),
        ((*run, "--check-kernels"), dict(fault="k03_linear"), "kernel k03_linear_1, %"),
        ((*run, "--logprobs", "1", "--json"), dict(fail="cuMemcpyDtoHAsync_v2:3"), f"cuMemcpyDtoHAsync_v2: {FAULT}"),
        (("bench", "-p", "8", "-n", "8"), dict(fail="cuEventSynchronize:9"), f"cuEventSynchronize: {FAULT}"),
        (("eval", "--token-ids", ids), dict(fail="cuGraphLaunch:2"), f"cuGraphLaunch: {FAULT}"),
        (("soak", "--steps", "100"), dict(fail="cuGraphLaunch:30"), f"cuGraphLaunch: {FAULT}"),
    ]
    for command, fake, text in cases:
        done = s.run(exe, *command, **fake)
        require(done.returncode == 2 and f"{exe.name}: error: internal: " in done.stderr and text in done.stderr,
                f"{command[0]} {fake}: exit code {done.returncode}: {done.stderr.strip()[-300:]}; expected '{text}'")
        require(done.report.get("live", 0) == 0, f"{fake} leaves {done.report.get('live')} things of the driver's")
    return f"{len(cases)} errors"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sinter", required=True, type=Path)
    parser.add_argument("--driver", required=True, type=Path)
    parser.add_argument("--only", help="checks whose names hold this")
    arguments = parser.parse_args()
    report = Report(arguments.only)
    with tempfile.TemporaryDirectory() as scratch:
        s = Setup(arguments.sinter.resolve(), arguments.driver.resolve(), scratch)
        native = s.compile("native", "qwen3", "sm_90a")
        portable = s.compile("portable", "llama", "sm_90a", "--kernels", "portable")
        for exe, little in (native, "1MiB"), (portable, "512KiB"):
            report.check(f"{exe.name}: bench", lambda: check_bench(s, exe))
            report.check(f"{exe.name}: bench --kernels", lambda: check_kernels(s, exe))
            report.check(f"{exe.name}: run", lambda: check_run(s, exe))
            report.check(f"{exe.name}: eval", lambda: check_eval(s, exe))
            report.check(f"{exe.name}: soak", lambda: check_soak(s, exe, little))
            report.check(f"{exe.name}: info", lambda: check_info(s, exe, "sm_90a"))
        resident = s.compile("resident", "resident", "sm_90a")
        report.check("resident: bench --kernels", lambda: check_resident(s, resident))
        report.check("resident: run", lambda: check_run(s, resident))
        report.check("resident: eval", lambda: check_eval(s, resident))
        report.check("refusals", lambda: check_refusals(s, native))
        report.check("failing steps", lambda: check_failing_steps(s, native))
    report.finish()


if __name__ == "__main__":
    main()
