# SPDX-License-Identifier: Apache-2.0
"""The rows of a comparison as Markdown tables.

    report.py RESULTS.json            prints the tables
    report.py RESULTS.json README.md  writes them between the lines `<!-- gpu: begin -->` and `<!-- gpu: end -->`
"""
import json
import sys
from pathlib import Path

import work

MARKS = "<!-- gpu: begin -->", "<!-- gpu: end -->"


def number(value):
    return "" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def measured(value):
    """Three digits, zeros included."""
    return number(value) if value is None or value >= 100 else f"{value:#.3g}"


def verdict(r, percent=False):
    """The bar, and whether it was met; nothing where there is none."""
    if r.get("bar") is None:
        return ""
    least = r.get("unit") not in ("ms", "ms a step", "us", "s")
    bar = f"{r['bar']:.0%}" if percent else number(r["bar"])
    stretch = f", stretch {number(r['stretch'])} met" if r.get("stretch_met") else ""
    return f"{'≥' if least else '≤'} {bar}: {'met' if r['met'] else 'missed'}{stretch}"


def ratio(r, key):
    return f"{r[key]:.2f}" if key in r else ""


def table(head, lines):
    rows = [f"| {' | '.join(line)} |" for line in [head, *lines]]
    return "\n".join([rows[0], "|" + "---|" * len(head), *rows[1:]])


def steps_table(rows):
    return table(["what", "Sinter", "floor", "× floor", "vLLM", "× vLLM", "bar"],
                 [[r["what"], f"{measured(r['ours'])} {r['unit']}", measured(r["floor"]),
                   ratio(r, "of_floor"), measured(r["peer"]), ratio(r, "of_peer"), verdict(r)] for r in rows])


def matmul_table(rows):
    names, lines = list(dict.fromkeys(r["matmul"] for r in rows)), []
    for tokens in dict.fromkeys(r["tokens"] for r in rows):
        found = {r["matmul"]: r for r in rows if r["tokens"] == tokens}
        met = sum(r["met"] for r in found.values())
        lines.append([f"{tokens:,}", *(ratio(found.get(name, {}), "of_cublas") for name in names),
                      f"≥ {work.matmul_bar(tokens)}: {met} of {len(found)} met"])
    return table([f"matmuls of {work.MODELS[work.MAIN]}'s layer, × cuBLAS; tokens", *names, "bar"], lines)


def attention_table(rows):
    lines = []
    for r in rows:
        prompt = r["what"] == "prompt"
        what = f"prompt of {r['tokens']:,}" if prompt else f"step of {r['sequences']} × {r['context']:,}"
        rate = f"{r['tflops']:.0f} TFLOP/s" if prompt else f"{r['of_bandwidth']:.0%} of read bandwidth"
        lines.append([what, f"{measured(r['us'])} us", rate, measured(r.get("us_other")), ratio(r, "of_other"),
                      verdict(r, percent=not prompt)])
    # Without the peer prompts stand beside torch, and steps beside nothing.
    other = "FlashAttention-3" if any("us_other" in r for r in rows if r["what"] == "step") else "torch"
    return table(["attention, 32 heads and 8 KV heads of 128", "Sinter", "rate", f"{other}, us", f"× {other}", "bar"],
                 lines)


def tables(results):
    bandwidth = f"{results['read_bandwidth'] / 1e12:.2f} TB/s" if results["read_bandwidth"] else "unknown"
    versions = {values["version 0"] for values in results.get("peers", {}).values() if "version 0" in values}
    peer = f" vLLM is {', '.join(sorted(versions))}, measured beside ours." if versions else ""
    about = (f"{results['device']}, driver {results['driver']}, {results['date'][:10]}, commit {results['commit']}; read "
             f"bandwidth {bandwidth}, of the same run. The floor is the weights and the KV cache that a step reads over "
             f"that; × is how many times faster ours is.{peer}")
    parts = [about, steps_table(results["rows"])]
    if results.get("matmul"):
        parts.append(matmul_table(results["matmul"]))
    if results.get("attention"):
        parts.append(attention_table(results["attention"]))
    return "\n\n".join(parts)


def fill(readme, results):
    text = readme.read_text()
    begin, end = (text.find(mark) for mark in MARKS)
    if begin < 0 or end < begin:
        raise SystemExit(f"{readme}: expected the lines {MARKS[0]} and {MARKS[1]}")
    readme.write_text(text[:begin] + MARKS[0] + "\n" + tables(results) + "\n" + text[end:])


def main():
    results = json.loads(Path(sys.argv[1]).read_text())
    if len(sys.argv) > 2:
        fill(Path(sys.argv[2]), results)
    else:
        print(tables(results))


if __name__ == "__main__":
    main()
