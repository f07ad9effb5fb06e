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


def patched(rows):
    """The effects of places at one site of one block, a text of a batch for each."""
    name = hooks[rows[0]["site"]].format(rows[0]["layer"])

    def put(tensor, hook):
        tensor = tensor.clone()
        for i, row in enumerate(rows):
            at = row["position"]
            if row["site"] == "heads":
                heads(tensor)[i, at, row["head"]] = heads(of_clean[name])[0, at, row["head"]]
            else:
                tensor[i, at] = of_clean[name][0, at]
        return tensor

    with torch.no_grad(), model.hooks(fwd_hooks=[(name, put)]):
        logits = model(corrupted.expand(len(rows), -1))[:, -1]
    return [(m.item() - m_corrupted) / gap for m in logits[:, answer] - logits[:, wrong]]


def attributed(row):
    name = hooks[row["site"]].format(row["layer"])
    along = (of_clean[name] - of_corrupted[name]).detach() * of_corrupted[name].grad
    if row["site"] == "heads":
        return heads(along)[0, row["position"], row["head"]].sum().item() / gap
    return along[0, row["position"]].sum().item() / gap


worst = {}
for kind, file, truth in (("patch", patch_file, patched), ("attribute", attribute_file, lambda rows: [attributed(row) for row in rows])):
    places = {}
    for row in map(json.loads, open(file)):
        places.setdefault((row["site"], row["layer"]), []).append(row)
    for (site, _), rows in places.items():
        apart = [abs(true - row["effect"]) for true, row in zip(truth(rows), rows, strict=True)]
        worst[f"{kind} {site}"] = max(worst.get(f"{kind} {site}", 0), *apart)
print(json.dumps({"clean": m_clean, "corrupted": m_corrupted, **worst}))
