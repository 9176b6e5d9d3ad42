# SPDX-License-Identifier: Apache-2.0
"""The decode matmul beside the chip's read bandwidth and cuBLAS, alone and as the chain of a whole decode step.

Alone: graphs of launches over copies of the weight that together exceed L2 several times; per launch. Chain: every
matmul of a step, each reading what the one before wrote (attention is left out: its output projection reads the QKV
output); the same bits are required with and without overlap. The floor of all is bytes of weights over the read
bandwidth measured here. Weights are uniform in +-0.02.
"""
import argparse
import datetime
import json
import os
import subprocess
import sys
from dataclasses import replace

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from shapes import MODELS, NAMES
from driver import ROOT
from harness import compile_all
from matmul_bed import MatmulBed
from matvec import load


class Bench(MatmulBed):
    def __init__(self, options):
        super().__init__(options)
        self.compiled = {}

    def kernel(self, config):
        return load(self.gpu, self.compiled[config])

    def alone(self, config, overlap):
        """Microseconds a launch."""
        kernel, size = self.kernel(config), config.weight_bytes()
        copies = self.copies(size)
        weights = self.random(copies, size // 2)
        x, y = self.random(config.tokens * config.k, scale=1), self.random(config.tokens * config.n * 2)
        norm, residual = self.random(config.k, scale=1).float(), self.random(config.tokens * config.n * 2)
        self.torch.cuda.synchronize()

        def work():
            for i in range(copies):
                kernel.launch([weights[i].data_ptr(), x.data_ptr(), y.data_ptr(), norm.data_ptr(), 0, 0,
                               residual.data_ptr(), 0], overlap)
        time = self.median(self.gpu.graph(work)) / copies * 1e3
        kernel.unload()
        return time

    def chain(self, model, tokens, overlaps, **knobs):
        """{overlap: milliseconds} of a step, and its bytes of weights."""
        torch = self.torch
        configs = model.layer(tokens, **knobs) + [model.head(tokens, **knobs)]
        kernels = [self.kernel(config) for config in configs]
        weights = [[self.random(c.weight_bytes() // 2) for c in configs[:-1]] for _ in range(model.layers)]
        head = self.random(configs[-1].weight_bytes() // 2)
        norm = self.random(model.hidden, scale=1).float()
        stream = torch.empty(tokens * model.hidden, dtype=torch.bfloat16, device="cuda")
        start = self.random(tokens * model.hidden, scale=1)
        qkv = torch.empty(tokens * configs[0].n, dtype=torch.bfloat16, device="cuda")
        inner = torch.empty(tokens * model.inner, dtype=torch.bfloat16, device="cuda")
        logits = torch.empty(tokens * model.vocabulary, dtype=torch.float32, device="cuda")
        launches = []
        for layer in weights:
            for i, (x, y) in enumerate(((stream, qkv), (qkv, stream), (stream, inner), (inner, stream))):
                launches.append((kernels[i], [layer[i].data_ptr(), x.data_ptr(), y.data_ptr(), norm.data_ptr(), 0, 0,
                                              stream.data_ptr(), layer[(i + 1) % 4].data_ptr()]))
        launches.append((kernels[4], [head.data_ptr(), stream.data_ptr(), logits.data_ptr(), norm.data_ptr(), 0, 0,
                                      0, 0]))
        size = head.nbytes + sum(w.nbytes for layer in weights for w in layer)
        times, results = {}, []
        for overlap in overlaps:
            graph = self.gpu.graph(lambda: [kernel.launch(pointers, overlap) for kernel, pointers in launches])
            for _ in range(3):
                stream.copy_(start)
                logits.fill_(float("nan"))
                torch.cuda.synchronize()
                graph()
                self.gpu.synchronize()
                results.append(logits.clone())
            times[overlap] = self.median(graph)
        same = all(torch.equal(r, results[0]) for r in results) and bool(torch.isfinite(results[0]).all())
        for kernel in kernels:
            kernel.unload()
        return times, size, same


def knob_sets(options):
    """How to run, as fields of MatvecConfig: as tuned() chooses first, then what was asked for."""
    return [{}] + json.loads(options.knobs)


def matmuls(model, tokens, options):
    """(name, configuration, knobs) of every matmul of a step, for every way to run."""
    return [(name, config, knobs) for knobs in knob_sets(options)
            for name, config in zip(NAMES, model.layer(tokens, **knobs) + [model.head(tokens, **knobs)])]


def commit():
    try:
        return subprocess.check_output(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], text=True,
                                       stderr=subprocess.DEVNULL).strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def share(us, size, read):
    return f"{us:9.2f}{size / us / read / 10:6.0f}%"


def bench_alone(bench, model, tokens, options, report):
    """Every matmul of a model by itself: rows of the table and of the report."""
    read = report["read_GB/s"]
    for name, config, knobs in matmuls(model, tokens, options):
        config = replace(config, next=None)
        if config not in bench.compiled:
            continue
        size = config.weight_bytes()
        row = {"model": model.name, "matmul": name, "tokens": tokens, "n": config.n, "k": config.k, "bytes": size,
               "us": bench.alone(config, False), "us_overlap": bench.alone(config, True),
               "us_cublas": bench.cublas(config, config.weight_rows(), bench.copies(size)),
               **knobs}
        report["alone"].append(row)
        kernel = bench.kernel(config)
        plan = kernel.plan
        kernel.unload()
        print(f"{model.name + ' ' + name:24}{tokens:7}{size / 1e6:8.1f}{share(row['us'], size, read)}"
              f"{share(row['us_overlap'], size, read)}{share(row['us_cublas'], size, read)}  "
              f"{plan['split']}x{plan['grid'] // plan['split']} ring {plan['slots']}x{plan['chunkBlocks']} "
              f"{knobs or ''}", flush=True)
        bench.torch.cuda.empty_cache()


def bench_chain(bench, model, tokens, options, report):
    """A whole step of a model, for every way to run."""
    for knobs in knob_sets(options):
        if any(c not in bench.compiled for c in model.layer(tokens, **knobs) + [model.head(tokens, **knobs)]):
            continue
        times, size, same = bench.chain(model, tokens, (False, True), **knobs)
        bench.torch.cuda.empty_cache()
        floor = size / report["read_GB/s"] / 1e6
        report["chains"].append({"model": model.name, "tokens": tokens, "bytes": size, "floor_ms": floor,
                                 "ms": times[False], "ms_overlap": times[True], "same_bits": same, **knobs})
        print(f"{model.name:24}{tokens:7}{floor:9.3f}{times[False]:9.3f}{floor / times[False]:7.0%}"
              f"{times[True]:9.3f}{floor / times[True]:7.0%}  {'yes' if same else 'NO'} {knobs or ''}", flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", default="1,8,16", help="of matmuls alone")
    parser.add_argument("--chain-tokens", default="1,8,16")
    parser.add_argument("--models", default=",".join(m.name for m in MODELS))
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--knobs", default="[]", help="""more ways to run, JSON: [{"split": 2, "slots": 4}]""")
    parser.add_argument("--out", required=True, help="JSON")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--commit", default=commit(), help="to record, where this is no checkout")
    parser.add_argument("--compile-only", action="store_true", help="needs no GPU")
    options = parser.parse_args()
    options.tokens = [int(t) for t in options.tokens.split(",") if t]
    options.chain_tokens = [int(t) for t in options.chain_tokens.split(",") if t]
    return options


def main():
    options = arguments()
    models = [m for m in MODELS if m.name in options.models.split(",")]
    configs = [config for model in models for t in sorted({*options.tokens, *options.chain_tokens})
               for _, chained, _ in matmuls(model, t, options) for config in {chained, replace(chained, next=None)}]
    compiled = compile_all({config: config.source() for config in configs}, options.jobs, skip=len(options.knobs) > 2)
    if options.compile_only:
        return
    bench = Bench(options)
    bench.compiled = compiled
    report = {"what": "matvec", "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
              "device": bench.gpu.name, "commit": options.commit, "read_GB/s": round(bench.read_bandwidth(), 1),
              "alone": [], "chains": []}
    print(f"{bench.gpu.name}, {report['commit']}: reads {report['read_GB/s']:.0f} GB/s")
    columns = f"{'us':>9}{'share':>7}{'overlap':>9}{'share':>7}"
    print(f"{'alone':24}{'tokens':>7}{'MB':>8}{columns}{'cuBLAS':>9}{'share':>7}  plan")
    for model in models:
        for tokens in options.tokens:
            bench_alone(bench, model, tokens, options, report)
    print(f"\n{'chain of a step':24}{'tokens':>7}{'floor ms':>9}{columns.replace('us', 'ms')}  same bits")
    for model in models:
        for tokens in options.chain_tokens:
            bench_chain(bench, model, tokens, options, report)
    with open(options.out, "w") as file:
        json.dump(report, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    sys.exit(main())
