# SPDX-License-Identifier: Apache-2.0
"""From measurements to rows: medians, ratios to the floor, to the peer and to other kernels, bars."""
import work


def row(what, ours, unit, floor=None, peer=None, least=None, most=None, stretch=None):
    """`least` or `most`: the bar. Ratios are how many times the floor we take, and how many times faster than the peer
    we are."""
    bar = least if least is not None else most
    found = dict(what=what, unit=unit, ours=ours, floor=floor, peer=peer, bar=bar, stretch=stretch)
    if floor:
        found["of_floor"] = ours / floor
    if peer:
        found["of_peer"] = ours / peer if unit == "tokens/s" else peer / ours
    for name, limit in (("met", bar), ("stretch_met", stretch)):
        if limit is not None:
            found[name] = ours >= limit if least is not None else ours <= limit
    return found


class Rows:
    def __init__(self, tests, peers, stored):
        self.tests, self.peers, self.stored = tests, peers, stored
        self.bandwidth = max((test.get("read_bandwidth", 0) for test in tests.values()), default=0)

    def peer(self, model, kind, size):
        return self.peers.get(model, {}).get((kind, size))

    def floor(self, model, sequences, context):
        return work.model(model).floor(self.bandwidth, sequences, context) if self.bandwidth else None

    def decode(self):
        for model, name in work.MODELS.items():
            if test := self.tests.get((model, "decode", 1)):
                bar, stretch = work.DECODE_BARS[model]
                yield row(f"{name}, 1 sequence, context {work.CONTEXT:,}", 1e3 * test["median_seconds"] / test["n_gen"],
                          "ms a step", self.floor(model, 1, work.CONTEXT), self.peer(model, "decode", 1), most=bar,
                          stretch=stretch)

    def batches(self):
        model, name = work.MAIN, work.MODELS[work.MAIN]
        for sequences in work.BATCHES:
            if test := self.tests.get((model, "decode", sequences)):
                floor = self.floor(model, sequences, work.BATCH_CONTEXT)
                yield row(f"{name}, {sequences} sequences, context {work.BATCH_CONTEXT:,}",
                          1e3 * test["median_seconds"] / test["n_gen"], "ms a step", floor,
                          self.peer(model, "decode", sequences),
                          most=floor and floor * work.batch_bar(sequences))

    def prompts(self):
        model, name = work.MAIN, work.MODELS[work.MAIN]
        for length in work.PROMPTS:
            if test := self.tests.get((model, "prompt", length)):
                peer = self.peer(model, "prompt", length)
                yield row(f"{name}, prompt of {length:,}", 1e3 * test["median_seconds"], "ms", None, peer,
                          most=work.PROMPT_BAR * (peer or work.PEER_PROMPTS[length]))

    def requests(self):
        count, prompt, output = work.REQUESTS
        if test := self.tests.get((work.MAIN, "requests", count)):
            yield row(f"{work.MODELS[work.MAIN]}, {count:,} requests of {prompt} in, {output} out, all at once",
                      test["median_ts"], "tokens/s", None, self.peer(work.MAIN, "requests", count),
                      least=work.REQUESTS_BARS[0], stretch=work.REQUESTS_BARS[1])

    def host(self):
        steps = [test["host_seconds_per_step"] for (_, kind, _), test in self.tests.items()
                 if kind == "decode" and "host_seconds_per_step" in test]
        if steps:
            yield row("host time a decode step not hidden, the most of the above", 1e6 * max(steps), "us",
                      most=work.HOST_BAR)

    def start(self):
        if not self.stored:
            return
        yield row(f"{work.MODELS[work.MAIN]}, process start to first token, weights in the page cache",
                  self.stored["first_token_seconds"], "s", None, self.peer(work.MAIN, "start", 0), most=work.START_BAR)
        link = self.stored["link_bytes_per_second"]
        yield row(f"weights to the GPU over a link of {link / 1e9:.1f} GB/s",
                  100 * self.stored["upload_bytes_per_second"] / link, "%", least=100 * work.UPLOAD_BAR)


def matmuls(rows):
    """Rows of matmul_bench.py with their bars."""
    found = []
    for r in rows:
        ours = min(r["us"], r["us_overlap"])
        of_cublas, bar = r["us_cublas"] / ours, work.matmul_bar(r["tokens"])
        found.append(dict(matmul=r["matmul"], tokens=r["tokens"], us=ours, us_cublas=r["us_cublas"],
                          of_cublas=of_cublas, bar=bar, met=of_cublas >= bar))
    return found


def summarize(tests, peers, stored, kernels):
    """`tests`: (model, kind, size) -> bench's object; `peers`: model -> (kind, size) -> value; `stored`: bench's object
    of the executable with weights in a file, or None; `kernels`: rows of matmul_bench.py and attention.py."""
    rows = Rows(tests, peers, stored)
    parts = rows.decode, rows.batches, rows.prompts, rows.requests, rows.host, rows.start
    return dict(read_bandwidth=rows.bandwidth, rows=[found for part in parts for found in part()],
                matmul=matmuls(kernels.get("matmul", [])), attention=kernels.get("attention", []))
