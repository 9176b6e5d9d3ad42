# SPDX-License-Identifier: Apache-2.0
"""NVRTC and the CUDA driver through ctypes: what the GPU checks and benchmarks need, and no more."""
import ctypes as c
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLUSTER, PROGRAMMATIC = 4, 6  # CU_LAUNCH_ATTRIBUTE_*
SHARED_BYTES = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES


def library(*patterns):
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)) or [pattern]:
            try:
                return c.CDLL(path)
            except OSError:
                continue
    raise SystemExit(f"none of {', '.join(patterns)} could be opened")


_nvrtc = None


def nvrtc():
    global _nvrtc
    if not _nvrtc:
        home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
        _nvrtc = library(f"{home}/lib64/libnvrtc.so.13", f"{home}/lib/libnvrtc.so.13", "libnvrtc.so.13",
                         *(f"{path}/nvidia/cu13/lib/libnvrtc.so.13" for path in sys.path))
    return _nvrtc


class Compiled:
    """A cubin, and what the assembler said of it."""

    def __init__(self, source, arch="sm_90a"):
        lib, program = nvrtc(), c.c_void_p()
        lib.nvrtcCreateProgram(c.byref(program), source.encode(), b"kernel.cu", 0, None, None)
        options = [f"--gpu-architecture={arch}", "--std=c++20", f"-I{ROOT}", "--device-as-default-execution-space",
                   "--ptxas-options=-v", "-lineinfo", "--no-cache",  # a cached cubin comes without the log
                   "--no-source-include"]  # nor are headers those of the working directory
        strings = (c.c_char_p * len(options))(*[option.encode() for option in options])
        result = lib.nvrtcCompileProgram(program, len(options), strings)
        size = c.c_size_t()
        lib.nvrtcGetProgramLogSize(program, c.byref(size))
        log = c.create_string_buffer(size.value)
        lib.nvrtcGetProgramLog(program, log)
        self.log = log.value.decode()
        if result:
            raise RuntimeError(self.log)
        lib.nvrtcGetCUBINSize(program, c.byref(size))
        image = c.create_string_buffer(size.value)
        lib.nvrtcGetCUBIN(program, image)
        lib.nvrtcDestroyProgram(c.byref(program))
        self.image = image.raw

    def registers(self):
        return max(map(int, re.findall(r"Used (\d+) registers", self.log)))

    def spilled(self):
        return sum(map(int, re.findall(r"(\d+) bytes (?:stack frame|spill)", self.log)))


def emit(headers, config, call, arguments, cluster=False):
    """The source of a kernel `k` as codegen emits it: `call`<config>(step, args) of templates/cuda/`headers`, one or
    several. `config` is a constant expression; `arguments` is how many pointers the template takes."""
    includes = "".join(f'#include "templates/cuda/{header}"\n' for header in headers.split())
    dims = "__cluster_dims__(config.cluster(), 1, 1)" if cluster else ""
    return f"""{includes}using namespace sinter::cuda;
constexpr auto config = {config};
extern "C" __constant__ const long long k_plan[5] = {{config.grid(), config.threads(), config.sharedBytes(),
  config.workspaceBytes(), config.counters()}};
extern "C" __global__ void __launch_bounds__(config.threads(), config.blocksPerSm()) {dims}
k(const __grid_constant__ sinter::rt::CudaStep step, const __grid_constant__ sinter::rt::CudaArgs<{arguments}> args) {{
  {call}<config>(step, args);
}}
"""


class CudaStep(c.Structure):
    """runtime/abi/CudaStep.h: device addresses, and the stride of the block table."""
    _fields_ = [("counts", c.c_uint64), ("tokens", c.c_uint64), ("positions", c.c_uint64), ("slots", c.c_uint64),
                ("queryStart", c.c_uint64), ("contextLengths", c.c_uint64), ("blockTable", c.c_uint64),
                ("blockTableStride", c.c_int), ("pad", c.c_int), ("logitRows", c.c_uint64), ("sampling", c.c_uint64),
                ("history", c.c_uint64), ("bias", c.c_uint64), ("sampled", c.c_uint64),
                ("published", c.c_uint64)]


