# SPDX-License-Identifier: Apache-2.0
"""Makes smollm2/: what transformers says of SmolLM2-135M-Instruct, from the weights of its GGUF file, dequantized,
in float32. The tokenizer is Hugging Face's `tokenizers` with the file's vocabulary and SmolLM's pre-tokenizer.

    logits.safetensors   ids i32[T] of the first lines of text.txt; positions i32[P], logits f16[P, vocab] of a few of
                         them; top_ids i32[T, 32] and top_logits f32[T, 32] of every position
    reference.json       `continuations` of chat prompts: text, prompt_ids, tokens, the margin of each greedy choice
                         (best logit less the second, in standard deviations of the row), the second best tokens;
                         `perplexity` of ../text.txt: windows of `context` tokens that do not overlap, the last one
                         shorter, the first token of each not scored, exp(sum of -log p / count)

Usage: smollm2.py SmolLM2-135M-Instruct.Q4_1.gguf
"""
import json
import sys
from pathlib import Path

import gguf
import jinja2
import numpy as np
import tokenizers
import torch
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM

import gguf_file
import reference

HERE = Path(__file__).parent
CONTEXT = 1024
PROMPTS = [
    "What is the capital of France?",
    "Why is the sky blue?",
    "Write a haiku about the sea.",
    "Explain what a compiler does to a ten year old.",
    "List three uses of a paper clip.",
    "What is 12 times 7?",
    "Who wrote Romeo and Juliet?",
    "Translate 'good morning' into Spanish.",
    "Give me a recipe for pancakes.",
    "Write a Python function that returns the larger of two numbers.",
    "How do plants make food?",
    "Name the planets of the solar system in order.",
    "What should I pack for a weekend in the mountains?",
    "Summarize: The quick brown fox jumps over the lazy dog. The dog does not wake up.",
    "Tell me a short story about a lighthouse.",
    "What is the difference between a virus and a bacterium?",
    "Is a tomato a fruit or a vegetable?",
    "Write a polite email that declines an invitation.",
    "Größe, naïve, 東京, 🙂: what do these have in common?",
    "Count from 1 to 10.",
]


def read_model(reader):
    """The GGUF as a transformers model in float32."""
    def key(name):
        return reader.fields[f"llama.{name}"].contents()

    config = LlamaConfig(hidden_size=key("embedding_length"), intermediate_size=key("feed_forward_length"),
                         num_hidden_layers=key("block_count"), num_attention_heads=key("attention.head_count"),
                         num_key_value_heads=key("attention.head_count_kv"), vocab_size=key("vocab_size"),
                         rms_norm_eps=key("attention.layer_norm_rms_epsilon"), tie_word_embeddings=True,
                         rope_parameters=dict(rope_type="default", rope_theta=key("rope.freq_base")),
                         max_position_embeddings=key("context_length"), attn_implementation="eager")
    model = LlamaForCausalLM(config).eval()
    names = [n for n in model.state_dict() if n != "lm_head.weight"]
    tensors, _ = gguf_file.read(sys.argv[1], config, names)
    left = model.load_state_dict({n: torch.from_numpy(a) for n, a in tensors.items()}, strict=False)
    assert left.missing_keys in ([], ["lm_head.weight"]) and not left.unexpected_keys, left
    return model


def read_tokenizer(reader):
    def key(name):
        return reader.fields[f"tokenizer.ggml.{name}"].contents()

    words, kinds = key("tokens"), key("token_type")
    merges = [tuple(m.split(" ")) for m in key("merges")]
    t = tokenizers.Tokenizer(tokenizers.models.BPE({w: i for i, w in enumerate(words)}, merges))
    pre = tokenizers.pre_tokenizers
    t.pre_tokenizer = pre.Sequence([pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=False)])
    t.decoder = tokenizers.decoders.ByteLevel()
    control = [tokenizers.AddedToken(w, special=True) for w, k in zip(words, kinds) if k == gguf.TokenType.CONTROL]
    t.add_special_tokens(control)
    assert t.get_vocab_size() == len(words)
    return t


def chat(reader, text):
    """The prompt as the model's own template puts it."""
    env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    template = env.from_string(reader.fields["tokenizer.chat_template"].contents())
    return template.render(messages=[dict(role="user", content=text)], add_generation_prompt=True)


def perplexity(model, ids):
    total, count, windows = 0.0, 0, []
    for start in range(0, len(ids), CONTEXT):
        window = ids[start:start + CONTEXT]
        if len(window) < 2:
            break
        logp = torch.log_softmax(torch.from_numpy(reference.logits(model, window)).double(), -1)
        nll = -logp[torch.arange(len(window) - 1), torch.tensor(window[1:])].sum().item()
        total, count = total + nll, count + len(window) - 1
        windows.append(dict(tokens=len(window), nll=nll))
    return dict(context=CONTEXT, tokens=len(ids), scored=count, value=float(np.exp(total / count)), windows=windows)


def write_logits(model, ids):
    rows = reference.logits(model, ids)
    top = np.argsort(-rows, axis=-1, kind="stable")[:, :32].astype(np.int32)
    positions = np.array([7, len(ids) // 2, len(ids) - 1], np.int32)
    save_file(dict(ids=np.array(ids, np.int32), positions=positions, logits=rows[positions].astype(np.float16),
                   top_ids=top, top_logits=np.take_along_axis(rows, top, -1)), HERE / "smollm2/logits.safetensors")


def main():
    reader = gguf.GGUFReader(sys.argv[1])
    tokenizer, model = read_tokenizer(reader), read_model(reader)
    text = tokenizer.encode((HERE / "text.txt").read_text()).ids
    write_logits(model, text[:96])
    answers = []
    for prompt in PROMPTS:
        ids = tokenizer.encode(chat(reader, prompt)).ids
        tokens, margins, seconds = reference.greedy(model, ids, 32)
        answers.append(dict(prompt=prompt, prompt_ids=ids, tokens=tokens.tolist(), seconds=seconds.tolist(),
                            margins=[round(float(m), 4) for m in margins], text=tokenizer.decode(tokens.tolist())))
        print(f"{margins.min():.4f} {prompt} -> {answers[-1]['text']!r}", flush=True)
    result = dict(model="SmolLM2-135M-Instruct.Q4_1.gguf", continuations=answers, perplexity=perplexity(model, text))
    print(result["perplexity"])
    lines = json.dumps(result, ensure_ascii=False, indent=1)
    (HERE / "smollm2/reference.json").write_text(lines + "\n")


if __name__ == "__main__":
    main()
