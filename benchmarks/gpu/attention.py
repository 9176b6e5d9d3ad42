#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Attention beside FlashAttention: one sequence's prompt, and steps of one token a sequence, 32 heads and 8 KV heads of
128, on random queries, keys and values.

    benchmarks/gpu/attention.py [--fa3 RESULTS.json] [--compile-only]

Graphs of launches over caches that together exceed L2 several times; microseconds a launch, medians. Without RESULTS
(what fa3.py of the peer has measured on the same machine) prompts stand beside torch's scaled_dot_product_attention,
keys and values repeated beforehand, and steps beside the read bandwidth alone, which is measured here. Writes
benchmarks/results/gpu-attention-DATE.json.
"""
import argparse
import datetime
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "gpu"))
import attention_decode as decode
import attention_prefill_test as prefill
import harness
from harness import np
from driver import Gpu, Kernel, emit

HEADS, KV_HEADS, DIM, BLOCK = 32, 8, 128, 64
PROMPTS = (512, 2048, 8192)
STEPS = ((64, 4096), (64, 1024), (1, 1024), (256, 1024))
PROMPT_BARS = {8192: 400}  # TFLOP/s
STEP_BARS = {(64, 4096): 0.90, (64, 1024): 0.80}  # of the read bandwidth
POOL = 2 << 30  # bytes of keys and values that launches rotate over


def decode_source():
    """As codegen has it for 256 sequences at most, where keys and values are in the cache already."""
    return decode.Config(HEADS, KV_HEADS, DIM, fused=False, norm=False, maxSequences=256, bulk=True).source("sm_90a")


def compile_all():
    sources = {"read": emit("read_bandwidth.cuh", "ReadBandwidthConfig{.sms = 132}", "readBandwidth", 3),
               "prompt": prefill.Shape(HEADS, KV_HEADS, DIM).source("wgmma"), "step": decode_source()}
    images = harness.compile_all(sources, os.cpu_count())
    for name, image in images.items():
        if image.spilled():
            raise SystemExit(f"{name}: spills registers")
    return images


class Bench:
    def __init__(self, images):
        self.gpu = Gpu()
        self.images = images
        rng = np.random.default_rng(1)
        self.noise = harness.to_bf16(rng.standard_normal(1 << 24, np.float32))
        self.pool = self.gpu.alloc_filled(POOL, self.noise)

    def micros(self, work, launches):
        """Of a launch in the graph that work() makes."""
        return harness.micros(self.gpu, work, launches)

    def bandwidth(self):
        """Bytes a second."""
        kernel, scratch = Kernel(self.gpu, self.images["read"].image, emitted=True), self.gpu.alloc(16)
        return POOL / self.micros(lambda: kernel.launch([self.pool, self.pool + POOL, scratch]), 1) * 1e6

    def rotate(self, layer, size):
        """Where the cache of a launch lies: as many of `size` bytes as the pool has, in turns."""
        return self.pool + layer % max(1, POOL // size) * size

    def prompt(self, tokens):
        kernel, size = Kernel(self.gpu, self.images["prompt"].image, emitted=True), tokens * KV_HEADS * DIM * 4
        blocks = tokens // BLOCK
        table = np.random.default_rng(2).permutation(blocks).astype(np.int32).reshape(1, -1)
        step = self.gpu.step(blocks, counts=np.array([tokens, 1, 0], np.int32),
                             queryStart=np.array([0, tokens], np.int32), contextLengths=np.array([tokens], np.int32),
                             blockTable=table)
        q = self.gpu.upload(np.resize(self.noise, tokens * HEADS * DIM))
        out, launches = self.gpu.alloc(tokens * HEADS * DIM * 2), 16

        def work():
            for i in range(launches):
                kernel.launch([q, self.rotate(i, size), out], i > 0, step)
        return self.micros(work, launches)

    def step(self, sequences, context):
        kernel = decode.load(self.gpu, self.images["step"])
        size = sequences * context * KV_HEADS * DIM * 4
        blocks = sequences * context // BLOCK
        table = np.random.default_rng(2).permutation(blocks).astype(np.int32).reshape(sequences, -1)
        positions = np.full(sequences, context - 1, np.int32)
        step = self.gpu.step(table.shape[1], counts=np.array([sequences, sequences, 0], np.int32), positions=positions,
                             slots=table[:, -1] * BLOCK + BLOCK - 1,
                             queryStart=np.arange(sequences + 1, dtype=np.int32), contextLengths=positions + 1,
                             blockTable=table)
        q = self.gpu.upload(self.noise[:sequences * HEADS * DIM])
        out = self.gpu.alloc(sequences * HEADS * DIM * 2)
        counters = self.gpu.upload(np.zeros(kernel.counters, np.uint32))
        launches = max(4, min(64, POOL // size))

        def work():
            for i in range(launches):
                kernel.launch([q, 0, 0, 0, self.rotate(i, size), out, counters], i > 0, step)
        return self.micros(work, launches), size


def fa3_of(path):
    """What the peer's fa3.py has measured: microseconds by tokens, and by sequences and context, its best setting."""
    found, prompts, steps = json.loads(path.read_text()), {}, {}
    for r in found["prefill"]:
        prompts[r["S"]] = min(r["us"], prompts.get(r["S"], r["us"]))
    for r in found["decode"]:
        key = r["B"], r["ctx"]
        steps[key] = min(r["cold_us"], steps.get(key, r["cold_us"]))
    return prompts, steps


