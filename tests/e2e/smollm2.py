# SPDX-License-Identifier: Apache-2.0
"""Compiles the real SmolLM2-135M-Instruct and compares what it answers with transformers running the dequantized
weights (tests/golden/smollm2.py): logits, twenty continuations, perplexity. Then what its executable promises: equal
bytes from equal input, no need of a compiler, batches that change nothing, and the words of its command line.

Usage: smollm2.py --sinter build/bin/sinter --model SmolLM2-135M-Instruct.Q4_1.gguf [--filter TEXT]
"""
import argparse
import json
import shutil
import tempfile
from functools import cached_property
from pathlib import Path

import numpy as np

import safetensors_file
from sinter_e2e import (GOLDEN, GREEDY, Report, agreement, bare_environment, call, compile_model, cosines, logits,
                        require, run_json)

# (name of the compilation, its flags, least cosine of logits, largest margin of a greedy choice that may differ)
# Eight-bit activations move a logit by 2 to 5 % of the row's standard deviation, so that the first choice may fall on
# any of several that are close: llama.cpp's own parts from the reference at margins up to 0.11. Every margin is on
# record in smollm2/reference.json. In float32 a near-tie may only go to the reference's second choice.
ACTIVATIONS = [("quantized", (), 0.999, 0.12), ("f32", ("--activations", "f32"), 0.9999, 0.01)]
PERPLEXITY_TOLERANCE = 0.005
NEW_TOKENS = 32


class Setup:
    """The model, its references, and its executables, compiled when first asked for."""

    def __init__(self, sinter, model, scratch):
        self.sinter, self.model, self.scratch = sinter.resolve(), model.resolve(), Path(scratch)
        self.reference = json.loads((GOLDEN / "smollm2/reference.json").read_text())
        self.logits, _ = safetensors_file.read(GOLDEN / "smollm2/logits.safetensors")
        self.continuations = self.reference["continuations"]
        self.prompts = [c["prompt"] for c in self.continuations]

    def compile(self, name, *flags):
        folder = self.scratch / name
        folder.mkdir()
        return compile_model(self.sinter, self.model, folder / "smollm2", *flags, cwd=folder)

    @cached_property
    def executables(self):
        return {name: self.compile(name, *flags) for name, flags, _, _ in ACTIVATIONS}

    @property
    def exe(self):
        return self.executables["quantized"]

    def ask(self, *arguments, exe=None, **options):
        return run_json(exe or self.exe, *arguments, "--max-tokens", NEW_TOKENS, *GREEDY, **options)

    def ask_all(self, exe):
        """All prompts in one batch."""
        file = self.scratch / "prompts.txt"
        file.write_text("".join(p + "\n" for p in self.prompts))
        answers = self.ask("--prompts", file, exe=exe)
        require(len(answers) == len(self.prompts), f"{len(answers)} answers to {len(self.prompts)} prompts")
        return answers


def check_logits(s, name, least, tie, *flags):
    got = logits(s.executables[name], s.logits["ids"].tolist(), s.scratch, *flags)
    rows, cos = cosines(got[s.logits["positions"]], s.logits["logits"].astype(np.float32))
    require(cos >= least, f"cosine {cos:.6f} ({', '.join(f'{c:.6f}' for c in rows)}), expected at least {least}")
    top, ids = s.logits["top_logits"], s.logits["top_ids"]
    clear = top[:, 0] - top[:, 1] > tie * got.std(-1)
    wrong = np.flatnonzero(clear & (got.argmax(-1) != ids[:, 0]))
    require(not wrong.size, f"the most likely tokens at positions {wrong.tolist()} differ")
    return f"cosine {cos:.6f}, most likely token equal at {clear.sum()} clear positions of {len(clear)}"


def check_continuations(s, name, tie):
    same = []
    for got, want in zip(s.ask_all(s.executables[name]), s.continuations):
        seconds = want["seconds"] if name == "f32" else None
        same.append(agreement(got["token_ids"], want["tokens"], want["margins"], tie, seconds))
        require(got["prompt_tokens"] == len(want["prompt_ids"]),
                f"{want['prompt']!r} became {got['prompt_tokens']} tokens, expected {len(want['prompt_ids'])}")
    parted = sorted(n for n in same if n < NEW_TOKENS)
    return f"{len(same) - len(parted)} of {len(same)} agree in all {NEW_TOKENS} tokens, others up to ties at {parted}"


def check_perplexity(s, name):
    want = s.reference["perplexity"]
    context = str(want["context"])
    out = json.loads(call([s.executables[name], "eval", "--text", GOLDEN / "text.txt", "--ctx", context,
                           "--stride", context, "--json"]))
    require((out["tokens"], out["scored"]) == (want["tokens"], want["scored"]),
            f"{out['scored']} of {out['tokens']} tokens scored, expected {want['scored']} of {want['tokens']}")
    off = out["ppl"] / want["value"] - 1
    require(abs(off) <= PERPLEXITY_TOLERANCE, f"perplexity {out['ppl']:.4f}, expected {want['value']:.4f} within 0.5 %")
    return f"{out['ppl']:.4f}, reference {want['value']:.4f} ({100 * off:+.3f} %)"


