#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The resident decode step against float32: four layers of real shapes, contexts around the borders of blocks, the same
bits when a step is repeated. --time: milliseconds of a step at full size with a context of 1,024 tokens."""
import sys
from dataclasses import replace

from decode_step import SHAPES, Model, Step, load
from harness import Suite, arguments

POSITIONS = (1024, 0, 1, 15, 16, 62, 63, 64, 65, 100, 511, 1023, 1024, 1025, 1087, 1088, 2047, 2500, 1024)


def check(torch, gpu, kernel, name, shape, suite):
    model = Model(torch, shape, max(POSITIONS) + 100, True)
    step = Step(gpu, kernel, model)
    for position in POSITIONS:
        token = 17 * position % shape.vocab
        want, found, again = model.reference(token, position), step.run(token, position), step.run(token, position)
        wrong = float((found - want).norm() / want.norm())
        problem = f"off by {wrong:.4f}" if not wrong < 0.02 else None
        if not torch.equal(found, again):
            problem = "other bits the second time"
        suite.report(f"{name} at {position}", problem)
    print(f"{name}: off by {wrong:.4f}", flush=True)


def time(torch, gpu, kernel, name, shape, steps=10):
    model = Model(torch, shape, 1100, False)
    step = Step(gpu, kernel, model)
    device = step.at(7, 1024)
    graph = gpu.graph(lambda: [kernel.launch(step.arguments, True, device) for _ in range(steps)])
    gpu.time(graph, 3)
    print(f"{name}: {sorted(gpu.time(graph, 9))[4] / steps:.4f} ms, {kernel.slots} slots", flush=True)


def main():
    parser = arguments(__doc__)
    parser.add_argument("--time", action="store_true")
    options = parser.parse_args()
    shapes = SHAPES if options.time else {name: replace(s, layers=4, vocab=4112) for name, s in SHAPES.items()}
    suite = Suite(options, {name: s.source() for name, s in shapes.items()})
    if options.compile_only:
        return suite.finish()
    import torch
    gpu, _ = suite.start(torch)
    for name, shape in shapes.items():
        kernel = load(gpu, suite.compiled[name])
        if options.time:
            time(torch, gpu, kernel, name, shape)
        else:
            check(torch, gpu, kernel, name, shape, suite)
        kernel.unload()
        torch.cuda.empty_cache()
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