class Attribute(c.Structure):
    _fields_ = [("id", c.c_int), ("pad", c.c_int), ("value", c.c_uint * 16)]


class Launch(c.Structure):
    _fields_ = [("grid", c.c_uint * 3), ("block", c.c_uint * 3), ("shared", c.c_uint), ("stream", c.c_void_p),
                ("attributes", c.POINTER(Attribute)), ("count", c.c_uint)]


class Gpu:
    """Device 0, its primary context (which torch uses too) and one stream."""

    def __init__(self):
        self.cuda = library("libcuda.so.1")
        self.call("cuInit", 0)
        device, context = c.c_int(), c.c_void_p()
        self.call("cuDeviceGet", c.byref(device), 0)
        self.call("cuDevicePrimaryCtxRetain", c.byref(context), device)
        self.call("cuCtxSetCurrent", context)
        self.stream = c.c_void_p()
        self.call("cuStreamCreate", c.byref(self.stream), 1)
        name = c.create_string_buffer(100)
        self.call("cuDeviceGetName", name, 100, device)
        self.name = name.value.decode()

    def call(self, name, *arguments):
        result = getattr(self.cuda, name)(*arguments)
        if result:
            text = c.c_char_p()
            self.cuda.cuGetErrorString(result, c.byref(text))
            raise RuntimeError(f"{name}: {(text.value or b'?').decode()}")

    def alloc(self, size):
        pointer = c.c_uint64()
        self.call("cuMemAlloc_v2", c.byref(pointer), c.c_size_t(size))
        return pointer.value

    def free(self, pointer):
        self.call("cuMemFree_v2", c.c_uint64(pointer))

    def write(self, pointer, source, size):
        """From the host's `source`, a ctypes pointer. Like fill(), it has happened when it returns: the driver may only
        have queued it, and our stream does not wait for the one where it is queued."""
        self.call("cuMemcpyHtoD_v2", c.c_uint64(pointer), source, c.c_size_t(size))
        self.call("cuStreamSynchronize", None)

    def upload(self, array):
        pointer = self.alloc(max(array.nbytes, 16))
        self.write(pointer, array.ctypes.data_as(c.c_void_p), array.nbytes)
        return pointer

    def download(self, array, pointer):
        self.call("cuMemcpyDtoH_v2", array.ctypes.data_as(c.c_void_p), c.c_uint64(pointer), c.c_size_t(array.nbytes))

    def alloc_filled(self, size, array):
        """Memory of copies of `array`, whose bytes divide `size`."""
        pointer = self.alloc(size)
        for at in range(pointer, pointer + size, array.nbytes):
            self.write(at, array.ctypes.data_as(c.c_void_p), array.nbytes)
        return pointer

    def fill(self, pointer, byte, size):
        self.call("cuMemsetD8_v2", c.c_uint64(pointer), c.c_ubyte(byte), c.c_size_t(size))
        self.call("cuStreamSynchronize", None)

    def step(self, block_table_stride=0, **arrays):
        """A CudaStep of NumPy arrays by field name, uploaded; counts: [tokens, sequences, logits]. What is left out is
        null. free_step() gives the memory back."""
        step = CudaStep(blockTableStride=block_table_stride)
        for name, array in arrays.items():
            setattr(step, name, self.upload(array))
        return step

    def free_step(self, step):
        for name, kind in CudaStep._fields_:
            if kind is c.c_uint64 and getattr(step, name):
                self.free(getattr(step, name))

    def tensor_map(self, pointer, dims, strides, box, swizzle128=True):
        """The device address of a CUtensorMap of bfloat16, its fields as in runtime/abi/CudaPlan.h."""
        space = (c.c_ubyte * (128 + 63))()
        shift = -c.addressof(space) % 64
        rank = len(dims)
        self.call("cuTensorMapEncodeTiled", c.c_void_p(c.addressof(space) + shift), 9, c.c_uint(rank),
                  c.c_void_p(pointer), (c.c_uint64 * rank)(*dims), (c.c_uint64 * max(rank - 1, 1))(*strides),
                  (c.c_uint * rank)(*box), (c.c_uint * rank)(*[1] * rank), 0, 3 if swizzle128 else 0, 2, 0)
        address = self.alloc(128)
        self.write(address, c.c_void_p(c.addressof(space) + shift), 128)
        return address

    def synchronize(self):
        self.call("cuStreamSynchronize", self.stream)

    def time(self, work, repeats):
        """Milliseconds of each of `repeats` calls of work()."""
        events = [c.c_void_p() for _ in range(repeats + 1)]
        for event in events:
            self.call("cuEventCreate", c.byref(event), 0)
        self.call("cuEventRecord", events[0], self.stream)
        for event in events[1:]:
            work()
            self.call("cuEventRecord", event, self.stream)
        self.synchronize()
        times, elapsed = [], c.c_float()
        for first, second in zip(events, events[1:]):
            self.call("cuEventElapsedTime_v2" if hasattr(self.cuda, "cuEventElapsedTime_v2") else "cuEventElapsedTime",
                      c.byref(elapsed), first, second)
            times.append(elapsed.value)
        for event in events:
            self.call("cuEventDestroy_v2", event)
        return times

    def graph(self, work):
        """What work() launches, as a function that replays it."""
        graph, executable = c.c_void_p(), c.c_void_p()
        self.call("cuStreamBeginCapture_v2", self.stream, 2)
        work()
        self.call("cuStreamEndCapture", self.stream, c.byref(graph))
        self.call("cuGraphInstantiateWithFlags", c.byref(executable), graph, c.c_ulonglong(0))
        return lambda: self.call("cuGraphLaunch", executable, self.stream)


