"""peft-lora: a PEFT adapter of rank 4 on every linear layer of llama-tiny; logits, gradients of A and B, ten AdamW steps."""

import json

import torch
from peft import LoraConfig, get_peft_model

import llama_tiny
from names import ours
from tiny import batch, build, cross_entropy, store, write

SEED = 31
OPTIMIZER = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
CLIP = 1.0


def make(folder):
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=targets, bias="none", task_type="CAUSAL_LM")
    model = get_peft_model(build(seed=llama_tiny.SEED, **llama_tiny.SIZES), config).eval()
    factors = {named(n): p for n, p in model.named_parameters() if p.requires_grad}
    rng = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for p in factors.values():
            p.copy_(torch.randn(p.shape, generator=rng) * 0.1)
    model.save_pretrained(folder)
    tidy(folder)

    tokens = batch(llama_tiny.SIZES["vocab_size"], seed=llama_tiny.SEED + 1)
    logits = model(tokens, use_cache=False).logits
    cross_entropy(logits, tokens).backward()
    golden = {"tokens": tokens, "tap.logits": logits.detach(), **{f"grad.{n}": p.grad.clone() for n, p in factors.items()}}

    optimizer = torch.optim.AdamW(factors.values(), **OPTIMIZER)
    losses, norms = [], []
    for _ in range(10):
        optimizer.zero_grad()
        loss = cross_entropy(model(tokens, use_cache=False).logits, tokens)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(factors.values(), CLIP).item())
        losses.append(loss.item())
        optimizer.step()
    store(folder / "golden.safetensors", {**golden, **{f"param.{n}": p for n, p in factors.items()}})
    write(
        folder / "golden.json",
        {
            "about": "A is [rank, in], B is [out, rank], the layer adds (alpha/rank) B A x; grad.* belong to the adapter as stored, param.* come after the ten steps",
            "model": "llama-tiny",
            "rank": 4,
            "alpha": 8,
            "tokens": tokens.tolist(),
            "optimizer": OPTIMIZER,
            "clip": CLIP,
            "losses": losses,
            "gradNorms": norms,
        },
    )


def named(name):
    """`base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight` → `blocks.0.mlp.up.A`."""
    layer, factor = name.removeprefix("base_model.model.").removesuffix(".default.weight").split(".lora_")
    return f"{ours(layer)}.{factor}"


def tidy(folder):
    """Keeps only what PEFT reads, with a base model's name that means the same on every machine."""
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = "llama-tiny"
    config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
