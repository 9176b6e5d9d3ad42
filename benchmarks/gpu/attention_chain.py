#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What decode attention adds to a step: 36 layers of the qkv matmul, attention and its output projection in one graph,
less the same graph without attention. How much of a launch hides behind its neighbours depends on what shared memory
and registers they leave, so a launch between kernels that only wait says little.

    benchmarks/gpu/attention_chain.py [--model qwen3-0.6b] [--steps 1x1043,100+3000+64] [--knobs '[{"perSm": 1}]']

Weights, keys and values are of other addresses in every layer and exceed L2 several times. Beside the time stands the
share of --peak that reading the keys and values in it makes.
"""
import argparse
import json
import os
import sys
from dataclasses import replace

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "gpu"))
import matmul
import matvec
import work
from attention_decode import BLOCK, Config, load
from driver import Gpu
from harness import compile_all, micros, np, to_bf16

LAYERS = 36
WEIGHTS, POOL = 512 << 20, 2 << 30  # bytes that layers rotate over
STEPS = "1x1043,1x4096,1x32768,2x1043,4x1043,8x1043,16x1043,32x1043,64x1043,128x1043,256x1043,512x192"


def step_lengths(text):
    """8x1043: eight sequences of 1,043 tokens; 100+3000: one of each."""
    if "x" in text:
        count, length = map(int, text.split("x"))
        return [length] * count
    return list(map(int, text.split("+")))


def most_sequences(rows):
    """That attention is compiled for in steps of up to `rows` rows."""
    return max(8, 1 << (rows - 1).bit_length())


class Neighbours:
    """The configurations of a model's two matmuls at attention, for steps of `tokens` rows: up to 256 they norm."""

    def __init__(self, model, tokens):
        kind = matvec if tokens <= 16 else matmul
        squares = dict(squares=tokens <= 256) if kind is matmul else {}
        self.qkv = kind.Config(n=model.query + 2 * model.key, k=model.hidden, tokens=tokens, norm=tokens <= 256)
        self.out = kind.Config(n=model.hidden, k=model.query, tokens=tokens, epilogue="Residual", **squares)


class Bed:
    def __init__(self, model, images):
        self.model, self.images, self.gpu = model, images, Gpu()
        self.noise = to_bf16(np.random.default_rng(1).uniform(-0.02, 0.02, 1 << 24).astype(np.float32))
        self.pool = self.gpu.alloc_filled(POOL, self.noise)
        self.weights = self.gpu.alloc_filled(WEIGHTS, self.noise)

    def matmul(self, config, x, y, residual, squares, step):
        """A function that launches it for a layer."""
        size = config.n * config.k * 2
        copies = WEIGHTS // size

        def weight(layer):
            return self.weights + layer % copies * size
        if isinstance(config, matvec.Config):
            kernel = matvec.load(self.gpu, self.images[config.source()])
            return lambda layer: kernel.launch([weight(layer), x, y, 0, 0, 0, residual, 0], True, step)
        kernel = matmul.Matmul(self.gpu, self.images[config.source()])
        x_map, maps = kernel.tensor_map(0, x), [kernel.tensor_map(1, weight(i)) for i in range(copies)]
        return lambda layer: kernel.launch(matmul.args_of(weight=weight(layer), x=x, y=y, squares=squares,
                                                          residual=residual, x_map=x_map,
                                                          weight_map=maps[layer % copies]), True, step)

    def step(self, lengths):
        """The arrays of a step, its block table shuffled, and how many blocks of the cache it has."""
        blocks = [-(-n // BLOCK) for n in lengths]
        ids = np.random.default_rng(2).permutation(sum(blocks)).astype(np.int32)
        table = np.zeros((len(lengths), max(blocks)), np.int32)
        for row, part in zip(table, np.split(ids, np.cumsum(blocks)[:-1])):
            row[:len(part)] = part
        positions = np.array(lengths, np.int32) - 1
        slots = table[np.arange(len(lengths)), positions // BLOCK] * BLOCK + positions % BLOCK
        return self.gpu.step(table.shape[1], counts=np.array([len(lengths), len(lengths), 0], np.int32),
                             positions=positions, slots=slots.astype(np.int32),
                             queryStart=np.arange(len(lengths) + 1, dtype=np.int32),
                             contextLengths=np.resize(positions + 1, most_sequences(len(lengths))),
                             blockTable=table), sum(blocks)

    def run(self, lengths, configs, peak):
        gpu, model, tokens = self.gpu, self.model, len(lengths)
        near = Neighbours(model, tokens)
        step, blocks = self.step(lengths)
        token_bytes = 4 * model.key
        size, read = blocks * BLOCK * token_bytes, sum(lengths) * token_bytes
        x, y = (gpu.upload(self.noise[:tokens * model.hidden]) for _ in range(2))
        qkv, attended = gpu.alloc(tokens * near.qkv.n * 2), gpu.upload(self.noise[:tokens * model.query])
        table, norm = (gpu.upload(np.ones(n, np.float32)) for n in (max(lengths) * configs[0].headDim, 128))
        squares = gpu.upload(np.full(-(-tokens // 32) * 32 * model.hidden // 64, 64 / 3, np.float32))
        first = self.matmul(near.qkv, x, qkv, 0, squares, step)
        last = self.matmul(near.out, attended, y, y, squares, step)
        base = micros(gpu, lambda: [launch(layer) for layer in range(LAYERS) for launch in (first, last)], LAYERS)
        line = f"{tokens:4} sequences, {sum(lengths):7} tokens, matmuls {base:6.2f} us"
        for config in configs:
            kernel = load(gpu, self.images[config.source("sm_90a")])
            counters = gpu.upload(np.zeros(kernel.counters, np.uint32))

            def attend(layer):
                cache = self.pool + layer % max(1, POOL // size) * size
                kernel.launch([qkv, table, norm, norm, cache, attended, counters], True, step)
            time = micros(gpu, lambda: [launch(layer) for layer in range(LAYERS) for launch in (first, attend, last)],
                          LAYERS) - base
            line += f"   adds {time:7.2f} us {read / time / 1e6 / peak:6.1%}"
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=work.MAIN)
    parser.add_argument("--steps", default=STEPS)
    parser.add_argument("--knobs", default="[]", help="other ways to run: fields of AttentionDecodeConfig")
    parser.add_argument("--peak", type=float, default=4.54, help="read bandwidth in TB/s")
    parser.add_argument("--compile-only", action="store_true", help="needs no GPU")
    options = parser.parse_args()
    model, steps = work.model(options.model), list(map(step_lengths, options.steps.split(",")))

    found = work.config(options.model)
    heads, norm = found["num_attention_heads"], found["model_type"].startswith("qwen3")

    def configs(tokens):
        plain = Config(heads, found["num_key_value_heads"], model.query // heads, norm=norm,
                       maxSequences=most_sequences(tokens), bulk=True)
        return [plain] + [replace(plain, **knobs) for knobs in json.loads(options.knobs)]
    sources = {c.source("sm_90a") for lengths in steps for c in configs(len(lengths))}
    for near in (Neighbours(model, len(lengths)) for lengths in steps):
        sources |= {near.qkv.source(), near.out.source()}
    images = compile_all({source: source for source in sources}, os.cpu_count())
    if options.compile_only:
        return
    bed = Bed(model, images)
    for lengths in steps:
        bed.run(lengths, configs(len(lengths)), options.peak)


if __name__ == "__main__":
    main()
