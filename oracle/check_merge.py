"""Merges as mergekit does and holds a folder that Innate merged against it: check_merge.py CONFIG.yml FOLDER [CONFIG.yml FOLDER …].

A line for each: the largest difference, how many entries differ by more than 1e-5, and in how many tensors.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from safetensors.torch import load_file


def tensors(folder):
    return {k: v for f in Path(folder).glob("*.safetensors") for k, v in load_file(f).items()}


def main(pairs):
    for config, folder in zip(pairs[::2], pairs[1::2]):
        told = yaml.safe_load(Path(config).read_text())
        with tempfile.TemporaryDirectory() as out:
            start = time.perf_counter()
            run_merge(MergeConfiguration.model_validate(told), out, MergeOptions(quiet=True, write_model_card=False))
            seconds = time.perf_counter() - start
            wanted = tensors(out)
        found = tensors(folder)
        off = {k: (found[k].float() - v.float()).abs() for k, v in wanted.items()}
        print(
            json.dumps(
                {
                    "config": config,
                    "same tensors": found.keys() == wanted.keys(),
                    "largest": max(d.max().item() for d in off.values()),
                    "beyond": sum((d > 1e-5).sum().item() for d in off.values()),
                    "entries": sum(d.numel() for d in off.values()),
                    "in": [k for k, d in off.items() if d.max() > 1e-5],
                    "mergekit seconds": round(seconds, 2),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
