#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command that must fail as every user error does, and prints what it wrote to stderr.

    fails.py COMMAND ARGUMENT...

It must exit with 1, write nothing to stdout, write one line with "error: " whose message starts in lower case and has
no full stop, and leave everything in the working folder as it was: no output, no temporary file.
"""
import os
import re
import subprocess
import sys


def snapshot():
    """{path: (size, time)} of all that is in the working folder."""
    entries = {}
    for folder, _, names in os.walk("."):
        entries[folder] = None
        for name in names:
            status = os.lstat(os.path.join(folder, name))
            entries[os.path.join(folder, name)] = status.st_size, status.st_mtime_ns
    return entries


def complaints(result, before, after):
    if result.returncode != 1:
        yield f"expected exit status 1, found {result.returncode}"
    if result.stdout:
        yield f"expected nothing on stdout, found {result.stdout!r}"
    messages = re.findall(r"^(?:\S.*?: )?error: (.*)$", result.stderr, re.MULTILINE)
    if len(messages) != 1:
        yield f"expected one line with 'error: ', found {len(messages)}"
    for message in messages:
        if re.match("[A-Z][a-z]", message) or message.endswith("."):
            yield f"expected a message in lower case and without a full stop, found {message!r}"
    for path in sorted(before.keys() | after.keys()):
        if before.get(path, "none") != after.get(path, "none"):
            yield f"expected {path} to stay as it was"


def main():
    before = snapshot()
    result = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    print(result.stderr, end="", flush=True)
    found = list(complaints(result, before, snapshot()))
    for complaint in found:
        print(f"fails.py: {complaint}", file=sys.stderr)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
