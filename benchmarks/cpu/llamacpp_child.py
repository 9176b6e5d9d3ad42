# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's speed through PyPI's llama-cpp-python, in a process of its own so that its peak memory is its own.

Usage: llamacpp_child.py FILE.gguf THREADS PROMPT GENERATE FLASH_ATTENTION(0|1) REPETITIONS   ->   one JSON line
"""
import json
import sys
import time

import llama_cpp


def main():
    path, (threads, prompt, generate, flash, repetitions) = sys.argv[1], map(int, sys.argv[2:])
    model = llama_cpp.Llama(path, n_ctx=prompt + generate, n_batch=prompt, n_ubatch=prompt, n_threads=threads,
                            n_threads_batch=threads, flash_attn=bool(flash), verbose=False)
    ids = [(i * 7919) % (model.n_vocab() - 17) + 17 for i in range(max(prompt, generate + 8))]
    speeds = dict(prompt=[], generate=[])
    for repetition in range(repetitions + 1):  # the first one warms up
        model.reset()
        start = time.perf_counter()
        model.eval(ids[:prompt])
        speeds["prompt"].append(prompt / (time.perf_counter() - start))
        model.reset()
        model.eval(ids[:8])
        start = time.perf_counter()
        for i in range(generate):
            model.eval([ids[i + 8]])
        speeds["generate"].append(generate / (time.perf_counter() - start))
    print(json.dumps({name: values[1:] for name, values in speeds.items()}))


if __name__ == "__main__":
    main()
