# SPDX-License-Identifier: Apache-2.0
"""The engine on the GPU, with the real SmolLM2-135M-Instruct: answers do not depend on how they were scheduled, and
nothing is lost in thousands of random steps. Answers of batches of other sizes may part at near-ties (near_ties.py).

Usage: engine_test.py --sinter build/bin/sinter --model SmolLM2-135M-Instruct.Q4_1.gguf [--steps 10000]
"""
import argparse
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from near_ties import TIE, margins
from sinter_e2e import GOLDEN, GREEDY, Report, agreement, call, compile_model, require, run_json

NEW_TOKENS = 48
SYSTEM_CHARACTERS, PROMPT_CHARACTERS = 1500, 2500
SMALL_STEP = 64
LITTLE_MEMORY = "24MiB"  # for keys and values: two of the long prompts, so that some must give way to others
SOAK_MEMORY = "40MiB"


class Setup:
    """Long prompts and their answers when nothing is short and nothing is shared."""

    def __init__(self, options, scratch):
        self.scratch = Path(scratch)
        compiling = lambda name, *flags: compile_model(options.sinter, options.model, self.scratch / name, *flags,
                                                       *options.flags.split(), target=options.target)
        self.exe = compiling("large")
        self.small = compiling("small", "--max-seqs", "16", "--max-step-tokens", SMALL_STEP)
        text = " ".join((GOLDEN / "text.txt").read_text().split())
        self.system = text[:SYSTEM_CHARACTERS]
        self.questions = [f"Continue: {text[i * 1100:i * 1100 + PROMPT_CHARACTERS // (1 + i % 4)]}" for i in range(16)]
        self.questions += [f"Write {n} sentences about the sea." for n in range(2, 10)]
        self.want = self.ask(self.exe, "--logprobs", "2")
        require(not any(a["cached_tokens"] or a["preemptions"] for a in self.want), "the answers to compare with share")

    def ask(self, exe, *flags, questions=None):
        file = self.scratch / "prompts.txt"
        file.write_text("".join(q + "\n" for q in questions or self.questions))
        return run_json(exe, "--prompts", file, "--max-tokens", NEW_TOKENS, *GREEDY, *flags)


def compare(answers, wanted):
    """Where answers part, with the margin there; a Failure where one does elsewhere than at a near-tie."""
    agreed, parted = 0, []
    for got, want in zip(answers, wanted, strict=True):
        same = agreement(got["token_ids"], want["token_ids"], margins(want), TIE)
        agreed += same
        if same < NEW_TOKENS:
            parted.append(margins(want)[same])
    require(3 * agreed > NEW_TOKENS * len(wanted), f"only {agreed} tokens of {NEW_TOKENS * len(wanted)} before ties")
    return (f"{len(wanted) - len(parted)} of {len(wanted)} the same to the end, the others up to ties of at most "
            f"{max(parted, default=0):.3f}; {agreed} tokens compared")


def check_again(s):
    again = s.ask(s.exe, "--logprobs", "2")
    require([a["token_ids"] for a in again] == [a["token_ids"] for a in s.want], "a second run answers differently")


def check_overlap(s):
    """Nobody waits for logits, so that two steps are in flight."""
    require([a["token_ids"] for a in s.ask(s.exe)] == [a["token_ids"] for a in s.want], "other tokens")


def check_preemption(s):
    answers = s.ask(s.exe, "--kv-memory", LITTLE_MEMORY)
    preemptions = sum(a["preemptions"] for a in answers)
    require(preemptions > 0, f"nothing was preempted with {LITTLE_MEMORY} for keys and values")
    return f"{preemptions} preemptions, {compare(answers, s.want)}"


def check_chunks(s):
    return f"prompts in steps of {SMALL_STEP} tokens, {compare(s.ask(s.small), s.want)}"


def check_prefixes(s):
    """Each alone in a process of its own, then all in small steps, where later ones find what the first has written."""
    some = s.questions[-6:]
    wanted = [s.ask(s.exe, "--system", s.system, "--logprobs", "2", questions=[q])[0] for q in some]
    answers = s.ask(s.small, "--system", s.system, questions=some)
    cached = sum(a["cached_tokens"] for a in answers)
    require(cached > 0, "no prefix was found in the cache")
    return f"{cached} tokens found in the cache, {compare(answers, wanted)}"


def check_soak(s, steps):
    out = call([s.exe, "soak", "--steps", steps, "--kv-memory", SOAK_MEMORY])
    return ", ".join(" ".join(line.split()) for line in out.splitlines())


def main():
    parser = argparse.ArgumentParser(description="Checks the engine on a GPU.")
    parser.add_argument("--sinter", required=True, type=lambda p: Path(p).resolve(), help="the compiler")
    parser.add_argument("--model", required=True, type=lambda p: Path(p).resolve(), help="the GGUF file of SmolLM2")
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--flags", default="", help="more flags of sinter compile, for the GPU")
    parser.add_argument("--steps", type=int, default=10000, help="random steps")
    options = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        setup = []
        report.check("compile and answer", lambda: setup.append(Setup(options, scratch)))
        for s in setup:
            report.check("the same again", lambda: check_again(s))
            report.check("two steps in flight", lambda: check_overlap(s))
            report.check("preemption", lambda: check_preemption(s))
            report.check("chunked prefill", lambda: check_chunks(s))
            report.check("prefix sharing", lambda: check_prefixes(s))
            report.check("random steps", lambda: check_soak(s, options.steps))
    report.finish()


if __name__ == "__main__":
    main()
