"""adamw20: twenty steps of torch.optim.AdamW on llama-tiny, on the cross-entropy of its golden batch."""

import torch

import llama_tiny
from names import ours
from tiny import batch, build, cross_entropy, store, write

SEED = llama_tiny.SEED
OPTIMIZER = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
CLIP = 1.0


def make(folder):
    model = build(seed=SEED, **llama_tiny.SIZES)
    tokens = batch(llama_tiny.SIZES["vocab_size"], seed=SEED + 1)
    optimizer = torch.optim.AdamW(model.parameters(), **OPTIMIZER)
    losses, norms = [], []
    for _ in range(20):
        optimizer.zero_grad()
        loss = cross_entropy(model(tokens, use_cache=False).logits, tokens)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        losses.append(loss.item())
        optimizer.step()
    store(folder / "golden.safetensors", {f"param.{ours(name)}": p for name, p in model.named_parameters()})
    write(
        folder / "golden.json",
        {
            "about": "losses and gradient norms are taken before each step's update and clipping; weight decay acts on every parameter, norms included",
            "model": "llama-tiny",
            "tokens": tokens.tolist(),
            "optimizer": OPTIMIZER,
            "clip": CLIP,
            "losses": losses,
            "gradNorms": norms,
        },
    )