def check_same_bytes(s):
    first, second = s.exe.read_bytes(), s.compile("elsewhere").read_bytes()
    require(len(first) == len(second), f"{len(first)} bytes, then {len(second)}")
    require(first == second, "the bytes differ")
    return f"{len(first) / 2**20:.1f} MiB"


def check_bare_machine(s):
    """A copy of the executable alone, in another directory, with nothing on PATH."""
    with tempfile.TemporaryDirectory() as other:
        copy = shutil.copy(s.exe, Path(other) / "moved")
        (got,) = s.ask(s.prompts[0], exe=copy, cwd=other, env=bare_environment())
    (want,) = s.ask(s.prompts[0])
    require(got["token_ids"] == want["token_ids"], "a moved executable answers differently")


def check_batch_changes_nothing(s):
    batched = s.ask_all(s.exe)
    for i in (0, 9, 18):
        (alone,) = s.ask(s.prompts[i])
        require(alone["token_ids"] == batched[i]["token_ids"] and alone["text"] == batched[i]["text"],
                f"{s.prompts[i]!r} is answered differently in a batch")


def check_standard_input(s):
    lines = "".join(p + "\n" for p in s.prompts[:3])
    got = s.ask(input=lines.encode())
    require([a["token_ids"] for a in got] == [a["token_ids"] for a in s.ask_all(s.exe)[:3]],
            "prompts from standard input are answered differently")


def check_token_ids(s):
    ids = s.continuations[0]["prompt_ids"]
    (by_ids,), (by_text,) = s.ask("--token-ids", ",".join(map(str, ids))), s.ask(s.prompts[0])
    require(by_ids["token_ids"] == by_text["token_ids"], "token ids are answered differently than their text")


def check_json(s):
    (got,) = run_json(s.exe, "Count from 1 to 10.", "--max-tokens", "8", "--logprobs", "3", *GREEDY)
    for key in ("token_ids", "text", "finish_reason", "prompt_tokens", "logprobs", "timings"):
        require(key in got, f"no {key!r} in {sorted(got)}")
    require(got["finish_reason"] == "length" and len(got["token_ids"]) == 8, f"finish_reason {got['finish_reason']}")
    require(len(got["logprobs"]) == 8, f"{len(got['logprobs'])} logprobs of 8 tokens")
    return ", ".join(f"{k} {v}" for k, v in got["timings"].items())


def check_stop(s):
    (got,) = run_json(s.exe, "Count from 1 to 10.", "--max-tokens", "32", "--stop", "3.", *GREEDY)
    require(got["finish_reason"] == "stop", f"finish_reason {got['finish_reason']}, expected stop")
    require(got["text"] == "1. 1\n2. 2\n", f"text {got['text']!r}, expected what is before '3.'")


def check_tokenize(s):
    text = (GOLDEN / "text.txt").read_text()
    file = s.scratch / "lines.jsonl"
    file.write_text(json.dumps(text) + "\n" + json.dumps("naïve 東京 🙂") + "\n")
    ids = [json.loads(line) for line in call([s.exe, "tokenize", "--jsonl", file]).splitlines()]
    require(len(ids[0]) == s.reference["perplexity"]["tokens"], f"{len(ids[0])} tokens")
    require(ids[0][:len(s.logits["ids"])] == s.logits["ids"].tolist(), "other token ids")
    file.write_text("".join(json.dumps(line) + "\n" for line in ids))
    back = [json.loads(line) for line in call([s.exe, "tokenize", "--jsonl", file, "--decode"]).splitlines()]
    require(back == [text, "naïve 東京 🙂"], "decoding gives another text")


def check_info(s):
    out = call([s.exe, "info"], env=bare_environment())
    require("smollm2" in out.lower(), "info does not name the model")


def main():
    parser = argparse.ArgumentParser(description="Checks the compiled SmolLM2.")
    parser.add_argument("--sinter", required=True, type=Path, help="the compiler")
    parser.add_argument("--model", required=True, type=Path, help="SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--filter", help="only the checks whose names contain this")
    args = parser.parse_args()
    report = Report(args.filter)
    with tempfile.TemporaryDirectory() as scratch:
        s = Setup(args.sinter, args.model, scratch)
        for name, _, least, tie in ACTIVATIONS:
            report.check(f"logits, {name}", lambda: check_logits(s, name, least, tie))
            report.check(f"logits by decoding, {name}", lambda: check_logits(s, name, least, tie, "--decode"))
            report.check(f"continuations, {name}", lambda: check_continuations(s, name, tie))
            report.check(f"perplexity, {name}", lambda: check_perplexity(s, name))
        report.check("same bytes twice", lambda: check_same_bytes(s))
        report.check("bare machine", lambda: check_bare_machine(s))
        report.check("batch changes nothing", lambda: check_batch_changes_nothing(s))
        report.check("prompts from standard input", lambda: check_standard_input(s))
        report.check("token ids", lambda: check_token_ids(s))
        report.check("json", lambda: check_json(s))
        report.check("stop string", lambda: check_stop(s))
        report.check("tokenize", lambda: check_tokenize(s))
        report.check("info", lambda: check_info(s))
    report.finish()


if __name__ == "__main__":
    main()
