#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The resident decode step against float32: four layers of real shapes, contexts around the borders of blocks, the same
bits when a step is repeated; and a step of which one block does not run, which has to fail. --time: milliseconds of a
step at full size with a context of 1,024 tokens."""
import subprocess
import sys
import time as clock
from dataclasses import replace

from decode_step import SHAPES, Model, Shape, Step, load
from harness import Suite, arguments

POSITIONS = (1024, 0, 1, 15, 16, 62, 63, 64, 65, 100, 511, 1023, 1024, 1025, 1087, 1088, 2047, 2500, 5000, 1024)
# Few blocks, as a tool that follows every access can have at once in seconds; uneven shares of everything.
SMALL = {
    "8 blocks": Shape(4, 512, 512, 4, 2, 128, 64, True, 128 ** -0.5, sms=8),
    "7 blocks": Shape(4, 512, 1024, 8, 2, 64, 64, False, 64 ** -0.5, eps=1e-5, sms=7),
}
SMALL_POSITIONS = (63, 64)
WITHHELD = "8 blocks"
LAUNCH_FAILED = "cuStreamSynchronize: unspecified launch failure"
PATIENCE = 20  # seconds in which a step must have given up


def check(torch, gpu, kernel, name, shape, suite, positions, device, twice=True):
    model = Model(torch, shape, max(positions) + 100, True, device)
    step = Step(gpu, kernel, model)
    for position in positions:
        token = 17 * position % shape.vocab
        want, found = model.reference(token, position), step.run(token, position)
        wrong = float((found - want).norm() / want.norm())
        problem = f"off by {wrong:.4f}" if not wrong < 0.02 else None
        if twice and not torch.equal(found, step.run(token, position)):
            problem = "other bits the second time"
        suite.report(f"{name} at {position}", problem)
    print(f"{name}: off by {wrong:.4f}", flush=True)


def withhold(torch, gpu, kernel, name, shape):
    """Runs a step without its last block, which ends this process' use of the GPU: prints what the driver says."""
    step = Step(gpu, kernel, Model(torch, shape, 100, False, "cpu"))
    grid, block, shared = kernel.shape
    kernel.prepare(grid - 1, block, shared)
    start = clock.monotonic()
    try:
        step.run(7, 64)
        said = "nothing"
    except RuntimeError as error:
        said = str(error)
    print(f"{name}, one withheld: {said}, after {clock.monotonic() - start:.2f} s", flush=True)


def check_withheld(suite):
    """In a process of its own, for no other call of one whose kernel has trapped succeeds."""
    try:
        child = subprocess.run([sys.executable, __file__, "--withhold"], capture_output=True, text=True,
                               timeout=PATIENCE + 30)
        said = (child.stdout + child.stderr).strip().splitlines()[-1]
    except subprocess.TimeoutExpired:
        said = "it waits on"
    print(said, flush=True)
    suite.report("a withheld block", None if LAUNCH_FAILED in said else said)


def time(torch, gpu, kernel, name, shape, steps=10):
    model = Model(torch, shape, 1100, False)
    step = Step(gpu, kernel, model)
    device = step.at(7, 1024)
    graph = gpu.graph(lambda: [kernel.launch(step.arguments, True, device) for _ in range(steps)])
    gpu.time(graph, 3)
    print(f"{name}: {sorted(gpu.time(graph, 9))[4] / steps:.4f} ms, {kernel.slots} slots", flush=True)


def chosen(options):
    if options.withhold:
        return {WITHHELD: SMALL[WITHHELD]}
    if options.small:
        return SMALL
    return SHAPES if options.time else SMALL | {n: replace(s, layers=4, vocab=4112) for n, s in SHAPES.items()}


def main():
    parser = arguments(__doc__, small="two small shapes")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--withhold", action="store_true", help="a step that fails")
    options = parser.parse_args()
    shapes = chosen(options)
    suite = Suite(options, {name: s.source() for name, s in shapes.items()})
    if options.compile_only:
        return suite.finish()
    import torch
    alone = options.small or options.withhold  # torch makes no kernels run: they would be followed too
    gpu, seed = suite.start(None if alone else torch)
    torch.manual_seed(seed)
    for name, shape in shapes.items():
        kernel = load(gpu, suite.compiled[name])
        if options.withhold:
            withhold(torch, gpu, kernel, name, shape)
            return 0
        if options.time:
            time(torch, gpu, kernel, name, shape)
        elif name in SMALL:
            check(torch, gpu, kernel, name, shape, suite, SMALL_POSITIONS, "cpu", not options.small)
        else:
            check(torch, gpu, kernel, name, shape, suite, POSITIONS, "cuda")
        kernel.unload()
        if not alone:
            torch.cuda.empty_cache()
    if not (alone or options.time):
        check_withheld(suite)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
