# SPDX-License-Identifier: Apache-2.0
"""Compiles every golden model and compares its logits (prefill, and one token at a time) and its greedy tokens with
what transformers answered (tests/golden/make.py). GGUF block formats are compiled with float32 activations, which must
be exact, and also with the quantized activations that are the default.

Usage: golden.py --sinter build/bin/sinter [--filter TEXT]
"""
import argparse
import json
import tempfile
from pathlib import Path

import safetensors_file
from sinter_e2e import (GOLDEN, GREEDY, Report, agreement, compile_model, cosines, error, logits, require, rms,
                        run_json)

EXACT = 1e-4  # of the logits' standard deviation; transformers' own float32 is within 1.5e-5 of float64
# Activations quantized to 8 bits in groups of 16. A model this narrow has one to eight groups a row to average over,
# and random weights; measured cosines of rows are 0.999 and up. Real models are held to 0.999 (smollm2.py).
QUANTIZED_COSINE = 0.997
QUANTIZED_TIE = 0.2


class Golden:
    def __init__(self, folder):
        tensors, metadata = safetensors_file.read(folder / "golden.safetensors")
        self.meta = json.loads(metadata["golden"])
        self.prompt, self.positions = tensors["prompt"].tolist(), tensors["positions"]
        self.logits = tensors["logits"]
        self.greedy, self.margins, self.seconds = (tensors[n].tolist() for n in ("greedy", "margins", "seconds"))
        gguf = folder / "model.gguf"
        self.model = gguf if gguf.exists() else folder
        self.quantized = bool(set(self.meta["formats"].values()) - {"F32", "F16", "BF16"})


def compare(golden, got, quantized):
    """Holds logits to the bound of the arithmetic they were computed in, and says how far they are."""
    got = got[golden.positions]
    require(got.shape == golden.logits.shape, f"logits {got.shape}, expected {golden.logits.shape}")
    if quantized:
        cos = cosines(got, golden.logits)[0].min()
        require(cos >= QUANTIZED_COSINE, f"cosine {cos:.5f}, expected at least {QUANTIZED_COSINE}")
        return f"{cos:.5f}"
    worst, mean = error(got, golden.logits), rms(got, golden.logits)
    if "half_error" in golden.meta:
        most, most_mean = (1.5 * float(golden.meta[key]) for key in ("half_error", "half_rms"))
        require(mean <= most_mean, f"rms error {mean:.5f}, expected at most {most_mean:.5f}")
    else:
        most = EXACT
    require(worst <= most, f"error {worst:.2e}, expected at most {most:.2e}")
    return f"{worst:.1e}"


def tie(golden, quantized):
    """The margin up to which two correct computations may choose differently."""
    if quantized:
        return QUANTIZED_TIE
    return 2 * float(golden.meta.get("half_error", EXACT))


def check(sinter, golden, flags, quantized):
    with tempfile.TemporaryDirectory() as scratch:
        exe = compile_model(sinter, golden.model, Path(scratch) / "model", *flags)
        prefill = compare(golden, logits(exe, golden.prompt, scratch), quantized)
        decode = compare(golden, logits(exe, golden.prompt, scratch, "--decode"), quantized)
        ids = ",".join(map(str, golden.prompt))
        (answer,) = run_json(exe, "--token-ids", ids, "--max-tokens", len(golden.greedy), *GREEDY)
        seconds = None if quantized else golden.seconds
        same = agreement(answer["token_ids"], golden.greedy, golden.margins, tie(golden, quantized), seconds)
    return f"prefill {prefill} decode {decode} greedy {same}/{len(golden.greedy)}"


def main():
    parser = argparse.ArgumentParser(description="Compares compiled golden models with transformers.")
    parser.add_argument("--sinter", required=True, type=Path, help="the compiler")
    parser.add_argument("--filter", help="only the checks whose names contain this")
    args = parser.parse_args()
    report = Report(args.filter)
    for folder in sorted(f.parent for f in GOLDEN.glob("*/golden.safetensors")):
        golden, sinter = Golden(folder), args.sinter.resolve()
        if not golden.quantized:
            report.check(folder.name, lambda: check(sinter, golden, (), False))
            continue
        report.check(f"{folder.name} (f32)", lambda: check(sinter, golden, ("--activations", "f32"), False))
        if golden.meta["family"] == "llama":  # a format's kernels do not know the family
            report.check(folder.name, lambda: check(sinter, golden, (), True))
    report.finish()


if __name__ == "__main__":
    main()
