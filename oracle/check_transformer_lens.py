"""Compares taps with TransformerLens 4.3, and a Jacobian lens with its own fit, without weight processing.

    innate read taps --model FOLDER --prompts one.jsonl --taps 'blocks.*.out,blocks.*.attn.z' --to taps.safetensors
    innate read fit --kind jacobian --model FOLDER --prompts texts.jsonl --to lens.safetensors
    python oracle/check_transformer_lens.py FOLDER taps.safetensors [lens.safetensors texts.jsonl]

The file of taps holds one text, which is read as the same ids. Prints one JSON object: for each kind of tap the largest difference and the
largest number; for the lens the largest relative difference of a matrix, by the Frobenius norm. Needs transformer_lens 4.3 besides requirements.txt.
"""

import json
import sys

import numpy as np
import torch
from safetensors.numpy import load_file
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM, AutoTokenizer

HOOKS = {
    "out": "hook_resid_post",
    "mid": "hook_resid_mid",
    "attn.out": "hook_attn_out",
    "attn.z": "attn.hook_z",
    "attn.pattern": "attn.hook_pattern",
    "mlp.act": "mlp.hook_post",
    "mlp.out": "hook_mlp_out",
}


def bridge(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="eager")
    return TransformerBridge.boot_transformers(folder, hf_model=model, tokenizer=AutoTokenizer.from_pretrained(folder), device="cpu")


def compare_taps(model, path):
    ours = load_file(path)
    _, cache = model.run_with_cache(torch.tensor(ours["tokens"][None].astype(np.int64)))
    found = {}
    for name, x in ours.items():
        block, _, kind = name.removeprefix("blocks.").partition(".")
        if not name.startswith("blocks.") or kind not in HOOKS:
            continue
        theirs = cache[f"blocks.{block}.{HOOKS[kind]}"][0].detach().numpy()
        theirs = theirs.transpose(1, 0, 2) if kind == "attn.pattern" else theirs
        row = found.setdefault(kind, {"apart": 0.0, "largest": 0.0})
        row["apart"] = max(row["apart"], float(np.abs(x - theirs.reshape(x.shape)).max()))
        row["largest"] = max(row["largest"], float(np.abs(theirs).max()))
    return found


def compare_lens(model, path, texts):
    from transformer_lens.tools.analysis import JacobianLens

    ours = load_file(path)
    with open(texts) as lines:
        prompts = [json.loads(line)["text"] for line in lines]
    lens = JacobianLens.fit(model, prompts, corpus=texts, show_progress=False)
    theirs = {layer: matrix.float().numpy() for layer, matrix in lens.jacobians.items()}
    return max(float(np.linalg.norm(ours[f"J.{layer}"] - y) / np.linalg.norm(y)) for layer, y in theirs.items())


if __name__ == "__main__":
    folder, taps, *lens = sys.argv[1:]
    model = bridge(folder)
    print(json.dumps({"taps": compare_taps(model, taps), **({"jacobian": compare_lens(model, *lens)} if lens else {})}))
