#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every check that needs a GPU, on the machine's first one. Needs a driver, NVRTC 13, a C++ compiler, and Python with
# numpy, torch and transformers.
#
#   tests/gpu/run.sh [--sinter BIN] [--smollm2 GGUF] [--models NAME,...] [--steps N] [--limit SECONDS] [SUITE ...]
#
# Suites: matvec, matmul, and so on for each NAME_test.py of this folder; sanitizer, which repeats small cases of the
# kernels under compute-sanitizer. Without a name all run; smollm2 and engine only if there is a GGUF file.
# Prints a line a suite, what a suite that failed has printed, and the sums: `N passed, N failed`.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
sinter=$here/../../build/bin/sinter smollm2=${SMOLLM2_GGUF:-} models=() steps=10000 limit=600 suites=()
while [ $# -gt 0 ]; do
  case $1 in
    --sinter) sinter=$2; shift 2 ;;
    --smollm2) smollm2=$2; shift 2 ;;
    --models) models=(--models "$2"); shift 2 ;;
    --steps) steps=$2; shift 2 ;;
    --limit) limit=$2; shift 2 ;;
    -*) echo "run.sh: unknown option $1" >&2; exit 1 ;;
    *) suites+=("$1"); shift ;;
  esac
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
whole=(models smollm2 engine)
kernels=()
for test in "$here"/*_test.py; do
  name=$(basename "$test" _test.py)
  [[ " ${whole[*]} " = *" $name "* ]] || kernels+=("$name")
done
if [ ${#suites[@]} = 0 ]; then
  suites=("${kernels[@]}" sanitizer models)
  [ -n "$smollm2" ] && suites+=(smollm2 engine)
fi

packer() { # what matvec packs its weights with
  [ -f "$work/pack.so" ] ||
    ${CXX:-c++} -std=c++20 -O2 -shared -fPIC -I"$here/../.." "$here/pack.cpp" -o "$work/pack.so"
  echo "$work/pack.so"
}

arguments() { # of a suite, one a line
  case $1 in
    matvec) printf '%s\n' --packer "$(packer)" ;;
    models) printf '%s\n' --sinter "$sinter" "${models[@]}" ;;
    smollm2) printf '%s\n' --sinter "$sinter" --model "$smollm2" ;;
    engine) printf '%s\n' --sinter "$sinter" --model "$smollm2" --steps "$steps" ;;
  esac
}

passed=0 failed=0
suite() { # NAME COMMAND...: runs it and adds up what it says
  local name=$1 start=$SECONDS code=0 ok bad
  shift
  timeout -k 2 "$limit" "$@" >"$work/log" 2>&1 || code=$?
  read -r ok bad < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$work/log" | tail -n 1) || true
  ok=${ok:-0} bad=${bad:-0}
  if [ "$code" != 0 ] && [ "$bad" = 0 ] || [ "$ok$bad" = 00 ]; then bad=1; fi # it crashed, or ran nothing
  printf '%-28s %5d passed %4d failed %6d s\n' "$name" "$ok" "$bad" $((SECONDS - start))
  if [ "$bad" != 0 ]; then
    grep -vE '^(PASS|ok) ' "$work/log" | tail -n 60
  elif [[ " ${whole[*]} " = *" $name "* ]]; then
    cat "$work/log" # measurements
  fi
  passed=$((passed + ok)) failed=$((failed + bad))
}

sanitize() { # every kernel test that has small cases
  local tool sanitizer
  sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
  [ -n "$sanitizer" ] || { echo "no compute-sanitizer: nothing is run under it"; return; }
  for tool in memcheck racecheck; do
    for name in "${kernels[@]}"; do
      grep -q 'small=' "$here/${name}_test.py" || continue
      mapfile -t more < <(arguments "$name")
      suite "$tool $name" "$sanitizer" --tool "$tool" --error-exitcode 3 python3 "$here/${name}_test.py" "${more[@]}" \
        --small
    done
  done
}

for name in "${suites[@]}"; do
  if [ "$name" = sanitizer ]; then
    sanitize
    continue
  fi
  mapfile -t more < <(arguments "$name")
  suite "$name" python3 "$here/${name}_test.py" "${more[@]}"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
