"""Interchange interventions on tiny models by plain hooks of torch: what is said, and the gradient of the loss with respect to the basis R."""

import torch
from transformers import AutoModelForCausalLM

from families import VOCAB
from tiny import store, write

SEED = 51
K = 2
BLOCK = {"llama": lambda m, i: m.model.layers[i], "gpt2": lambda m, i: m.transformer.h[i], "gemma2": lambda m, i: m.model.layers[i]}
ROWS = [
    dict(base=[1, 20, 5, 33, 7], source=[1, 41, 9, 2, 60], basePosition=2, sourcePosition=2, answer=11, wrong=4),
    dict(base=[1, 8, 44], source=[1, 30, 31, 32, 33, 34], basePosition=2, sourcePosition=4, answer=50, wrong=51),
    dict(base=[1, 70, 5, 12, 3], source=[1, 6], basePosition=4, sourcePosition=1, answer=9, wrong=77),
    dict(base=[1, 15, 16, 17, 18], source=[1, 15, 16, 17, 18], basePosition=1, sourcePosition=1, answer=3, wrong=2),
]
assert all(max(row["base"] + row["source"] + [row["answer"], row["wrong"]]) < VOCAB for row in ROWS)


def make(folder):
    tensors, families = {}, {}
    for family in BLOCK:
        model = AutoModelForCausalLM.from_pretrained(folder.parent / f"family-{family}", attn_implementation="eager", dtype=torch.float64).eval()
        model.requires_grad_(False)
        width = model.config.hidden_size
        rng = torch.Generator().manual_seed(SEED)
        basis = torch.linalg.qr(torch.randn(width, K, generator=rng, dtype=torch.float64))[0].T.contiguous()
        tensors[f"{family}.basis"] = basis.float()
        # What the tests read is rounded, and so is what is computed here.
        basis = basis.float().double().requires_grad_(True)
        families[family] = {}
        for tap, place in {"blocks.0.out": BLOCK[family](model, 0), "blocks.1.mlp.out": part(model, family)}.items():
            logits = torch.stack([interchanged(model, place, row, basis) for row in ROWS])
            answers, wrongs = (torch.tensor([row[name] for row in ROWS]) for name in ("answer", "wrong"))
            at = torch.arange(len(ROWS))
            logp = torch.log_softmax(logits, -1)[at, answers]
            (gradient,) = torch.autograd.grad(-logp.mean(), basis)
            tensors[f"{family}.{tap}.gradient"] = gradient.float()
            families[family][tap] = dict(difference=(logits[at, answers] - logits[at, wrongs]).tolist(), logp=logp.tolist())
    store(folder / "golden.safetensors", tensors)
    write(folder / "golden.json", {"about": "what is said after each base under an interchange along the rows of basis", "rows": ROWS, "families": families})


def part(model, family):
    """What adds the MLP's output to the stream: after its norm where there is one."""
    block = BLOCK[family](model, 1)
    return block.post_feedforward_layernorm if family == "gemma2" else block.mlp


def interchanged(model, place, row, basis):
    kept = {}

    def keep(_, __, out):
        kept["source"] = (out[0] if isinstance(out, tuple) else out)[0, row["sourcePosition"]].detach()

    hook = place.register_forward_hook(keep)
    model(torch.tensor([row["source"]]), use_cache=False)
    hook.remove()

    def put(_, __, out):
        x = out[0] if isinstance(out, tuple) else out
        at = row["basePosition"]
        moved = (kept["source"] - x[0, at]) @ basis.T @ basis
        y = torch.cat([x[:, :at], (x[:, at] + moved)[:, None], x[:, at + 1 :]], 1)
        return (y, *out[1:]) if isinstance(out, tuple) else y

    hook = place.register_forward_hook(put)
    logits = model(torch.tensor([row["base"]]), use_cache=False).logits[0, -1]
    hook.remove()
    return logits
