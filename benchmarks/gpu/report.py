# SPDX-License-Identifier: Apache-2.0
"""From measurements to rows: medians, ratios to the floor and to the peer, bars; and the rows as a Markdown table.

    report.py RESULTS.json            prints the table
    report.py RESULTS.json README.md  writes it between the lines `<!-- gpu: begin -->` and `<!-- gpu: end -->`
"""
import json
import sys
from pathlib import Path

import work

MARKS = "<!-- gpu: begin -->", "<!-- gpu: end -->"


def row(what, ours, unit, floor=None, peer=None, least=None, most=None, stretch=None):
    """`least` or `most`: the bar. Ratios are how many times the floor we take, and how many times faster than the peer
    we are."""
    faster = unit == "tokens/s"
    bar = least if least is not None else most
    found = dict(what=what, unit=unit, ours=ours, floor=floor, peer=peer, bar=bar, stretch=stretch)
    if floor:
        found["of_floor"] = ours / floor
    if peer:
        found["of_peer"] = ours / peer if faster else peer / ours
    for name, limit in (("met", bar), ("stretch_met", stretch)):
        if limit is not None:
            found[name] = ours >= limit if least is not None else ours <= limit
    return found


class Rows:
    def __init__(self, tests, peers, starts):
        self.tests, self.peers, self.starts = tests, peers, starts
        self.bandwidth = max((test.get("read_bandwidth", 0) for test in tests.values()), default=0)

    def peer(self, model, kind, size):
        return self.peers.get(model, {}).get((kind, size))

    def floor(self, model, sequences, context):
        return work.model(model).floor(self.bandwidth, sequences, context) if self.bandwidth else None

    def decode(self):
        for model, name in work.MODELS.items():
            if test := self.tests.get((model, "decode", 1)):
                bar, stretch = work.DECODE_BARS[model]
                yield row(f"{name}, 1 sequence, context {work.CONTEXT:,}", 1e3 * test["median_seconds"] / test["n_gen"],
                          "ms a step", self.floor(model, 1, work.CONTEXT), self.peer(model, "decode", 1), most=bar,
                          stretch=stretch)

    def batches(self):
        model, name = work.MAIN, work.MODELS[work.MAIN]
        for sequences in work.BATCHES:
            if test := self.tests.get((model, "decode", sequences)):
                floor = self.floor(model, sequences, work.BATCH_CONTEXT)
                yield row(f"{name}, {sequences} sequences, context {work.BATCH_CONTEXT:,}",
                          1e3 * test["median_seconds"] / test["n_gen"], "ms a step", floor,
                          self.peer(model, "decode", sequences),
                          most=floor and floor * work.batch_bar(sequences))

    def prompts(self):
        model, name = work.MAIN, work.MODELS[work.MAIN]
        for length in work.PROMPTS:
            if test := self.tests.get((model, "prompt", length)):
                peer = self.peer(model, "prompt", length)
                yield row(f"{name}, prompt of {length:,}", 1e3 * test["median_seconds"], "ms", None, peer,
                          most=work.PROMPT_BAR * (peer or work.PEER_PROMPTS[length]))

    def requests(self):
        count, prompt, output = work.REQUESTS
        if test := self.tests.get((work.MAIN, "requests", count)):
            yield row(f"{work.MODELS[work.MAIN]}, {count:,} requests of {prompt} in, {output} out, all at once",
                      test["median_ts"], "tokens/s", None, self.peer(work.MAIN, "requests", count),
                      least=work.REQUESTS_BARS[0], stretch=work.REQUESTS_BARS[1])

    def host(self):
        steps = [test["host_seconds_per_step"] for (_, kind, _), test in self.tests.items()
                 if kind == "decode" and "host_seconds_per_step" in test]
        if steps:
            yield row("host time a decode step not hidden, the most of the above", 1e6 * max(steps), "us",
                      most=work.HOST_BAR)

    def start(self):
        for what, seconds in self.starts.items():
            if what.startswith(work.MAIN + ",") or what == "stored weights":
                # Random weights are generated at load: no bar is about that.
                bar = work.START_BAR if what == "stored weights" else None
                yield row(f"{work.MODELS[work.MAIN]}, process start to first token, {what.split(', ')[-1]}", seconds,
                          "s", None, self.peer(work.MAIN, "start", 0), most=bar)


def summarize(tests, peers, starts):
    """`tests`: (model, kind, size) -> bench's object; `peers`: model -> (kind, size) -> value; `starts`: seconds."""
    rows = Rows(tests, peers, starts)
    parts = rows.decode, rows.batches, rows.prompts, rows.requests, rows.host, rows.start
    return dict(read_bandwidth=rows.bandwidth, rows=[found for part in parts for found in part()])


def number(value):
    return "" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def table(results):
    lines = ["| what | Sinter | floor | × floor | vLLM | × vLLM | bar |", "|---|---|---|---|---|---|---|"]
    for r in results["rows"]:
        verdict = ""
        if r["bar"] is not None:
            verdict = f"{'≥' if r['unit'] == 'tokens/s' else '≤'} {number(r['bar'])}: {'met' if r['met'] else 'missed'}"
        if r.get("stretch_met"):
            verdict += f", stretch {number(r['stretch'])} met"
        ratios = [f"{r[key]:.2f}" if key in r else "" for key in ("of_floor", "of_peer")]
        lines.append(f"| {r['what']} | {number(r['ours'])} {r['unit']} | {number(r['floor'])} | {ratios[0]} | "
                     f"{number(r['peer'])} | {ratios[1]} | {verdict} |")
    bandwidth = f"{results['read_bandwidth'] / 1e12:.2f} TB/s" if results["read_bandwidth"] else "unknown"
    peer = f" The peer: {results['peer']}." if "peer" in results else ""
    return (f"{results['device']}, driver {results['driver']}, {results['date'][:10]}, commit {results['commit']}; "
            f"read bandwidth {bandwidth}, of the same run. The floor is the weights and the KV cache that a "
            "step reads over that; × vLLM is how many times faster." + peer + "\n\n" + "\n".join(lines))


def fill(readme, results):
    text = readme.read_text()
    begin, end = (text.find(mark) for mark in MARKS)
    if begin < 0 or end < begin:
        raise SystemExit(f"{readme}: expected the lines {MARKS[0]} and {MARKS[1]}")
    readme.write_text(text[:begin] + MARKS[0] + "\n" + table(results) + "\n" + text[end:])


def main():
    results = json.loads(Path(sys.argv[1]).read_text())
    if len(sys.argv) > 2:
        fill(Path(sys.argv[2]), results)
    else:
        print(table(results))


if __name__ == "__main__":
    main()
