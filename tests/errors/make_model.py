#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a tiny model with a chosen defect, with the standard library alone.

    make_model.py DIR                       a Hugging Face directory: config.json and model.safetensors
    make_model.py FILE.gguf                 the same model as a GGUF file

    --family llama|qwen2|qwen3              llama unless told
    --set KEY=JSON, --unset KEY             config.json's keys, or GGUF's metadata
    --tensor NAME=[TYPE:]SHAPE              another type or shape, or one tensor more; SHAPE as 4x8
    --drop NAME                             one tensor less
    --shards                                in two files with an index
    --patch AT=HEX, --truncate BYTES        damage the weights' file; AT below 0 counts from its end

All weights are zero: no test of this folder gets as far as computing.
"""
import argparse
import json
import math
import pathlib
import struct

CONFIG = {"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2,
          "num_key_value_heads": 1, "head_dim": 4, "vocab_size": 16, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
          "max_position_embeddings": 32, "tie_word_embeddings": False, "hidden_act": "silu", "torch_dtype": "float32"}
CLASSES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}

METADATA = {"block_count": 1, "embedding_length": 8, "feed_forward_length": 12, "attention.head_count": 2,
            "attention.head_count_kv": 1, "attention.key_length": 4, "context_length": 32,
            "attention.layer_norm_rms_epsilon": 1e-05}

BYTES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "U8": 1}
GGML_IDS = {"F32": 0, "F16": 1, "BF16": 30, "I64": 27}


def tensors_of(family):
    """{Hugging Face name: (GGUF name, shape)}, rows first."""
    layer, blk = "model.layers.0.", "blk.0."
    tensors = {
        "model.embed_tokens.weight": ("token_embd.weight", [16, 8]),
        layer + "input_layernorm.weight": (blk + "attn_norm.weight", [8]),
        layer + "self_attn.q_proj.weight": (blk + "attn_q.weight", [8, 8]),
        layer + "self_attn.k_proj.weight": (blk + "attn_k.weight", [4, 8]),
        layer + "self_attn.v_proj.weight": (blk + "attn_v.weight", [4, 8]),
        layer + "self_attn.o_proj.weight": (blk + "attn_output.weight", [8, 8]),
        layer + "post_attention_layernorm.weight": (blk + "ffn_norm.weight", [8]),
        layer + "mlp.gate_proj.weight": (blk + "ffn_gate.weight", [12, 8]),
        layer + "mlp.up_proj.weight": (blk + "ffn_up.weight", [12, 8]),
        layer + "mlp.down_proj.weight": (blk + "ffn_down.weight", [8, 12]),
        "model.norm.weight": ("output_norm.weight", [8]),
        "lm_head.weight": ("output.weight", [16, 8]),
    }
    for short, rows in ("q", 8), ("k", 4), ("v", 4):
        if family == "qwen2":
            tensors[f"{layer}self_attn.{short}_proj.bias"] = (f"{blk}attn_{short}.bias", [rows])
        if family == "qwen3" and short != "v":
            tensors[f"{layer}self_attn.{short}_norm.weight"] = (f"{blk}attn_{short}_norm.weight", [4])
    return tensors


def edited_tensors(arguments, names):
    """{name: (type, shape)} after --tensor and --drop; types are names, or the number of a ggml type."""
    tensors = {name: ("F32", shape) for name, shape in names.items()}
    for edit in arguments.tensor:
        name, _, value = edit.partition("=")
        kind, _, shape = value.rpartition(":")
        tensors[name] = (kind or "F32", [int(n) for n in shape.split("x")])
    for name in arguments.drop:
        del tensors[name]
    return tensors


def size_of(kind, shape):
    return BYTES.get(kind, 4) * math.prod(shape)


def safetensors(tensors):
    header, at = {}, 0
    for name, (kind, shape) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + size_of(kind, shape)]}
        at += size_of(kind, shape)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def gguf_string(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_value(value):
    """Strings, bools, integers as u32 or i64, floats as f32."""
    if isinstance(value, str):
        return struct.pack("<I", 8) + gguf_string(value)
    if isinstance(value, bool):
        return struct.pack("<IB", 7, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    return struct.pack("<II", 4, value) if 0 <= value < 1 << 32 else struct.pack("<Iq", 11, value)


def gguf(metadata, tensors):
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(gguf_string(key) + gguf_value(value) for key, value in metadata.items())
    data = b""
    for name, (kind, shape) in tensors.items():
        head += gguf_string(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        head += struct.pack("<IQ", GGML_IDS[kind] if kind in GGML_IDS else int(kind), len(data))
        data += bytes(-(-size_of(kind, shape) // 32) * 32)
    return head + bytes(-len(head) % 32) + data


def damaged(data, arguments):
    data = bytearray(data)
    for patch in arguments.patch:
        at, _, value = patch.partition("=")
        value, at = bytes.fromhex(value), int(at) % len(data)
        data[at:at + len(value)] = value
    return bytes(data[:arguments.truncate])


def edited_config(arguments, config):
    for edit in arguments.set:
        key, _, value = edit.partition("=")
        config[key] = json.loads(value)
    for key in arguments.unset:
        del config[key]
    return config


def write_directory(path, arguments):
    path.mkdir(parents=True, exist_ok=True)
    for old in path.iterdir():
        old.unlink()
    config = edited_config(arguments, {**CONFIG, "architectures": [CLASSES[arguments.family]]})
    (path / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tensors = edited_tensors(arguments, {name: shape for name, (_, shape) in tensors_of(arguments.family).items()})
    if not arguments.shards:
        (path / "model.safetensors").write_bytes(damaged(safetensors(tensors), arguments))
        return
    places = {}
    for i, half in enumerate((list(tensors)[:6], list(tensors)[6:])):
        file = f"model-{i + 1:05}-of-00002.safetensors"
        (path / file).write_bytes(safetensors({name: tensors[name] for name in half}))
        places.update(dict.fromkeys(half, file))
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}, indent=2))


def write_gguf(path, arguments):
    family = arguments.family
    metadata = {"general.architecture": family, **{f"{family}.{key}": value for key, value in METADATA.items()}}
    tensors = edited_tensors(arguments, dict(tensors_of(family).values()))
    path.write_bytes(damaged(gguf(edited_config(arguments, metadata), tensors), arguments))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=pathlib.Path)
    parser.add_argument("--family", choices=sorted(CLASSES), default="llama")
    for flag in "--set", "--unset", "--tensor", "--drop", "--patch":
        parser.add_argument(flag, action="append", default=[])
    parser.add_argument("--shards", action="store_true")
    parser.add_argument("--truncate", type=int)
    arguments = parser.parse_args()
    (write_gguf if arguments.path.suffix == ".gguf" else write_directory)(arguments.path, arguments)


if __name__ == "__main__":
    main()
