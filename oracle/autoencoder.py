"""autoencoder: steps of a top-k sparse autoencoder with its auxiliary loss for dead features, by PyTorch's own gradient and optimizer."""

import torch

from tiny import write

SEED = 21
WIDTH, FEATURES, K, AUXILIARY_K, ROWS, STEPS = 6, 20, 2, 3, 16, 14
WEIGHT, AFTER, LR = 1 / 32, 40, 3e-2


def train(first, batches, weight):
    params = {name: torch.nn.Parameter(p.clone()) for name, p in first.items()}
    optimizer = torch.optim.AdamW(params.values(), lr=LR, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
    idle = torch.zeros(FEATURES)
    losses, dead = [], []
    for x in batches:
        optimizer.zero_grad()
        hidden = (x - params["b_dec"]) @ params["W_enc"] + params["b_enc"]
        positive = hidden.relu()
        kept = torch.zeros_like(hidden).scatter_(1, hidden.topk(K).indices, 1)
        missed = x - ((positive * kept) @ params["W_dec"] + params["b_dec"])
        spread = (x - x.mean(0)).pow(2).sum()
        loss = missed.pow(2).sum() / spread
        gone = idle >= AFTER
        losses.append(loss.item())
        dead.append(int(gone.sum()))
        total = loss
        if gone.any() and weight > 0:
            among = hidden.masked_fill(~gone, -torch.inf).topk(min(AUXILIARY_K, int(gone.sum()))).indices
            revived = torch.zeros_like(hidden).scatter_(1, among, 1)
            total = loss + weight * (missed.detach() - (positive * revived) @ params["W_dec"]).pow(2).sum() / spread
        total.backward()
        torch.nn.utils.clip_grad_norm_(params.values(), 1.0)
        optimizer.step()
        with torch.no_grad():
            params["W_dec"].div_(params["W_dec"].norm(dim=1, keepdim=True))
        idle = torch.where((kept * positive > 0).any(0), torch.zeros(()), idle + ROWS)
    return {"losses": losses, "dead": dead, "params": {name: p.tolist() for name, p in params.items()}}


def make(folder):
    rng = torch.Generator().manual_seed(SEED)
    decoder = torch.nn.functional.normalize(torch.randn(FEATURES, WIDTH, generator=rng), dim=1)
    first = {
        "W_enc": decoder.T.contiguous(),
        # The later features begin too far below the others to be kept.
        "b_enc": torch.where(torch.arange(FEATURES) < 12, 0.0, -1.0),
        "W_dec": decoder,
        "b_dec": torch.randn(WIDTH, generator=rng) * 0.1,
    }
    batches = torch.randn(STEPS, ROWS, WIDTH, generator=rng)
    write(
        folder / "golden.json",
        {
            "about": "losses are without the auxiliary one, before each step; dead features are counted before it too",
            "settings": {"k": K, "lr": LR, "auxiliary": {"weight": WEIGHT, "k": AUXILIARY_K, "after": AFTER}},
            "first": {name: p.tolist() for name, p in first.items()},
            "batches": batches.tolist(),
            "with": train(first, batches, WEIGHT),
            "without": train(first, batches, 0),
        },
    )
