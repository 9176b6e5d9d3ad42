# SPDX-License-Identifier: Apache-2.0
"""What transformers says: logits, greedy continuations with the margin of every choice, errors of narrower types."""
import numpy as np
import torch


def logits(model, ids):
    """[T, vocab] logits of one prompt, in float32 unless the model is in float64."""
    with torch.no_grad():
        rows = model(torch.tensor([list(map(int, ids))])).logits[0]
    return (rows if rows.dtype == torch.float64 else rows.float()).numpy()


def greedy(model, ids, count):
    """`count` greedy tokens; for each the best logit less the second best, in standard deviations of the row; and the
    second best tokens."""
    ids, tokens, margins, seconds, past = list(map(int, ids)), [], [], [], None
    with torch.no_grad():
        for _ in range(count):
            out = model(torch.tensor([ids]), past_key_values=past, use_cache=True)
            row, past = out.logits[0, -1].float(), out.past_key_values
            top = torch.topk(row, 2)
            tokens.append(int(top.indices[0]))
            seconds.append(int(top.indices[1]))
            margins.append(float((top.values[0] - top.values[1]) / row.std()))
            ids = tokens[-1:]
    return np.array(tokens, np.int32), np.array(margins, np.float32), np.array(seconds, np.int32)


def error(a, b):
    """The measure of all these tests: the largest difference over the reference's standard deviation."""
    return float(np.abs(a - b).max() / b.std())


def rms(a, b):
    """The root of the mean squared difference, over the reference's standard deviation."""
    return float(np.sqrt(((a - b) ** 2).mean()) / b.std())


def check_layers_decide(model, ids, want):
    """A golden that a missing layer leaves alone is worth nothing: silencing any attention or MLP must show."""
    for layer in model.model.layers:
        for part in (layer.self_attn.o_proj, layer.mlp.down_proj):
            kept = part.weight.data.clone()
            part.weight.data.zero_()
            moved = error(logits(model, ids), want)
            part.weight.data.copy_(kept)
            assert moved > 0.3, f"silencing a layer moves the logits by {moved:.3f} only"


def check_rope_decides(model, ids, want):
    """Positions must matter, and so must the scaling of their frequencies where there is one."""
    rope, config = model.model.rotary_emb, model.config
    dim = 2 * rope.inv_freq.numel()
    plain = 1.0 / config.rope_parameters["rope_theta"] ** (torch.arange(0, dim, 2).float() / dim)
    scaled = config.rope_parameters["rope_type"] != "default"
    kept = rope.inv_freq, rope.attention_scaling
    rope.inv_freq, rope.attention_scaling = plain if scaled else plain * 0, 1.0
    moved = error(logits(model, ids), want)
    rope.inv_freq, rope.attention_scaling = kept
    assert moved > 0.1, f"without its rope the logits move by {moved:.3f} only"
