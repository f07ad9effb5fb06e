"""Regenerates the golden files: `python oracle/make.py` for all of them, `python oracle/make.py adamw20` for some."""

import hashlib
import importlib
import json
import platform
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from transformers.utils import logging

from families import FAMILIES

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
MAKERS = {  # fixture: module, then what make() takes besides the folder
    "llama-tiny": ("llama_tiny",),
    "llama-tiny-untied": ("llama_tiny_untied",),
    "adamw20": ("adamw20",),
    "optimizers": ("optimizers",),
    "curvature": ("curvature",),
    "curvature-dense": ("curvature_dense",),
    "next-token": ("next_token",),
    "stories15m": ("stories15m",),
    "trl-sigmoid": ("trl_dpo", "sigmoid"),
    "trl-ipo": ("trl_dpo", "ipo"),
    "trl-losses": ("trl_losses",),
    "trl-rollouts": ("trl_rollouts",),
    "trl-reward": ("trl_reward",),
    "peft-lora": ("peft_lora",),
    "text": ("text",),
    "tokenizer-steps": ("tokenizer_steps",),
    "jinja": ("jinja",),
    "sampling": ("sampling",),
    "rope": ("rope",),
    **{f"family-{name.replace('_', '-')}": ("families", name) for name in FAMILIES},
    "edits": ("edits",),
    "merge": ("merge",),
    "gguf-quants": ("gguf_quants",),
    "gguf-tiny": ("gguf_tiny",),
    "gguf-families": ("gguf_families",),
    "sentencepiece-tiny": ("sentencepiece_tiny",),
    "interchange": ("interchange",),
    "stitch": ("stitch",),
    "probes": ("probes",),
    "lenses": ("lenses",),
    "causes": ("causes",),
    "sae-lens": ("sae_lens_folders",),
    "autoencoder": ("autoencoder",),
    "shutdown": ("shutdown",),
    "inspect": ("inspect_log",),
    "peft-rslora": ("peft_variants", "rslora"),
    "peft-dora": ("peft_variants", "dora"),
    "peft-dropout": ("peft_variants", "dropout"),
}
PACKAGES = ["torch", "transformers", "tokenizers", "trl", "peft", "safetensors", "numpy", "sentencepiece", "gguf", "scikit-learn", "concept-erasure", "sae-lens", "mergekit", "curvlinops-for-pytorch", "inspect-ai"]


def main(names):
    unknown = [n for n in names if n not in MAKERS]
    if unknown:
        sys.exit(f"make.py: a fixture's name must be one of {', '.join(MAKERS)}, got {', '.join(unknown)}")
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    path = FIXTURES / "manifest.json"
    manifest = json.loads(path.read_text()) if path.exists() else {}
    for name in names or MAKERS:
        module, *choices = MAKERS[name]
        maker = importlib.import_module(module)
        folder = FIXTURES / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        maker.make(folder, *choices)
        for f in folder.rglob("*.safetensors"):
            f.chmod(0o644)
        manifest[name] = {
            "about": maker.__doc__.strip(),
            "generator": f"oracle/{module}.py",
            "seed": maker.SEED,
            "versions": {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
            "files": {f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.rglob("*")) if f.is_file()},
        }
        ordered = {n: manifest[n] for n in MAKERS if n in manifest}
        path.write_text(json.dumps(ordered, indent=1) + "\n")
        print(f"{name}: {sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 1024:.0f} kB", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
