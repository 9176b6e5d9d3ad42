#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes ChatGoldens.h: the chat templates in templates/ as Jinja texts, and what jinja2, set up as transformers sets it
up, renders them to for the conversations below.

    make_chat_goldens.py > ../runtime/ChatGoldens.h
"""
import pathlib

from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATES = pathlib.Path(__file__).parent / "templates"
DATE = "05 Mar 2025"

CONVERSATIONS = [
    [("user", "Hello, how are you?")],
    [("system", "You are terse."), ("user", "Hello!")],
    [("system", "  Spaces around. \n"), ("user", "\n\tWhat is 2 + 2?  \n"), ("assistant", " 4 \n"), ("user", "And 3 + 3?")],
    [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")],
    [("user", "x"), ("system", "a late system message"), ("user", "y")],
    [("assistant", "I begin."), ("user", "Fine.")],
    [("user", "Think."), ("assistant", "<think>\nhm, hm\n</think>\n\nDone."), ("user", "Again."),
     ("assistant", "<think>\n\nlonger\nthoughts\n\n</think>\n\nDone again.")],
    [("user", "q"), ("assistant", "</think>odd"), ("assistant", "<think>a</think>b<think>c</think>d"), ("user", "r"),
     ("assistant", "no thoughts"), ("assistant", "<think>\n\n</think>\n\nfew")],
    [("user", "<tool_response>1</tool_response>"), ("assistant", "<think>t</think>u"), ("assistant", "v")],
    [("assistant", "alone"), ("assistant", "<think>\nz\n</think>\n\nagain")],
    [("user", "Quotes ' \" and \\ and <|im_end|> and {{ braces }} and {% tags %}")],
    [("user", "Unicode: \u00a0été\u3000 中文 😀\u2028")],
    [("system", ""), ("user", "")],
    [("user", "\x1c\x1d separators \x85")],
]

OPTIONS = [dict(), dict(add_generation_prompt=False), dict(enable_thinking=False)]


def render(source, messages, options):
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                extensions=["jinja2.ext.loopcontrols"])
    environment.globals["strftime_now"] = lambda form: DATE
    arguments = dict(add_generation_prompt=True, bos_token="<BOS>", eos_token="<EOS>") | options
    return environment.from_string(source).render(messages=[dict(role=r, content=c) for r, c in messages], **arguments)


def c_string(text):
    """A C++ literal: bytes that do not print in octal."""
    out = ""
    for byte in text.encode():
        char = chr(byte)
        out += "\\n" if char == "\n" else "\\" + char if char in "\"\\" else char if 32 <= byte < 127 else f"\\{byte:03o}"
    return f'"{out}"'.replace("??", "?\\?")


def main():
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted(TEMPLATES.glob("*.jinja"))}
    print("// SPDX-License-Identifier: Apache-2.0")
    print("// Written by tests/tokenizer/make_chat_goldens.py: what jinja2 renders. Not to be edited.")
    print("#pragma once\n#include <string_view>\n#include <utility>\n#include <vector>\n\nnamespace sinter::rt::goldens {\n")
    print("// clang-format off")
    print(f'inline constexpr std::string_view date = "{DATE}";\n')
    print("using Messages = std::vector<std::pair<std::string_view, std::string_view>>;\n")
    print("struct ChatGolden {\n  std::string_view model;\n  int conversation;\n  bool addGenerationPrompt, enableThinking;"
          "\n  std::string_view text;\n};\n")
    print("inline const std::vector<std::pair<std::string_view, std::string_view>> templates = {")
    for name, source in sources.items():
        print(f'    {{"{name}", {c_string(source)}}},')
    print("};\n\ninline const std::vector<Messages> conversations = {")
    for messages in CONVERSATIONS:
        print("    {" + ", ".join(f"{{{c_string(r)}, {sized(c)}}}" for r, c in messages) + "},")
    print("};\n\ninline const std::vector<ChatGolden> chatGoldens = {")
    for name, source in sources.items():
        for index, messages in enumerate(CONVERSATIONS):
            for options in OPTIONS if name != "unknown" else []:
                text = render(source, messages, options)
                flags = [str(options.get(k, True)).lower() for k in ("add_generation_prompt", "enable_thinking")]
                print(f'    {{"{name}", {index}, {", ".join(flags)}, {sized(text)}}},')
    print("};\n// clang-format on\n\n} // namespace sinter::rt::goldens")


def sized(text):
    return f"std::string_view({c_string(text)}, {len(text.encode())})"


if __name__ == "__main__":
    main()
