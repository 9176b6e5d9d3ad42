#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles a model, asks it something, and says what that took.

    demo.py --sinter BIN --model FILE -o EXE PROMPT
"""
import argparse
import json
import subprocess
import sys
import time


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sinter", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("-o", dest="output", required=True)
    parser.add_argument("prompt")
    arguments = parser.parse_args()

    start = time.monotonic()
    compiled = subprocess.run([arguments.sinter, "compile", arguments.model, "-o", arguments.output])
    if compiled.returncode:
        sys.exit(compiled.returncode)
    compile_seconds = time.monotonic() - start

    command = [arguments.output, "run", arguments.prompt, "--max-tokens", "96", "--temperature", "0", "--json"]
    start = time.monotonic()
    answered = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    run_seconds = time.monotonic() - start
    if answered.returncode:
        sys.exit(answered.returncode)
    result = json.loads(answered.stdout)
    timings, tokens = result["timings"], len(result["token_ids"])
    if not result["text"].strip():
        sys.exit("the model gave an empty answer")
    with open(arguments.output, "rb") as executable:
        size = executable.seek(0, 2)
    print(f"\n> {arguments.prompt}\n{result['text'].strip()}\n")
    print(f"compile time         {compile_seconds:.1f} s")
    print(f"executable           {size / 2**20:.1f} MiB")
    print(f"time to first token  {timings['time_to_first_token'] * 1000:.0f} ms "
          f"({result['prompt_tokens']} prompt tokens; the whole process took {run_seconds:.2f} s)")
    print(f"generation           {(tokens - 1) / timings['decode']:.0f} tokens/s ({tokens} tokens)")


if __name__ == "__main__":
    main()
