# SPDX-License-Identifier: Apache-2.0
"""Ours beside llama.cpp and ik_llama.cpp on one CPU: the same SmolLM2 files, threads and prompt lengths, in turn,
several times. Prints medians, ratios, shares of the ceilings measured in the same run, and peak memory; writes it all
as JSON into benchmarks/results/.

Needs PyPI's gguf and llama-cpp-python (built natively: CMAKE_ARGS=-DGGML_NATIVE=ON). ik_llama.cpp is measured when the
path of its llama-bench is given; nothing here builds or fetches it.

Usage: compare.py --sinter build/bin/sinter --model SmolLM2-135M-Instruct.Q4_1.gguf [--ik-bench LLAMA-BENCH]
"""
import argparse
import datetime
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import engines
import models
import report

ROOT = Path(__file__).resolve().parents[2]


def arguments():
    p = argparse.ArgumentParser(description="Compares Sinter with llama.cpp and ik_llama.cpp on this CPU.")
    p.add_argument("--sinter", type=Path, required=True, help="the compiler")
    p.add_argument("--model", type=Path, required=True, help="SmolLM2's Q4_1 GGUF file")
    p.add_argument("--ik-bench", type=Path, help="ik_llama.cpp's llama-bench")
    p.add_argument("--quantize", type=Path, help="a llama-quantize to make the other files (default: llama-cpp-python)")
    p.add_argument("--no-llama-cpp", action="store_true", help="leave llama.cpp out")
    p.add_argument("--formats", default=",".join(models.FORMATS), help="default: %(default)s")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--prompt", type=int, default=512, help="tokens")
    p.add_argument("--generate", type=int, default=128, help="tokens")
    p.add_argument("--rounds", type=int, default=5, help="how often every engine has its turn")
    p.add_argument("--repetitions", type=int, default=2, help="in each turn")
    p.add_argument("--work", type=Path, default=ROOT / "build/bench", help="where files and executables are made")
    p.add_argument("--output", type=Path, help="default: benchmarks/results/cpu-smollm2-DATE.json")
    return p.parse_args()


def measure_peaks(folder, threads):
    """What the machine allows at this moment."""
    exe = folder / "peaks"
    if not exe.exists():
        subprocess.run(["g++", "-O3", "-march=native", "-std=c++20", "-pthread",
                        Path(__file__).parent / "peaks.cpp", "-o", exe], check=True)
    return json.loads(subprocess.run([exe, str(threads)], check=True, capture_output=True).stdout)


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "unknown")

    def git(*words):
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True).stdout.strip()

    return dict(date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), cpu=model,
                kernel=platform.release(), commit=git("rev-parse", "--short=10", "HEAD"),
                changed=bool(git("status", "--porcelain", "--untracked-files=no")))


def contestants(args):
    found = [engines.Sinter(args.sinter.resolve(), args.work)]
    if not args.no_llama_cpp:
        found.append(engines.LlamaCpp())
    if args.ik_bench:
        found.append(engines.IkLlamaCpp(args.ik_bench.resolve()))
    return found


def measure(files, found, work, args):
    """Every engine in turn, the ceilings before each round: (format -> (engine, setting) -> runs), peaks."""
    samples = {fmt: {(e.name, s): [] for e in found for s in e.settings} for fmt in files}
    peaks = []
    for round_ in range(args.rounds):
        peaks.append(measure_peaks(args.work, args.threads))
        for fmt, model in files.items():
            for engine in found:
                for setting in engine.settings:
                    run = engine.measure(model, setting, work)
                    samples[fmt][engine.name, setting].append(run)
                    print(f"round {round_ + 1}/{args.rounds} {fmt:7} {engine.name:12} {setting:8} "
                          f"prompt {statistics.median(run['prompt']):8.1f} "
                          f"generate {statistics.median(run['generate']):7.1f}", file=sys.stderr, flush=True)
    best = {k: max(p[k] for p in peaks) if peaks[0][k] else None for k in peaks[0]}
    return samples, best, peaks


def main():
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    work = engines.Work(args.threads, args.prompt, args.generate, args.repetitions)
    files = {f: models.make(args.model.resolve(), f, args.work, args.quantize) for f in args.formats.split(",")}
    found = contestants(args)
    for engine in found:
        for model in files.values():
            engine.prepare(model)
    samples, best, peaks = measure(files, found, work, args)
    rows = []
    for fmt, model in files.items():
        ceiling = report.ceilings(fmt, models.costs(model, args.prompt), best)
        rows += report.summarize(fmt, report.best_settings(samples[fmt]), ceiling)
    about = machine() | dict(threads=args.threads, prompt=args.prompt, generate=args.generate, rounds=args.rounds,
                             repetitions=args.repetitions, peaks=best)
    read, dot, half = (best[k] or 0 for k in ("read", "vpdpbusd", "vdpbf16ps"))
    print(f"{about['cpu']}, {args.threads} threads, commit {about['commit']}: read {read / 1e9:.1f} GB/s, "
          f"vpdpbusd {dot / 1e12:.2f} TOP/s, vdpbf16ps {half / 1e12:.2f} TFLOP/s\n")
    print(report.table(rows, work))
    raw = {f: {f"{e} {s}": runs for (e, s), runs in by.items()} for f, by in samples.items()}
    output = args.output or ROOT / f"benchmarks/results/cpu-smollm2-{about['date'][:10]}.json"
    output.write_text(json.dumps(about | dict(rows=rows, peaks_of_rounds=peaks, samples=raw), indent=1) + "\n")


if __name__ == "__main__":
    main()
