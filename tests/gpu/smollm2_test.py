# SPDX-License-Identifier: Apache-2.0
"""The real SmolLM2-135M-Instruct on the GPU against the CPU target: greedy answers to twenty prompts, and perplexity.

A GPU multiplies bfloat16 activations with weights rounded to bfloat16, the CPU here float32 activations with the
quantized weights: logits differ by about one percent of their deviation. So an answer may part from the CPU's where its
two most likely tokens are that close; every such place is printed.

Usage: smollm2_test.py --sinter build/bin/sinter --model SmolLM2-135M-Instruct.Q4_1.gguf
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from near_ties import TIE, margins
from sinter_e2e import GOLDEN, GREEDY, Report, agreement, call, compile_model, require, run_json

NEW_TOKENS = 32
PERPLEXITY_TOLERANCE = 0.005


class Setup:
    def __init__(self, options, scratch):
        self.scratch = Path(scratch)
        reference = json.loads((GOLDEN / "smollm2/reference.json").read_text())
        self.prompts = self.scratch / "prompts.txt"
        self.prompts.write_text("".join(c["prompt"] + "\n" for c in reference["continuations"]))
        self.cpu = compile_model(options.sinter, options.model, self.scratch / "cpu", "--activations", "f32")
        self.gpu = compile_model(options.sinter, options.model, self.scratch / "gpu", *options.flags.split(),
                                 target=options.target)

    def answers(self, exe, *flags):
        return run_json(exe, "--prompts", self.prompts, "--max-tokens", NEW_TOKENS, *GREEDY, *flags)


def check_answers(s):
    want, got = s.answers(s.cpu, "--logprobs", "2"), s.answers(s.gpu)
    require(len(got) == len(want) == 20, f"{len(got)} answers, the CPU gives {len(want)}, expected 20")
    parted = []
    for a, b in zip(got, want):
        same = agreement(a["token_ids"], b["token_ids"], margins(b), TIE)
        if same < NEW_TOKENS:
            parted.append(f"{same} ({margins(b)[same]:.3f})")
        else:
            require(a["text"] == b["text"], "equal tokens, other text")
    return (f"{len(got) - len(parted)} of {len(got)} agree in all {NEW_TOKENS} tokens, others up to near-ties at "
            f"{', '.join(parted)}")


def check_again(s):
    first, second = s.answers(s.gpu), s.answers(s.gpu)
    require([a["token_ids"] for a in first] == [a["token_ids"] for a in second], "a second run answers differently")


def check_perplexity(s):
    text = ("eval", "--text", GOLDEN / "text.txt", "--ctx", "1024", "--stride", "512", "--json")
    want, got = (json.loads(call([exe, *text]))["ppl"] for exe in (s.cpu, s.gpu))
    off = got / want - 1
    require(abs(off) <= PERPLEXITY_TOLERANCE, f"{got:.4f}, on the CPU {want:.4f} ({100 * off:+.3f} %)")
    return f"{got:.4f}, on the CPU {want:.4f} ({100 * off:+.3f} %)"


def main():
    parser = argparse.ArgumentParser(description="Compares SmolLM2 on the GPU and on the CPU.")
    parser.add_argument("--sinter", required=True, type=lambda p: Path(p).resolve(), help="the compiler")
    parser.add_argument("--model", required=True, type=lambda p: Path(p).resolve(), help="the GGUF file")
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--flags", default="", help="more flags of sinter compile, for the GPU")
    options = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        setup = []
        report.check("compile", lambda: setup.append(Setup(options, scratch)))
        for s in setup:
            report.check("answers", lambda: check_answers(s))
            report.check("answers again", lambda: check_again(s))
            report.check("perplexity", lambda: check_perplexity(s))
    report.finish()


if __name__ == "__main__":
    main()
