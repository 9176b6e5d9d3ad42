#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every check of the CUDA kernels, on the machine's first GPU: needs a driver, NVRTC 13, numpy and a C++ compiler.
# compute-sanitizer runs over a small part where it is installed.
set -e
here=$(cd "$(dirname "$0")" && pwd)
packer=${TMPDIR:-/tmp}/sinter-pack-$$.so
trap 'rm -f "$packer"' EXIT
${CXX:-c++} -std=c++20 -O2 -shared -fPIC -I"$here/../.." "$here/pack.cpp" -o "$packer"
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
if [ -n "$sanitizer" ]; then
  "$sanitizer" --tool memcheck --error-exitcode 3 python3 "$here/matvec_test.py" --packer "$packer" --small
fi
python3 "$here/matvec_test.py" --packer "$packer" "$@"
