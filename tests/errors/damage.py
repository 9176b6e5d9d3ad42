#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a damaged copy of a compiled model (its payload: runtime/abi/Payload.h).

    damage.py IN OUT --flip SECTION AT      another byte; SECTION may be `table`
    damage.py IN OUT --cut SECTION BYTES    without that many bytes from the section's start
"""
import argparse
import shutil
import struct

SECTION = struct.Struct("<24sQQQ")
FOOTER = struct.Struct("<QQQQ8s")


def begin_of(data, name):
    table, count, _, _, _ = FOOTER.unpack_from(data, len(data) - FOOTER.size)
    if name == "table":
        return table
    for i in range(count):
        section, offset, _, _ = SECTION.unpack_from(data, table + i * SECTION.size)
        if section.rstrip(b"\0").decode() == name:
            return offset
    raise SystemExit(f"no section {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("copy")
    parser.add_argument("--flip", nargs=2, metavar=("SECTION", "AT"))
    parser.add_argument("--cut", nargs=2, metavar=("SECTION", "BYTES"))
    arguments = parser.parse_args()
    shutil.copy(arguments.source, arguments.copy)
    with open(arguments.copy, "rb") as file:
        data = bytearray(file.read())
    name, number = arguments.flip or arguments.cut
    at = begin_of(data, name)
    if arguments.flip:
        data[at + int(number)] ^= 1
    else:
        del data[at:at + int(number)]
    with open(arguments.copy, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main()
