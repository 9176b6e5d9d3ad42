# SPDX-License-Identifier: Apache-2.0
"""Tiny GGUF files, laid out as llama.cpp's converter lays real ones out, and their weights read back dequantized."""
import gguf
import numpy as np
from gguf import GGMLQuantizationType as Format

NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
         "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def gguf_name(name):
    """"model.layers.0.mlp.up_proj.weight" -> "blk.0.ffn_up.weight" """
    stem, _, kind = name.rpartition(".")
    if stem.startswith("model.layers."):
        _, _, layer, rest = stem.split(".", 3)
        return f"blk.{layer}.{NAMES[rest]}.{kind}"
    return f"{NAMES[stem]}.{kind}"


def _heads(config, name):
    """How many heads the rows of a Q or K matrix of a llama are permuted in; 0: not permuted."""
    if config.model_type != "llama":
        return 0
    return {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2], 0)


def permute(rows, heads):
    """Hugging Face rotates halves of a head, ggml's llama pairs of neighbours: rows (half, i) become (i, half)."""
    return rows.reshape(heads, 2, -1, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)


def unpermute(rows, heads):
    return rows.reshape(heads, -1, 2, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)


def _metadata(w, config, head_dim):
    w.add_name("golden")
    w.add_vocab_size(config.vocab_size)
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_rope_freq_base(config.rope_parameters["rope_theta"])
    w.add_rope_dimension_count(head_dim)
    w.add_key_length(head_dim)
    w.add_value_length(head_dim)


def rope_freqs(inv_freq, config, head_dim):
    """What divides each rotation's frequency, which is how GGUF states llama3 scaling."""
    plain = 1.0 / config.rope_parameters["rope_theta"] ** (np.arange(0, head_dim, 2) / head_dim)
    return (plain / inv_freq).astype(np.float32)


def write(path, config, tensors, fmt, freqs=None):
    """`tensors`: float32 in Hugging Face's names. Matrices go to `fmt`, vectors stay float32, as in real files."""
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    w = gguf.GGUFWriter(path, config.model_type)
    _metadata(w, config, head_dim)
    w.add_file_type(gguf.LlamaFileType.ALL_F32 if fmt == "F32" else gguf.LlamaFileType[f"MOSTLY_{fmt}"])
    if freqs is not None:
        w.add_tensor("rope_freqs.weight", freqs)
    for name, data in tensors.items():
        heads = _heads(config, name)
        data = permute(data, heads) if heads else data
        kind = Format[fmt] if data.ndim == 2 else Format.F32
        w.add_tensor(gguf_name(name), gguf.quants.quantize(data, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def read(path, config, names):
    """The tensors of a file, dequantized to float32, in Hugging Face's names and row order; and their formats."""
    found = {t.name: t for t in gguf.GGUFReader(path).tensors}
    tensors, formats = {}, {}
    for name in names:
        t = found[gguf_name(name)]
        data = gguf.quants.dequantize(t.data, t.tensor_type).reshape([int(n) for n in reversed(t.shape)])
        heads = _heads(config, name)
        tensors[name] = np.array(unpermute(data, heads) if heads else data, np.float32)
        formats[name] = t.tensor_type.name
    return tensors, formats


def quantize_with_llama_cpp(source, target, fmt):
    """PyPI's gguf dequantizes the K formats and does not write them; llama.cpp does, from a float32 file."""
    import llama_cpp
    types = {"Q4_K": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_S, "Q5_K": llama_cpp.LLAMA_FTYPE_MOSTLY_Q5_K_S,
             "Q6_K": llama_cpp.LLAMA_FTYPE_MOSTLY_Q6_K}
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread, params.pure = types[fmt], 1, True
    assert llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), params) == 0
