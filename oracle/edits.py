"""Every kind of act of an edit file on tiny models of three families, by hooks and by changed weights of transformers: log-probabilities."""

import torch
from transformers import AutoModelForCausalLM

from families import VOCAB
from tiny import batch, store, write

SEED = 33
PROMPT, SAID = 6, 8
OUTPUT = {"llama": "self_attn.o_proj", "gpt2": "attn.c_proj", "gemma2": "self_attn.o_proj"}
LAYER = {"llama": lambda m, i: m.model.layers[i], "gpt2": lambda m, i: m.transformer.h[i], "gemma2": lambda m, i: m.model.layers[i]}


def make(folder):
    tokens = batch(VOCAB, seed=SEED, rows=1, length=PROMPT + SAID)
    tensors, families = {}, {}
    for family in LAYER:
        model = AutoModelForCausalLM.from_pretrained(folder.parent / f"family-{family}", attn_implementation="eager", dtype=torch.float32).eval()
        width = model.config.hidden_size
        rng = torch.Generator().manual_seed(SEED)
        random = lambda *shape: torch.randn(shape, generator=rng) * 0.5
        given = {
            "v": random(width), "rows": random(3, width), "r": random(width), "value": random(width),
            "read": random(2, width), "write": random(width, 2), "mean": random(width),
        }
        head = width // model.config.num_attention_heads if family == "gpt2" else model.config.head_dim
        given |= {"head": random(head), "head rows": random(3, head)}
        tensors |= {f"{family}.{name}": t for name, t in given.items()}
        families[family] = {name: scores(model, family, tokens, given, act) for name, act in acts().items()}
        families[family]["plain"] = scores(model, family, tokens, given, None)
    store(folder / "golden.safetensors", tensors)
    write(
        folder / "golden.json",
        {
            "about": "log-probability of each token of the completion, under each act",
            "prompt": tokens[0, :PROMPT].tolist(),
            "completion": tokens[0, PROMPT:].tolist(),
            "acts": acts(),
            "families": families,
        },
    )


def acts():
    at = ["blocks.0.out"]
    return {
        "add everywhere": dict(kind="add", at=at, direction="v", strength=1.5),
        "add in the completion": dict(kind="add", at=at, direction="v", strength=-2, positions="completion"),
        "add in the prompt": dict(kind="add", at=at, direction="v", strength=2, positions="prompt"),
        "add rows from position 2": dict(kind="add", at=at, direction="rows", strength=1, positions={"from": 2, "to": 90}),
        "ablate": dict(kind="ablate", at=["blocks.*.out"], direction="r"),
        "clamp": dict(kind="clamp", at=at, direction="r", value=3),
        "patch positions 3 to 7": dict(kind="patch", at=at, value="value", positions={"from": 3, "to": 7}),
        "patch rows": dict(kind="patch", at=at, value="rows"),
        "affine": dict(kind="affine", at=at, read="read", write="write", mean="mean"),
        "ablate in every head": dict(kind="ablate", at=["blocks.0.attn.z"], direction="head"),
        "add to heads in the completion": dict(kind="add", at=["blocks.0.attn.z"], direction="head", strength=2, heads=[0, 3], positions="completion"),
        "patch rows of a head": dict(kind="patch", at=["blocks.*.attn.z"], value="head rows", heads=[1], positions={"from": 2, "to": 90}),
    }


def scores(model, family, tokens, given, act):
    hooks = []
    if act:
        blocks = [0, 1] if "*" in act["at"][0] else [0]
        for i in blocks:
            block = LAYER[family](model, i)
            if act["at"][0].endswith("attn.z"):
                heads = model.config.num_attention_heads
                z = lambda _, args: (of_heads(args[0], heads, given, act),)
                hooks.append(block.get_submodule(OUTPUT[family]).register_forward_pre_hook(z))
            else:
                hooks.append(block.register_forward_hook(lambda _, __, out: edited(out, given, act)))
    with torch.no_grad():
        logits = model(tokens, use_cache=False).logits
    for hook in hooks:
        hook.remove()
    logp = torch.log_softmax(logits[0], -1)
    return [logp[PROMPT - 1 + k, tokens[0, PROMPT + k]].item() for k in range(SAID)]


def of_heads(z, heads, given, act):
    """What the output product reads, head by head."""
    each = z.unflatten(-1, (heads, -1)).unbind(2)
    told = act.get("heads", range(heads))
    return torch.stack([edited(x, given, act) if h in told else x for h, x in enumerate(each)], 2).flatten(2)


def edited(out, given, act):
    whole = isinstance(out, tuple)
    x = out[0] if whole else out
    y = changed(x, given, act)
    place = torch.arange(x.shape[1])
    told = act.get("positions", "all")
    here = {"all": place >= 0, "prompt": place < PROMPT, "completion": place >= PROMPT}[told] if isinstance(told, str) else (place >= told["from"]) & (place <= told["to"])
    rows = given[act.get("direction", act.get("value"))] if act["kind"] in ("add", "patch") else None
    if rows is not None and rows.dim() == 2:
        start = told["from"] if isinstance(told, dict) else 0
        here = here & (place >= start) & (place < start + len(rows))
    y = torch.where(here[None, :, None], y, x)
    return (y, *out[1:]) if whole else y


def changed(x, given, act):
    kind = act["kind"]
    if kind in ("add", "patch"):
        t = given[act["direction" if kind == "add" else "value"]]
        if t.dim() == 2:
            start = act["positions"]["from"] if isinstance(act.get("positions"), dict) else 0
            wide = torch.zeros(x.shape[1], x.shape[2])
            wide[start : start + len(t)] = t
            t = wide
        return x + act["strength"] * t if kind == "add" else torch.zeros_like(x) + t
    if kind == "affine":
        return x - (x - given["mean"]) @ given["read"].T @ given["write"].T
    r = given[act["direction"]] / given[act["direction"]].norm()
    along = (x @ r)[..., None]
    return x - along * r if kind == "ablate" else x + (act["value"] - along) * r
