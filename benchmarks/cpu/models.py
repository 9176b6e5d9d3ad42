# SPDX-License-Identifier: Apache-2.0
"""The files that are compared: SmolLM2's own Q4_1 GGUF and what llama.cpp's quantizer makes of it, and what a token of
each costs."""
import subprocess
from pathlib import Path

import gguf

FORMATS = ("Q4_1", "Q4_0", "Q8_0", "Q4_K_M", "BF16")


def make(source, fmt, folder, quantize=None):
    """The file of one format: the source itself for Q4_1; others are made once, by the program `quantize`
    (llama-quantize) or by PyPI's llama-cpp-python."""
    if fmt == "Q4_1":
        return source
    target = Path(folder) / f"SmolLM2-135M-Instruct.{fmt}.gguf"
    if target.exists():
        return target
    part = target.with_suffix(".part")
    if quantize:
        subprocess.run([quantize, "--allow-requantize", source, part, fmt], check=True, capture_output=True)
    else:
        _quantize_with_llama_cpp(source, part, fmt)
    return part.rename(target)


def _quantize_with_llama_cpp(source, target, fmt):
    import llama_cpp
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{fmt}")
    params.allow_requantize = True
    silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(silent, None)
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), params) != 0:
        raise SystemExit(f"{source}: llama.cpp could not make {fmt} of it")


def costs(path, prompt):
    """Of one token: `bytes` of weights read to generate it, `operations` (two a multiply-add) to process it in a
    prompt of `prompt` tokens, whose head runs once and whose attention sees half the prompt on average."""
    reader = gguf.GGUFReader(path)

    def key(name):
        return reader.fields[f"llama.{name}"].contents()

    matrices = [t for t in reader.tensors if len(t.shape) == 2]
    head = [t for t in matrices if t.name == "output.weight"] or [t for t in matrices if t.name == "token_embd.weight"]
    layers = [t for t in matrices if t.name.startswith("blk.")]
    attention = 4 * key("embedding_length") * key("block_count") * prompt / 2
    operations = sum(2 * int(t.n_elements) for t in layers) + 2 * int(head[0].n_elements) / prompt + attention
    return dict(bytes=sum(int(t.n_bytes) for t in layers + head), operations=operations)
