"""lenses: the logit lens and the Jacobian lens of a small model of every family, by hooks and autograd in f64."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from families import FAMILIES
from tiny import write

SEED = 15
FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
LENGTH, SKIP = 12, 3


def parts(model):
    """The blocks and the last norm, whatever a family calls them."""
    body = model.base_model
    blocks = next(x for x in (getattr(body, name, None) for name in ("layers", "h")) if x is not None)
    last = next(x for x in (getattr(body, name, None) for name in ("norm", "ln_f", "final_layer_norm")) if x is not None)
    return blocks, last


def short(row):
    return [float(f"{x:.8g}") for x in row.tolist()]


def golden(name, ids):
    model = AutoModelForCausalLM.from_pretrained(FIXTURES / f"family-{name.replace('_', '-')}", dtype=torch.float64, attn_implementation="eager").eval()
    blocks, last = parts(model)
    seen = []
    for block in blocks:
        block.register_forward_hook(lambda _, __, out: seen.append(out[0] if isinstance(out, tuple) else out))
    logits = model(torch.tensor([ids]), use_cache=False).logits
    counted = list(range(SKIP, LENGTH - 1))
    d = seen[0].shape[-1]
    rows = [torch.autograd.grad(seen[-1][0, counted, c].sum(), seen[0], retain_graph=True)[0][0, counted].mean(0) for c in range(d)]
    cap = getattr(model.config, "final_logit_softcapping", None)

    def read(h):
        scores = model.get_output_embeddings()(last(h))
        return (cap * torch.tanh(scores / cap) if cap else scores).log_softmax(-1)

    J = torch.stack(rows)
    assert (read(seen[-1]) - logits.log_softmax(-1)).abs().max() < 1e-9
    return {
        "jacobian": [short(row) for row in J],
        "logitLens": short(read(seen[0])[0, -1]),
        "jacobianLens": short(read(seen[0] @ J.T)[0, -1]),
    }


def make(folder):
    ids = torch.randint(2, 60, (LENGTH,), generator=torch.Generator().manual_seed(SEED)).tolist()
    write(
        folder / "golden.json",
        {
            "about": f"after the first of two blocks; the first {SKIP} tokens and the last are left out of the Jacobian; readings after the last token",
            "ids": ids,
            "skip": SKIP,
            "families": {name: golden(name, ids) for name in FAMILIES},
        },
    )
