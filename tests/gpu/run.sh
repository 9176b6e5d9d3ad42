#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every check that needs a GPU, on the machine's first one. Needs a driver, NVRTC 13, a C++ compiler, and Python with
# numpy, torch and transformers.
#
#   tests/gpu/run.sh [--sinter BIN] [--smollm2 GGUF] [--models NAME,...] [--steps N] [--limit SECONDS] [--jobs N]
#                    [SUITE ...]
#
# Suites: matvec, matmul, and so on for each NAME_test.py of this folder; kernels, which is those of kernels; sanitizer,
# which repeats small cases of them under compute-sanitizer. Without a name all run; smollm2 and engine only if there is
# a GGUF file. --jobs suites of kernels run at once; after them whole models (families, models, smollm2, engine), which
# measure memory or fill it, and what loses the GPU on purpose (decode_step_withheld) run alone.
# Prints a line a suite as it ends, what a suite that failed has printed, and the sums: `N passed, N failed`.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
sinter=$here/../../build/bin/sinter smollm2=${SMOLLM2_GGUF:-} models=() steps=10000 limit=600 jobs=4 names=()
while [ $# -gt 0 ]; do
  case $1 in
    --sinter) sinter=$2; shift 2 ;;
    --smollm2) smollm2=$2; shift 2 ;;
    --models) models=(--models "$2"); shift 2 ;;
    --steps) steps=$2; shift 2 ;;
    --limit) limit=$2; shift 2 ;;
    --jobs) jobs=$2; shift 2 ;;
    -*) echo "run.sh: unknown option $1" >&2; exit 1 ;;
    *) names+=("$1"); shift ;;
  esac
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
whole=(decode_step_withheld families models smollm2 engine)
kernels=()
for test in "$here"/*_test.py; do
  name=$(basename "$test" _test.py)
  [[ " ${whole[*]} " = *" $name "* ]] || kernels+=("$name")
done
if [ ${#names[@]} = 0 ]; then
  names=(kernels sanitizer decode_step_withheld families models)
  [ -n "$smollm2" ] && names+=(smollm2 engine)
fi

sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
sanitized() { # the suites that compute-sanitizer repeats
  [ -n "$sanitizer" ] || { echo "no compute-sanitizer: nothing is run under it" >&2; return; }
  for tool in memcheck racecheck; do
    for name in "${kernels[@]}"; do
      ! grep -q 'small=' "$here/${name}_test.py" || echo "$tool-$name"
    done
  done
}

suites=()
for name in "${names[@]}"; do
  case $name in
    kernels) suites+=("${kernels[@]}") ;;
    sanitizer) mapfile -t -O ${#suites[@]} suites < <(sanitized) ;;
    *) suites+=("$name") ;;
  esac
done

command_of() { # SUITE: its words, one a line
  local test=${1#memcheck-}
  test=${test#racecheck-}
  [ "$1" = "$test" ] || printf '%s\n' "$sanitizer" --tool "${1%%-*}" --error-exitcode 3
  printf '%s\n' python3 "$here/${test}_test.py"
  [ "$1" = "$test" ] || echo --small
  case $test in
    matvec) printf '%s\n' --packer "$work/pack.so" ;;
    decode_step_withheld) printf '%s\n' --sinter "$sinter" ;;
    families) printf '%s\n' --sinter "$sinter" ;;
    models) printf '%s\n' --sinter "$sinter" "${models[@]}" ;;
    smollm2) printf '%s\n' --sinter "$sinter" --model "$smollm2" ;;
    engine) printf '%s\n' --sinter "$sinter" --model "$smollm2" --steps "$steps" ;;
  esac
}

suite() { # SUITE: runs it, says what came out, and leaves the counts in a file
  local name=$1 start=$SECONDS code=0 ok bad words log=$work/$1.log
  mapfile -t words < <(command_of "$name")
  timeout -k 2 "$limit" "${words[@]}" >"$log" 2>&1 || code=$?
  read -r ok bad < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$log" | tail -n 1) || true
  ok=${ok:-0} bad=${bad:-0}
  if [ "$code" != 0 ] && [ "$bad" = 0 ] || [ "$ok$bad" = 00 ]; then bad=1; fi # it crashed, or ran nothing
  echo "$ok $bad" >"$work/$name.count"
  {
    printf '%-28s %5d passed %4d failed %6d s' "$name" "$ok" "$bad" $((SECONDS - start))
    case $code in 0 | 1) echo ;; 124 | 137) echo ", stopped after $limit s" ;; *) echo ", exit code $code" ;; esac
    if [ "$bad" != 0 ]; then
      grep -vE '^(PASS|ok) ' "$log" | tail -n 60
    elif [[ " ${whole[*]} " = *" $name "* ]]; then
      cat "$log" # measurements
    fi
  } >"$work/$name.report"
  cat "$work/$name.report" # in one piece, though others report too
}

if [[ " ${suites[*]}" = *matvec* ]]; then # what it packs its weights with
  ${CXX:-c++} -std=c++20 -O2 -shared -fPIC -I"$here/../.." "$here/pack.cpp" -o "$work/pack.so"
fi
for name in "${suites[@]}"; do
  [[ " ${whole[*]} " = *" $name "* ]] && continue
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
  suite "$name" &
done
wait
for name in "${suites[@]}"; do
  [[ " ${whole[*]} " = *" $name "* ]] && suite "$name"
done
cat "$work"/*.count | awk '{ passed += $1; failed += $2 }
  END { print passed + 0 " passed, " failed + 0 " failed"; exit !(passed && !failed) }'
