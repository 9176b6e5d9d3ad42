# SPDX-License-Identifier: Apache-2.0
"""The matmul of 17 rows and more, in the shapes of Qwen3-4B, beside cuBLAS (torch.matmul, no epilogue) and the chip's
read bandwidth.

Graphs of launches over copies of the weight that together exceed L2 several times; microseconds a launch, medians.
"overlap": by programmatic launch. Weights are uniform in +-0.02, activations in +-1.
"""
import argparse
import json
import os
import sys
from pathlib import Path

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "gpu"))
import work
from harness import compile_all
from matmul import Config, Matmul, args_of
from matmul_bed import MatmulBed

MODEL = work.model(work.MAIN)
SHAPES = {"qkv": dict(n=MODEL.query + 2 * MODEL.key, k=MODEL.hidden),
          "o": dict(n=MODEL.hidden, k=MODEL.query, epilogue="Residual"),
          "gate-up": dict(n=MODEL.inner, k=MODEL.hidden, epilogue="SwiGlu"),
          "down": dict(n=MODEL.hidden, k=MODEL.inner, epilogue="Residual")}


class Bench(MatmulBed):
    warm_ups = 1

    def ours(self, kernel, config, overlap):
        from driver import CudaStep
        torch, copies = self.torch, self.copies(config.weight_elements() * 2)
        weights, x = self.random(copies, config.weight_elements()), self.random(config.tokens, config.k, scale=1)
        y, residual = self.random(config.tokens, config.n, scale=1), self.random(config.tokens, config.n, scale=1)
        counts = torch.full((3,), config.tokens, dtype=torch.int32, device="cuda")
        squares = torch.ones(-(-config.tokens // 32) * 32 * max(config.n, config.k) // 64, device="cuda")
        step = CudaStep(counts=counts.data_ptr())
        x_map = kernel.tensor_map(0, x.data_ptr())
        maps = [kernel.tensor_map(1, weights[i].data_ptr()) for i in range(copies)]
        torch.cuda.synchronize()

        def work():
            for weight_map in maps:
                kernel.launch(args_of(squares=squares.data_ptr(), x=x.data_ptr(), y=y.data_ptr(),
                                      residual=residual.data_ptr(), x_map=x_map, weight_map=weight_map), overlap, step)
        time = self.median(self.gpu.graph(work)) / copies * 1e3
        for address in [x_map, *maps]:
            self.gpu.free(address)
        return time


def cases(options):
    """(matmul, knobs, configuration): as tuned() chooses, then what was asked for."""
    for tokens in map(int, options.tokens.split(",")):
        for name in options.shapes.split(","):
            for knobs in [{}] + json.loads(options.knobs):
                knobs = dict(knobs)
                if tokens in knobs.pop("tokens", [tokens]) and name in knobs.pop("shapes", [name]):
                    yield name, knobs, Config(tokens=tokens, **SHAPES[name], **knobs)


def measure(bench, todo, compiled, read, options):
    rows, cublas = [], {}
    print(f"{bench.gpu.name}: reads {read:.0f} GB/s")
    print(f"{'':8}tokens       us  overlap  floor%  TFLOP/s   cuBLAS  ratio  tile")
    for name, knobs, config in todo:
        kernel, elements = Matmul(bench.gpu, compiled[config]), config.weight_elements()
        if (name, config.tokens) not in cublas:
            cublas[name, config.tokens] = bench.cublas(config, config.packed_rows(), bench.copies(elements * 2))
        row = {"matmul": name, "tokens": config.tokens, "n": config.n, "k": config.k, **knobs,
               "us": bench.ours(kernel, config, False), "us_overlap": bench.ours(kernel, config, True),
               "us_cublas": cublas[name, config.tokens]}
        rows.append(row)
        best = min(row["us"], row["us_overlap"])
        print(f"{name:8}{config.tokens:6}{row['us']:9.2f}{row['us_overlap']:9.2f}"
              f"{elements * 2 / best / read / 10:8.0f}{elements * 2 * config.tokens / best / 1e6:9.0f}"
              f"{row['us_cublas']:9.2f}{row['us_cublas'] / best:7.2f}  {'x'.join(map(str, kernel.tile.values()))} "
              f"grid {kernel.shape[0]} {knobs or ''}".replace("'", "").replace("tileTokens", "tile"), flush=True)
        kernel.unload()
        if options.out:  # so far
            report = {"what": "matmul", "device": bench.gpu.name, "read_GB/s": round(read, 1), "rows": rows}
            Path(options.out).write_text(json.dumps(report, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", default="32,64,128,256,512,2048,8192")
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--knobs", default="[]", help="""more ways to run, JSON: [{"tokens": [64], "stages": 3}]""")
    parser.add_argument("--out", help="JSON")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--compile-only", action="store_true", help="needs no GPU")
    options = parser.parse_args()
    todo = list(cases(options))
    compiled = compile_all({config: config.source() for _, _, config in todo}, options.jobs, skip=True)
    for name, knobs, config in todo:
        if config not in compiled or compiled[config].spilled():
            print("spills" if config in compiled else "does not compile", name, config.tokens, knobs)
    if not options.compile_only:
        bench = Bench(options)
        measure(bench, [case for case in todo if case[2] in compiled], compiled, bench.read_bandwidth(), options)


if __name__ == "__main__":
    main()