def torch_prompts():
    """The better of torch's backends."""
    shape = prefill.Shape(HEADS, KV_HEADS, DIM)
    return {tokens: min(times.values()) * 1e3 for tokens in PROMPTS if (times := prefill.torch_times(tokens, shape))}


def rated(row, ours, other, bar):
    if other:
        row |= dict(us_other=other, of_other=other / row["us"])
    if bar:
        row |= dict(bar=bar, met=ours >= bar)
    print("  ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)
    return row


def measure(bench, prompts, steps):
    bandwidth = bench.bandwidth()
    print(f"{bench.gpu.name}: reads {bandwidth / 1e12:.2f} TB/s", flush=True)
    rows = []
    for tokens in PROMPTS:
        us = bench.prompt(tokens)
        rate = 2 * tokens ** 2 * DIM * HEADS / us / 1e6
        rows.append(rated(dict(what="prompt", tokens=tokens, us=us, tflops=rate), rate, prompts.get(tokens),
                          PROMPT_BARS.get(tokens)))
    for sequences, context in STEPS:
        us, size = bench.step(sequences, context)
        share = size / us * 1e6 / bandwidth
        rows.append(rated(dict(what="step", sequences=sequences, context=context, us=us, of_bandwidth=share), share,
                          steps.get((sequences, context)), STEP_BARS.get((sequences, context))))
    return bandwidth, rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fa3", type=Path, help="JSON of the peer's fa3.py")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--compile-only", action="store_true", help="needs no GPU")
    options = parser.parse_args()
    images = compile_all()
    if options.compile_only:
        return
    other = "FlashAttention-3" if options.fa3 else "torch scaled_dot_product_attention"
    # torch first: it makes the context that we share.
    prompts, steps = fa3_of(options.fa3) if options.fa3 else (torch_prompts(), {})
    bench = Bench(images)
    bandwidth, rows = measure(bench, prompts, steps)
    date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    output = options.output or ROOT / f"benchmarks/results/gpu-attention-{date[:10]}.json"
    output.write_text(json.dumps(dict(date=date, device=bench.gpu.name, read_bandwidth=bandwidth, other=other,
                                      heads=HEADS, kv_heads=KV_HEADS, head_dim=DIM, rows=rows), indent=1) + "\n")


if __name__ == "__main__":
    main()
