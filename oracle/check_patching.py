"""Activation and attribution patching by TransformerLens, against what `innate read patch --json` and `innate read attribute --json` print.

    python oracle/check_patching.py FOLDER patch.jsonl attribute.jsonl CLEAN_IDS CORRUPTED_IDS ANSWER_ID WRONG_ID

Prints the largest difference of each site as JSON. No weight processing, so that values are those of the checkpoint.
"""

import json
import sys

import torch
from transformer_lens.model_bridge import TransformerBridge

folder, patch_file, attribute_file, clean_ids, corrupted_ids, answer, wrong = sys.argv[1:]
torch.set_grad_enabled(True)
model = TransformerBridge.boot_transformers(folder, device="cpu", dtype=torch.float32)
model.eval()
clean, corrupted = (torch.tensor([json.loads(ids)]) for ids in (clean_ids, corrupted_ids))
answer, wrong = int(answer), int(wrong)
hooks = {"out": "blocks.{}.hook_resid_post", "attn.out": "blocks.{}.hook_attn_out", "mlp.out": "blocks.{}.hook_mlp_out", "heads": "blocks.{}.attn.hook_z"}


def metric(logits):
    return logits[0, -1, answer] - logits[0, -1, wrong]


def values(tokens, slopes=False):
    """Values at every hook, and where asked for the slope of the metric at each."""
    kept = {}

    def keep(name):
        def at(tensor, hook):
            # What goes on from here is what is kept, so that the slope arrives at it.
            kept[name] = tensor.clone()
            if slopes:
                kept[name].retain_grad()
            return kept[name]

        return at

    names = [name.format(layer) for name in hooks.values() for layer in range(model.cfg.n_layers)]
    wanted = [(name, keep(name)) for name in names]
    with model.hooks(fwd_hooks=wanted):
        m = metric(model(tokens))
    if slopes:
        m.backward()
    return m.item(), kept


with torch.no_grad():
    m_clean, of_clean = values(clean)
m_corrupted, of_corrupted = values(corrupted, slopes=True)
gap = m_clean - m_corrupted


def heads(x):
    return x.reshape(*x.shape[:2], model.cfg.n_heads, -1)


def patched(row):
    name = hooks[row["site"]].format(row["layer"])
    at = row["position"]

    def put(tensor, hook):
        tensor = tensor.clone()
        if row["site"] == "heads":
            heads(tensor)[:, at, row["head"]] = heads(of_clean[name])[:, at, row["head"]]
        else:
            tensor[:, at] = of_clean[name][:, at]
        return tensor

    with torch.no_grad(), model.hooks(fwd_hooks=[(name, put)]):
        return (metric(model(corrupted)).item() - m_corrupted) / gap


def attributed(row):
    name = hooks[row["site"]].format(row["layer"])
    along = (of_clean[name] - of_corrupted[name]).detach() * of_corrupted[name].grad
    if row["site"] == "heads":
        return heads(along)[0, row["position"], row["head"]].sum().item() / gap
    return along[0, row["position"]].sum().item() / gap


worst = {}
for kind, file, truth in (("patch", patch_file, patched), ("attribute", attribute_file, attributed)):
    for line in open(file):
        row = json.loads(line)
        key = f"{kind} {row['site']}"
        worst[key] = max(worst.get(key, 0), abs(truth(row) - row["effect"]))
print(json.dumps({"clean": m_clean, "corrupted": m_corrupted, **worst}))