class Kernel:
    """A kernel of a cubin, ready to launch; one that emit() wrote knows its own grid, block and shared memory."""

    def __init__(self, gpu, image, name="k", emitted=False):
        self.gpu, self.module, self.function = gpu, c.c_void_p(), c.c_void_p()
        gpu.call("cuModuleLoadData", c.byref(self.module), image)
        gpu.call("cuModuleGetFunction", c.byref(self.function), self.module, name.encode())
        if emitted:
            grid, block, shared, self.workspace, self.counters = self.constants("k_plan", 5, c.c_longlong)
            self.prepare(grid, block, shared)

    def constants(self, name, count, kind=c.c_int):
        pointer, size, values = c.c_uint64(), c.c_size_t(), (kind * count)()
        self.gpu.call("cuModuleGetGlobal_v2", c.byref(pointer), c.byref(size), self.module, name.encode())
        self.gpu.call("cuMemcpyDtoH_v2", values, pointer, c.c_size_t(c.sizeof(values)))
        return list(values)

    def prepare(self, grid, block, shared):
        self.shape = grid, block, shared
        self.gpu.call("cuFuncSetAttribute", self.function, SHARED_BYTES, shared)

    def launch(self, pointers, overlap=False, step=None):
        """`pointers`: all of CudaArgs, 0 where the template needs none. `overlap`: by programmatic launch."""
        grid, block, shared = self.shape
        attribute = Attribute(PROGRAMMATIC, 0, (c.c_uint * 16)(1))
        launch = Launch((grid, 1, 1), (block, 1, 1), shared, self.gpu.stream, c.pointer(attribute), int(overlap))
        structs = step or CudaStep(), (c.c_uint64 * len(pointers))(*pointers)
        parameters = (c.c_void_p * 2)(*[c.addressof(struct) for struct in structs])
        self.gpu.call("cuLaunchKernelEx", c.byref(launch), self.function, parameters, None)

    def unload(self):
        self.gpu.call("cuModuleUnload", self.module)
