# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of matmuls share: one GPU with torch on it, random data, medians, the read bandwidth, cuBLAS."""
import statistics

ROTATED = 400 << 20  # bytes of weights that launches alone rotate over: several times L2


class MatmulBed:
    warm_ups = 3  # calls before those that are timed

    def __init__(self, options):
        import torch
        from driver import Gpu
        self.torch, self.options = torch, options
        torch.cuda.init()
        torch.empty(1, device="cuda")
        self.gpu = Gpu()

    def random(self, *shape, scale=0.02):
        return self.torch.empty(shape, dtype=self.torch.bfloat16, device="cuda").uniform_(-scale, scale)

    def median(self, work, repeats=None):
        """Milliseconds."""
        for _ in range(self.warm_ups):
            work()
        return statistics.median(self.gpu.time(work, repeats or self.options.repeats))

    def read_bandwidth(self):
        """GB/s over 4 GiB."""
        from driver import Compiled, Kernel, emit
        source = emit("read_bandwidth.cuh", "ReadBandwidthConfig{.sms = 132}", "readBandwidth", 3)
        kernel = Kernel(self.gpu, Compiled(source).image, emitted=True)
        data, sink = self.random(2 << 30), self.torch.zeros(4, dtype=self.torch.int32, device="cuda")
        pointers = [data.data_ptr(), data.data_ptr() + data.nbytes, sink.data_ptr()]
        self.torch.cuda.synchronize()
        return data.nbytes / self.median(lambda: kernel.launch(pointers)) / 1e6

    @staticmethod
    def copies(size):
        """Of a weight of `size` bytes that launches rotate over."""
        return max(2, min(64, -(-ROTATED // size)))

    def cublas(self, config, rows, copies):
        """Microseconds of torch.matmul by a weight of `rows` rows into a given output, in a graph; no norm, no
        epilogue."""
        torch = self.torch
        weights, x = self.random(copies, rows, config.k), self.random(config.tokens, config.k, scale=1)
        y = torch.empty(config.tokens, rows, dtype=torch.bfloat16, device="cuda")
        stream = torch.cuda.ExternalStream(self.gpu.stream.value)
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            for i in range(2):
                torch.matmul(x, weights[i].t(), out=y)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            for i in range(copies):
                torch.matmul(x, weights[i].t(), out=y)

        def replay():
            with torch.cuda.stream(stream):
                graph.replay()
        return self.median(replay) / copies * 1e3
