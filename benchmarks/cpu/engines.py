# SPDX-License-Identifier: Apache-2.0
"""The engines that are compared. Each offers the settings it can run under, and measures one of them in a child
process: tokens a second of every repetition, and the child's peak memory."""
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Work:
    threads: int
    prompt: int
    generate: int
    repetitions: int


def _child(command):
    """Standard output and peak resident bytes of a command that must succeed."""
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=errors)
        out = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            errors.seek(0)
            raise SystemExit(f"{' '.join(map(str, command))}: exit code {child.returncode}\n{errors.read().decode()}")
    return out.decode(), usage.ru_maxrss * 1024


def _rows(text):
    """Tokens a second of every repetition, from the JSON of llama-bench and ours: one row a test."""
    rows = json.loads(text[text.index("["):])
    return {"prompt" if row["n_prompt"] else "generate": row["samples_ts"] for row in rows}


class Sinter:
    """Ours: compiled once a file, then `bench` of the executable."""
    name, settings = "sinter", ("default",)

    def __init__(self, compiler, folder):
        self.compiler, self.folder = compiler, Path(folder)

    def prepare(self, model):
        subprocess.run([self.compiler, "compile", model, "-o", self._executable(model), "--target", "cpu"], check=True)

    def _executable(self, model):
        return self.folder / f"{Path(model).stem}.exe"

    def measure(self, model, setting, work):
        out, memory = _child([self._executable(model), "bench", "-p", work.prompt, "-n", work.generate,
                              "-r", work.repetitions, "--threads", work.threads, "--format", "json"])
        return _rows(out) | dict(memory=memory)


class LlamaCpp:
    """llama.cpp as PyPI's llama-cpp-python builds it, without and with flash attention."""
    name, settings = "llama.cpp", ("fa0", "fa1")

    def prepare(self, model):
        pass

    def measure(self, model, setting, work):
        script = Path(__file__).parent / "llamacpp_child.py"
        out, memory = _child([sys.executable, script, model, work.threads, work.prompt, work.generate, setting[2:],
                              work.repetitions])
        return json.loads(out.splitlines()[-1]) | dict(memory=memory)


class IkLlamaCpp:
    """ik_llama.cpp's llama-bench, with weights as they lie in the file and repacked at run time."""
    name, settings = "ik_llama.cpp", ("rtr0", "rtr1")

    def __init__(self, bench):
        self.bench = bench

    def prepare(self, model):
        pass

    def measure(self, model, setting, work):
        out, memory = _child([self.bench, "-m", model, "-t", work.threads, "-p", work.prompt, "-n", work.generate,
                              "-r", work.repetitions, "-rtr", setting[3:], "-o", "json"])
        return _rows(out) | dict(memory=memory)
