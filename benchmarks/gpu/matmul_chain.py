# SPDX-License-Identifier: Apache-2.0
"""The matmuls of a transformer's layers as a decode step runs them, each after the one before: microseconds a layer.

Graphs of launches of qkv, o, gate-up and down over the weights of several layers, attention left out, launch after
launch and by programmatic launch. What x is normed by: the matmuls themselves, a launch before qkv and before gate-up,
or nothing, which is wrong but says what norms cost. The residual is the same for all layers, so that x stays in bounds
without norms too: products of numbers that are not finite take less power, and are faster.
"""
import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "gpu"))
from driver import CudaStep, Kernel, emit
from harness import compile_all, initializer
from matmul import Config, Matmul, args_of
from matmul_bed import MatmulBed
from matmul_bench import MODEL, SHAPES

FLOW = {"qkv": ("x", "qkv"), "o": ("attention", "x"), "gate-up": ("x", "inner"), "down": ("inner", "x")}
NORMED = "qkv", "gate-up"  # by the others' squares


def config_of(name, tokens, norms, knobs):
    """A matmul of a chain."""
    own = {} if norms != "matmul" else dict(norm=True) if name in NORMED else dict(squares=True)
    return Config(tokens=tokens, **SHAPES[name], **own | knobs.get("all", {}) | knobs.get(name, {}))


def norm_source(tokens):
    """A launch that norms, for as many rows as the compiler makes it for."""
    config = initializer("RmsNormConfig", hidden=MODEL.hidden, weighted=False, maxRows=256 if tokens <= 256 else 8192)
    return emit("norm.cuh", config, "rmsNorm", 3)


class Chain(MatmulBed):
    warm_ups = 1

    def __init__(self, options):
        super().__init__(options)
        self.weights = {name: [self.random(Config(tokens=64, **shape).weight_elements()) for _ in range(options.layers)]
                        for name, shape in SHAPES.items()}

    def buffers(self, tokens):
        widths = {"x": MODEL.hidden, "qkv": SHAPES["qkv"]["n"], "attention": MODEL.query, "inner": MODEL.inner,
                  "normed": MODEL.hidden, "residual": MODEL.hidden}
        return {name: self.random(tokens, width, scale=1) for name, width in widths.items()}

    def launches(self, kernels, norm, data, squares, maps):
        """(kernel, arguments) of all layers. `norm`: a kernel that norms, or None; `maps` grows by tensor maps."""
        launches = []
        for layer in range(self.options.layers):
            for name, kernel in kernels.items():
                source, target = (data[part].data_ptr() for part in FLOW[name])
                if norm and name in NORMED:
                    launches.append((norm, [source, 0, data["normed"].data_ptr()]))
                    source = data["normed"].data_ptr()
                maps += [kernel.tensor_map(0, source), kernel.tensor_map(1, self.weights[name][layer].data_ptr())]
                launches.append((kernel, args_of(x=source, y=target, residual=data["residual"].data_ptr(),
                                                 squares=squares.data_ptr(), x_map=maps[-2], weight_map=maps[-1])))
        return launches

    def time(self, kernels, norm, tokens, overlap):
        torch, maps = self.torch, []
        squares = torch.full((-(-tokens // 32), MODEL.hidden // 64, 32), 64 / 3, device="cuda")
        counts = torch.full((3,), tokens, dtype=torch.int32, device="cuda")
        data, step = self.buffers(tokens), CudaStep(counts=counts.data_ptr())
        launches = self.launches(kernels, norm, data, squares, maps)
        torch.cuda.synchronize()

        def work():
            for kernel, arguments in launches:
                kernel.launch(arguments, overlap, step)
        time = self.median(self.gpu.graph(work)) / self.options.layers * 1e3
        for address in maps:
            self.gpu.free(address)
        return time


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", default="32,64,128,256")
    parser.add_argument("--norms", default="matmul", help="of matmul, launch, none, those to compare")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--knobs", default="[{}]",
                        help="""ways to run, JSON: [{"tokens": [64], "o": {"split": 4}, "all": {"stages": 4}}]""")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--compile-only", action="store_true", help="needs no GPU")
    return parser.parse_args()


def cases(options):
    """(rows, what norms, knobs, configurations by name)"""
    for tokens in map(int, options.tokens.split(",")):
        for knobs in json.loads(options.knobs):
            if tokens in knobs.get("tokens", [tokens]):
                for norms in options.norms.split(","):
                    yield tokens, norms, knobs, {name: config_of(name, tokens, norms, knobs) for name in SHAPES}


def main():
    options = parse()
    todo = list(cases(options))
    sources = {c: c.source() for *_, configs in todo for c in configs.values()}
    sources |= {tokens: norm_source(tokens) for tokens, norms, *_ in todo if norms == "launch"}
    compiled = compile_all(sources, options.jobs, skip=True)
    if options.compile_only:
        print(len(compiled), len(sources) - len(compiled))
        return
    chain = Chain(options)
    print(f"{chain.gpu.name}\ntokens  us a layer, overlap  normed by")
    for tokens, norms, knobs, configs in todo:
        if any(c not in compiled for c in configs.values()):
            print(tokens, norms, "does not fit", knobs)
            continue
        kernels = {name: Matmul(chain.gpu, compiled[c]) for name, c in configs.items()}
        norm = Kernel(chain.gpu, compiled[tokens].image, emitted=True) if norms == "launch" else None
        times = [chain.time(kernels, norm, tokens, overlap) for overlap in (False, True)]
        shapes = " ".join(f"{'x'.join(map(str, k.tile.values()))}" for k in kernels.values())
        print(f"{tokens:6}{times[0]:8.2f}{times[1]:8.2f}  {norms:6} {shapes} {json.dumps(knobs)}", flush=True)
        for kernel in [*kernels.values(), norm] if norm else kernels.values():
            kernel.unload()


if __name__ == "__main__":
    main()
