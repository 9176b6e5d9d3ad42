# SPDX-License-Identifier: Apache-2.0
"""vLLM and its FlashAttention on the same work. They are run by a script that this repository does not have:

    SCRIPT bench MODELDIR OUT.json --do lat,batch,prefill,thr1000-128-128 --reps N --args JSON

starts one engine on dummy weights of MODELDIR/config.json and writes milliseconds and tokens a second to OUT.json after
each part, so that a run that is cut off leaves what it has;

    SCRIPT fa3 OUT.json

writes microseconds of FlashAttention-3, for prompts and for steps with a paged cache."""
import json
import shutil
import statistics

import work


def measure(run, script, model, folder, timeout):
    """The peer's numbers in our terms: (kind, size) -> value, as far as it came. `run` starts a process."""
    home = folder / f"peer-{model}"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(work.CONFIGS / f"{model}.json", home / "config.json")
    out = home / "out.json"
    requests = "-".join(map(str, work.REQUESTS))
    todo = f"lat,prefill,thr{requests},batch" if model == work.MAIN else "lat"
    run([script, "bench", home, out, "--do", todo, "--reps", "1", "--args",
         json.dumps({"max_num_seqs": 1024})], timeout, f"peer, {model}")
    return translate(json.loads(out.read_text())) if out.exists() else {}


def translate(found):
    values = {("version", 0): found.get("version"), ("start", 0): found.get("t_launch_to_first_token_s")}
    if "lat_ms_per_token" in found:
        values["decode", 1] = found["lat_ms_per_token"]
    for sequences, batch in found.get("batch", {}).items():
        values["decode", int(sequences)] = statistics.median(batch["ms_mean"])
    for length, times in found.get("prefill", {}).items():
        values["prompt", int(length)] = statistics.median(times)
    for name, result in found.items():
        if name.startswith("thr"):
            values["requests", work.REQUESTS[0]] = result["out_tok_s"]
    return {key: value for key, value in values.items() if value is not None}


def attention(run, script, folder, timeout):
    """The file that benchmarks/gpu/attention.py reads; None if there is none."""
    out = folder / "fa3.json"
    run([script, "fa3", out], timeout, "FlashAttention-3")
    return out if out.exists() else None
