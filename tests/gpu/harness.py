# SPDX-License-Identifier: Apache-2.0
"""What the checks of kernels share: the command line, compiling on all cores, bfloat16, packed weights, running alone
and overlapping, and the report.

NumPy is wanted only where something runs: --compile-only is for machines that have a compiler and no more.
"""
import argparse
import os
from concurrent.futures import ThreadPoolExecutor

from driver import Compiled, Gpu

try:
    import numpy as np
except ImportError:
    np = None

NAN = 0x7FFF  # as bfloat16: what outputs, and inputs that nobody may read, are filled with
GUARD = 64  # elements behind an output that must stay as they were


def initializer(kind, **fields):
    """A C++ constant expression: `kind`{.name = value, ...}. Strings are taken as they are."""
    def literal(value):
        if isinstance(value, bool):
            return str(value).lower()
        return f"{value!r}f" if isinstance(value, float) else str(value)
    return f"{kind}{{{', '.join(f'.{name} = {literal(value)}' for name, value in fields.items())}}}"


def arguments(doc, small=None):
    """A parser with the flags of every check. `small`: what --small runs."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile-only", action="store_true", help="needs no GPU")
    if small:
        parser.add_argument("--small", action="store_true", help=f"{small}, for compute-sanitizer")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="kernels that are compiled at once")
    parser.add_argument("--seed", type=int, help="default: another in each run")
    return parser


def compile_all(sources, jobs, arch="sm_90a", skip=False):
    """{key: Compiled} of {key: source}, on `jobs` threads; NVRTC runs without the interpreter's lock. `skip`: leave out
    what does not compile."""
    def attempt(source):
        try:
            return Compiled(source, arch)
        except RuntimeError:
            if not skip:
                raise
            return None
    with ThreadPoolExecutor(jobs) as pool:
        return {key: kernel for key, kernel in zip(sources, pool.map(attempt, sources.values())) if kernel}


class Suite:
    """Compiled kernels, and what became of the cases that they were run on. A kernel that spills has failed."""

    def __init__(self, options, sources, arch="sm_90a", bad=Compiled.spilled):
        """`sources`: {key: source}; `bad`: what else than spills no kernel may do."""
        self.options, self.passed = options, 0
        self.compiled = compile_all(sources, options.jobs, arch)
        wrong = [key for key, kernel in self.compiled.items() if bad(kernel)]
        self.failed = len(wrong)
        most = max(kernel.registers() for kernel in self.compiled.values())
        print(f"{arch}: {len(self.compiled)} kernels, at most {most} registers, {len(wrong)} spill {wrong[:1] or ''}",
              flush=True)

    def start(self, torch=None):
        """The GPU, and the seed of this run. With torch, which makes the context that we share."""
        if torch:
            torch.empty(1, device="cuda")
        gpu, seed = Gpu(), self.options.seed
        if seed is None:
            seed = int.from_bytes(os.urandom(4), "little")
        if torch:
            torch.manual_seed(seed)
        print(f"{gpu.name}, seed {seed}", flush=True)
        return gpu, seed

    def report(self, case, problem):
        """`problem`: what is wrong with a case, or None."""
        self.passed, self.failed = self.passed + (not problem), self.failed + bool(problem)
        if problem:
            print(f"FAILED {case}: {problem}", flush=True)

    def finish(self):
        """The exit code."""
        if not self.options.compile_only:
            print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return int(self.failed > 0)


def to_bf16(values):
    """float32 to the bits of bfloat16, to nearest even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bf16(bits):
    return (np.asarray(bits, np.uint16).astype(np.uint32) << 16).view(np.float32)


def pack(weight):
    """The stream of templates/cuda/layout.h of a weight [n, k]."""
    rows, columns = -(-weight.shape[0] // 16) * 16, -(-weight.shape[1] // 64) * 64
    padded = np.zeros((rows, columns), weight.dtype)
    padded[:weight.shape[0], :weight.shape[1]] = weight
    atoms = padded.reshape(-1, 2, 8, columns // 64, 8, 8).transpose(0, 3, 1, 2, 4, 5)
    places = np.arange(8)[:, None] ^ np.arange(8)
    return np.ascontiguousarray(atoms[:, :, :, np.arange(8)[:, None], places])


def run(gpu, kernel, arrays, outputs, launches=1, overlap=False, step=None):
    """What `launches` launches leave of those of `arrays` with the indices `outputs`. None: no such argument."""
    pointers = [gpu.upload(array) if array is not None else 0 for array in arrays]
    for _ in range(launches):
        kernel.launch(pointers, overlap, step)
    gpu.synchronize()
    found = [np.empty_like(arrays[i]) for i in outputs]
    for array, i in zip(found, outputs):
        gpu.download(array, pointers[i])
    for pointer in filter(None, pointers):
        gpu.free(pointer)
    return found


def micros(gpu, work, launches, repeats=9):
    """Microseconds of a launch, the median, in the graph of the `launches` that work() makes."""
    graph = gpu.graph(work)
    gpu.time(graph, 2)
    return sorted(gpu.time(graph, repeats))[repeats // 2] / launches * 1e3
