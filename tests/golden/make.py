# SPDX-License-Identifier: Apache-2.0
"""Makes the golden models and their answers, each a directory beside this file:

    config.json + model.safetensors, or model.gguf      the model, of random weights
    golden.safetensors                                  what transformers answers in float32, from the weights as they
                                                        are in the file (upcast or dequantized)
      prompt i32[37], positions i32[P], logits f32[P, vocab], greedy i32[24], margins f32[24] (of each greedy choice,
      in standard deviations of the logits), seconds i32[24] (the second best tokens); metadata "golden", a JSON
      object: dtype, family, formats (of GGUF tensors), half_error and half_rms (of bfloat16 and float16 models:
      transformers' own error in that type)

Usage: make.py [NAME ...]     needs numpy, torch, transformers, gguf, and llama-cpp-python for the K formats
"""
import copy
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

import gguf_file
import reference
import weights
from cases import BASE, CASES, GREEDY_TOKENS, K_QUANTS, PROMPT_TOKENS

HERE = Path(__file__).parent
ARCHITECTURES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}


def config_json(case):
    """config.json in the keys of the hub, or of transformers 5."""
    keys = dict(BASE, architectures=[ARCHITECTURES[case.family]], model_type=case.family) | case.config
    if case.keys == "hub":
        return keys | dict(torch_dtype=case.dtype, rope_scaling=keys.get("rope_scaling"))
    rope = keys.pop("rope_scaling", None) or dict(rope_type="default")
    keys["rope_parameters"] = rope | dict(rope_theta=keys.pop("rope_theta"))
    return json.loads(AutoConfig.for_model(**keys, dtype=case.dtype).to_json_string())


def save_safetensors(folder, tensors, shards):
    """One file, or several with the index that says where each tensor is."""
    if shards == 1:
        return save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    names, index = sorted(tensors), {}
    for s in range(shards):
        file = f"model-{s + 1:05}-of-{shards:05}.safetensors"
        mine = names[s::shards]
        save_file({n: tensors[n] for n in mine}, folder / file, metadata={"format": "pt"})
        index |= {n: file for n in mine}
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": dict(sorted(index.items()))}, indent=2) + "\n")


def load(folder):
    """The directory as transformers reads it, every weight found and none left over."""
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                                       output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    return model.eval()


def write_gguf(case, folder, model, tensors):
    """model.gguf; the model then holds what the file holds, dequantized."""
    floats = {n: t.numpy() for n, t in tensors.items()}
    freqs = None
    if case.rope_freqs:
        head_dim = model.config.head_dim
        freqs = gguf_file.rope_freqs(model.model.rotary_emb.inv_freq.numpy(), model.config, head_dim)
    path = folder / "model.gguf"
    gguf_file.write(path, model.config, floats, "F32" if case.gguf in K_QUANTS else case.gguf, freqs)
    if case.gguf in K_QUANTS:
        wide = path.rename(folder / "f32.gguf")
        gguf_file.quantize_with_llama_cpp(wide, path, case.gguf)
        wide.unlink()
    read, formats = gguf_file.read(path, model.config, list(floats))
    missing = model.load_state_dict({n: torch.from_numpy(a) for n, a in read.items()}, strict=False).missing_keys
    assert set(missing) <= {"lm_head.weight"}, missing
    for file in ("config.json", "model.safetensors"):
        (folder / file).unlink()
    return formats


def own_error(case, model, prompt, want):
    """How far transformers itself is off when it computes in the weights' own narrow type."""
    dtype = getattr(torch, dict(F16="float16", BF16="bfloat16").get(case.gguf, case.dtype))
    if dtype == torch.float32:
        return {}
    narrow = copy.deepcopy(model)
    for parameter in narrow.parameters():  # and not the buffers: transformers keeps rope's frequencies in float32
        parameter.data = parameter.data.to(dtype)
    half = reference.logits(narrow, prompt)
    return dict(half_error=f"{reference.error(half, want):.6f}", half_rms=f"{reference.rms(half, want):.6f}")


def clear_prompt(case, model):
    """A random prompt whose greedy continuation has no near-tie, with that continuation."""
    for attempt in range(100):
        prompt = weights.prompt(case.seed + 1000 * attempt, PROMPT_TOKENS, model.config.vocab_size)
        answer = reference.greedy(model, prompt, GREEDY_TOKENS)
        if answer[1].min() > 0.01:
            return prompt, answer
    raise AssertionError(f"{case.name}: every prompt meets a near-tie")


def golden(case, folder, model, formats):
    """Asks transformers, and refuses an answer that would not notice a mistake."""
    prompt, (tokens, margins, seconds) = clear_prompt(case, model)
    want = reference.logits(model, prompt)
    noise = reference.error(want, reference.logits(model.to(torch.float64), prompt))
    assert noise < 2e-5, f"{case.name}: float32 itself errs by {noise}"
    model.to(torch.float32)
    reference.check_layers_decide(model, prompt, want)
    reference.check_rope_decides(model, prompt, want)
    rows = np.arange(0, PROMPT_TOKENS, 1 if case.dtype == "float32" and not case.gguf else 4, dtype=np.int32)
    meta = dict(family=case.family, dtype=case.dtype, formats=formats,
                transformers=transformers.__version__) | own_error(case, model, prompt, want)
    arrays = dict(prompt=prompt, positions=rows, logits=want[rows], greedy=tokens, margins=margins, seconds=seconds)
    save_file({n: torch.from_numpy(np.ascontiguousarray(a)) for n, a in arrays.items()},
              folder / "golden.safetensors", metadata={"golden": json.dumps(meta, sort_keys=True)})
    size = sum(f.stat().st_size for f in folder.iterdir()) // 1024
    print(f"{case.name:24} float32 noise {noise:.1e}, half error {meta.get('half_error', '-'):8} "
          f"{meta.get('half_rms', '-'):8}, smallest margin {margins.min():.4f}, {size} KiB")


def build(case, target):
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "config.json").write_text(json.dumps(config_json(case), indent=2) + "\n")
        torch.manual_seed(0)
        shapes = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)).state_dict()
        if AutoConfig.from_pretrained(folder).tie_word_embeddings:
            shapes.pop("lm_head.weight", None)
        tensors = {n: torch.from_numpy(weights.tensor(n, case.seed, tuple(t.shape))).to(getattr(torch, case.dtype))
                   for n, t in shapes.items()}
        save_safetensors(folder, tensors, case.shards)
        model = load(folder)
        formats = write_gguf(case, folder, model, tensors) if case.gguf else {}
        golden(case, folder, model, formats)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder, target)


def main():
    torch.set_num_threads(1)
    for case in CASES:
        if len(sys.argv) == 1 or case.name in sys.argv[1:]:
            build(case, HERE / case.name)


if __name__ == "__main__":
    main()
