# SPDX-License-Identifier: Apache-2.0
"""From measurements to the tables: medians, ratios against the better of the others, shares of what the machine
allows."""
import statistics

BARS = dict(prompt=1.3, generate=1.15)  # times the better of the others
BANDWIDTH_BAR = 0.85  # of the read bandwidth: enough for generation, where that comes first


def best_settings(samples):
    """`samples`: (engine, setting) -> list of measurements. Engine -> the median of its best setting for each kind of
    work, and the peak memory of that setting."""
    engines = {}
    for (engine, setting), runs in samples.items():
        mine = engines.setdefault(engine, {})
        for kind in ("prompt", "generate"):
            speed = statistics.median(s for run in runs for s in run[kind])
            if speed > mine.get(kind, {}).get("speed", 0):
                mine[kind] = dict(speed=speed, setting=setting, memory=max(run["memory"] for run in runs))
    return engines


def ceilings(fmt, cost, peaks):
    """Tokens a second that the machine allows: the instruction peak for prompts (bf16's own for BF16 files), the read
    bandwidth for generation."""
    peak = peaks["vdpbf16ps"] if fmt == "BF16" else peaks["vpdpbusd"]
    return dict(prompt=(peak or peaks["fma"]) / cost["operations"], generate=peaks["read"] / cost["bytes"])


def summarize(fmt, engines, ceiling):
    """One row for each kind of work."""
    rows = []
    for kind in ("prompt", "generate"):
        ours = engines["sinter"][kind]
        others = {name: e[kind] for name, e in engines.items() if name != "sinter"}
        row = dict(format=fmt, work=kind, ceiling=ceiling[kind], share=ours["speed"] / ceiling[kind],
                   speed={n: e[kind]["speed"] for n, e in engines.items()},
                   setting={n: e[kind]["setting"] for n, e in engines.items()},
                   memory={n: e[kind]["memory"] for n, e in engines.items()})
        if others:
            row["ratio"] = ours["speed"] / max(o["speed"] for o in others.values())
            row["leaner"] = ours["memory"] <= min(o["memory"] for o in others.values())
            row["met"] = row["ratio"] >= BARS[kind] or (kind == "generate" and row["share"] >= BANDWIDTH_BAR)
        rows.append(row)
    return rows


def table(rows, work):
    """A Markdown table: tokens a second with the share of the ceiling, and peak MiB, of every engine."""
    engines = list(rows[0]["speed"])
    head = ["format", "work", *engines, "ratio", "bar", "ceiling", *(f"{e} MiB" for e in engines)]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        what = f"prompt {work.prompt}" if row["work"] == "prompt" else f"generate {work.generate}"
        speeds = [f"{s:,.0f} ({100 * s / row['ceiling']:.0f} %)" for s in row["speed"].values()]
        ratio = f"{row['ratio']:.2f}×" if "ratio" in row else "-"
        bar = ("met" if row["met"] else "missed") if "met" in row else "-"
        lines.append([row["format"], what, *speeds, ratio, bar, f"{row['ceiling']:,.0f}",
                      *(f"{m / 2**20:.0f}" for m in row["memory"].values())])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
