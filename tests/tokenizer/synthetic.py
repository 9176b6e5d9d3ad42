# SPDX-License-Identifier: Apache-2.0
"""Tokenizers made up to reach what the published ones do not use: strip flags, whole-word and normalized added tokens,
every split behaviour, other normal forms, characters with byte fallback, user-defined pieces, no byte fallback."""
import json

import tokenizers
from tokenizers import AddedToken, Regex, decoders, normalizers, pre_tokenizers, processors

import make_corpus
from vocabularies import Vocabulary, sentence_piece as piece_vocabulary, trained_piece_model

AWKWARD = [
    AddedToken("<lstrip>", lstrip=True, normalized=False), AddedToken("<rstrip>", rstrip=True, normalized=False),
    AddedToken("<both>", lstrip=True, rstrip=True, normalized=False),
    AddedToken("word", single_word=True, normalized=False), AddedToken("été", normalized=True),
    AddedToken("The", single_word=True, normalized=True), AddedToken("<|im", normalized=False),
    AddedToken("<|im_start|>", normalized=False, special=True), AddedToken("  ", normalized=False),
    AddedToken(" hello", normalized=True, rstrip=True), AddedToken("Ġé", normalized=False),
    AddedToken("中", normalized=False, lstrip=True, special=True),
]


def model_of(reference):
    model = json.loads(reference.to_str())["model"]
    return dict(vocab=model["vocab"], merges=[tuple(m) if isinstance(m, list) else tuple(m.split(" "))
                                              for m in model["merges"]])


def variant(name, model, pre_tokenizer, normalizer=None, added=(), post=None):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens(list(added))
    if post:
        tokenizer.post_processor = post
    return Vocabulary(name, tokenizer)


def hugging_face(reference):
    model = model_of(reference)
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    sequence = lambda *steps: pre_tokenizers.Sequence([*steps, bytes_only])
    split = lambda pattern, behavior, invert=False: pre_tokenizers.Split(pattern, behavior, invert)
    yield variant("gpt2", model, pre_tokenizers.ByteLevel(add_prefix_space=True))
    yield variant("added-tokens", model, pre_tokenizers.ByteLevel(add_prefix_space=False), normalizers.NFC(), AWKWARD,
                  processors.RobertaProcessing(("!", 0), ("<|im_start|>", 2)))
    yield variant("added-tokens-prefix", model, pre_tokenizers.ByteLevel(add_prefix_space=True), normalizers.NFKD(),
                  AWKWARD)
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        for invert in (False, True):
            yield variant(f"split-{behavior}{'-inverted' if invert else ''}", model,
                          sequence(split(Regex(r"\s|\p{P}"), behavior, invert)), normalizers.NFKC())
    yield variant("literal-split", model, sequence(split(".", "merged_with_previous"), split("e", "isolated"),
                                                   pre_tokenizers.Digits(individual_digits=False)), normalizers.NFD())
    yield variant("classes", model, sequence(split(Regex(r"\w+|[^\w\s]+"), "isolated"), split(Regex(r"\S\d?"), "isolated")))
    yield variant("deepseek", model, sequence(
        split(Regex("[\r\n]"), "isolated"),
        split(Regex(r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+"), "isolated"),
        split(Regex(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"), "isolated"), split(Regex(r"\s+$"), "isolated"),
        split(Regex("[一-龥ࠀ-一가-퟿]+"), "isolated"), pre_tokenizers.Digits(individual_digits=True)))
    yield variant("o200k", model, sequence(split(Regex(
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated")))
    yield variant("scripts", model, sequence(split(Regex(r"\p{Han}+|\p{Hiragana}+|\P{Latin}"), "isolated")))
    yield characters()


def characters():
    """Llama 2's shape: merges over characters, spaces as U+2581, unknown characters as bytes."""
    texts = ["the quick brown fox jumps over the lazy dog", "hello world, hello there", "été à la plage", "1234 5678"]
    trained = tokenizers.Tokenizer(tokenizers.models.BPE())
    trained.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>", "<s>", "</s>"] +
                                             [f"<0x{b:02X}>" for b in range(256)], show_progress=False)
    trained.train_from_iterator(texts * 20, trainer)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(**model_of(trained), unk_token="<unk>", fuse_unk=True,
                                                           byte_fallback=True))
    tokenizer.normalizer = trained.normalizer
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(content=" ", left=1)])
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return Vocabulary("characters", tokenizer)


def sentence_piece():
    texts = make_corpus.SENTENCES + [line for code in make_corpus.CODE for line in code.split("\n")]
    symbols = ["<sep>", "hello", "▁▁▁", "été", "<|im_start|>", "12"]
    train = lambda **options: trained_piece_model([t for t in texts if t] * 4, **options)
    yield piece_vocabulary("user-defined", train(byte_fallback=True, user_defined_symbols=symbols))
    yield piece_vocabulary("no-fallback", train(byte_fallback=False, add_dummy_prefix=False))
