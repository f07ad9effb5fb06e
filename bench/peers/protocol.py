"""What both peers speak: one JSON command a line on stdin, one JSON answer a line on stdout; everything else goes to stderr.

{"cmd": "load", "model": FOLDER, "pairs": FILE, "threads": 2, "batch": 8, "lr": 1e-5, "beta": 0.1, "clip": 1.0, "adapter": FOLDER}
    reads the model and the tokenised pairs and computes the reference's log-probabilities; the last six fields may be left out; with an adapter, as PEFT
    saves it, that is trained and not the model
{"cmd": "steps", "from": 0, "count": 4}
    takes optimizer steps 0…3: step s has pairs s·batch … s·batch + batch - 1, around the end of the file and on
{"cmd": "peak"}
    the most memory the process has held
"""

import json
import os
import resource
import sys
from pathlib import Path

DEFAULTS = {"threads": 2, "batch": 8, "lr": 1e-5, "beta": 0.1, "clip": 1.0, "adapter": None}

_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def answer(value):
    _answers.write(json.dumps(value) + "\n")
    _answers.flush()


def commands():
    """The commands as they come; those that both peers answer alike are answered here."""
    for line in iter(sys.stdin.readline, ""):
        command = json.loads(line)
        if command["cmd"] == "peak":
            answer({"peakMemoryMB": peak_memory_mb()})
        else:
            yield {**DEFAULTS, **command} if command["cmd"] == "load" else command


def read_pairs(path):
    return [{key: row[key] for key in ("prompt_ids", "chosen_ids", "rejected_ids")} for row in map(json.loads, Path(path).read_text().splitlines())]


def peak_memory_mb():
    # ru_maxrss starts at the parent's size when a process is forked from a large one, so Linux is asked for its own mark.
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:")).split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024
