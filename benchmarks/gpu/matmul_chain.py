# SPDX-License-Identifier: Apache-2.0
"""The matmuls of a transformer's layers as a decode step runs them, each after the one before: microseconds a layer.

Graphs of launches of qkv, o, gate-up and down over the weights of several layers, attention left out, launch after
launch and by programmatic launch.
"""
import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "gpu"))
from harness import compile_all
from matmul import Config, Matmul, args_of
from matmul_bed import MatmulBed
from matmul_bench import MODEL, SHAPES

FLOW = {"qkv": ("x", "qkv"), "o": ("attention", "x"), "gate-up": ("x", "inner"), "down": ("inner", "x")}


def config_of(name, tokens, knobs):
    """A matmul of a chain. As compiled, up to 64 rows are normed by matmuls, and more beforehand, which is left out."""
    own = dict(norm=True) if name in ("qkv", "gate-up") else dict(squares=True)
    own = own if tokens <= 64 else {}
    return Config(tokens=tokens, **SHAPES[name], **own | knobs.get("all", {}) | knobs.get(name, {}))


class Chain(MatmulBed):
    warm_ups = 1

    def __init__(self, options):
        super().__init__(options)
        self.weights = {name: [self.random(Config(tokens=64, **shape).weight_elements()) for _ in range(options.layers)]
                        for name, shape in SHAPES.items()}

    def buffers(self, tokens):
        widths = {"x": MODEL.hidden, "qkv": SHAPES["qkv"]["n"], "attention": MODEL.query, "inner": MODEL.inner}
        return {name: self.random(tokens, width, scale=1) for name, width in widths.items()}

    def time(self, kernels, tokens, overlap):
        from driver import CudaStep
        data = self.buffers(tokens)
        squares = self.torch.full((tokens, MODEL.hidden // 64), 64 / 3, dtype=self.torch.float32, device="cuda")
        counts = self.torch.full((3,), tokens, dtype=self.torch.int32, device="cuda")
        step, launches, maps = CudaStep(counts=counts.data_ptr()), [], []
        for layer in range(self.options.layers):
            for name, kernel in kernels.items():
                source, target = (data[part].data_ptr() for part in FLOW[name])
                maps += [kernel.tensor_map(0, source), kernel.tensor_map(1, self.weights[name][layer].data_ptr())]
                launches.append((kernel, args_of(x=source, y=target, residual=target, squares=squares.data_ptr(),
                                                 x_map=maps[-2], weight_map=maps[-1])))
        self.torch.cuda.synchronize()

        def work():
            for kernel, arguments in launches:
                kernel.launch(arguments, overlap, step)
        time = self.median(self.gpu.graph(work)) / self.options.layers * 1e3
        for address in maps:
            self.gpu.free(address)
        return time


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", default="32,64,128,256")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--knobs", default="[{}]",
                        help="""ways to run, JSON: [{"tokens": [64], "o": {"split": 4}, "all": {"stages": 4}}]""")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--compile-only", action="store_true", help="needs no GPU")
    options = parser.parse_args()
    todo = []
    for tokens in map(int, options.tokens.split(",")):
        for knobs in json.loads(options.knobs):
            if tokens in knobs.get("tokens", [tokens]):
                todo.append((tokens, knobs, {name: config_of(name, tokens, knobs) for name in SHAPES}))
    compiled = compile_all({c: c.source() for _, _, configs in todo for c in configs.values()}, options.jobs, skip=True)
    if options.compile_only:
        print(len(compiled), sum(1 for _, _, cs in todo for c in cs.values() if c not in compiled))
        return
    chain = Chain(options)
    print(f"{chain.gpu.name}\ntokens  us a layer, overlap")
    for tokens, knobs, configs in todo:
        if any(c not in compiled for c in configs.values()):
            print(tokens, "does not fit", knobs)
            continue
        kernels = {name: Matmul(chain.gpu, compiled[c]) for name, c in configs.items()}
        times = [chain.time(kernels, tokens, overlap) for overlap in (False, True)]
        shapes = " ".join(f"{'x'.join(map(str, k.tile.values()))}" for k in kernels.values())
        print(f"{tokens:6}{times[0]:8.2f}{times[1]:8.2f}  {shapes} {json.dumps(knobs)}", flush=True)
        for kernel in kernels.values():
            kernel.unload()


if __name__ == "__main__":
    main()
