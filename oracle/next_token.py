"""next-token: twenty AdamW steps of llama-tiny on texts and completions of unequal length, each read alone; the mean is over all tokens of a step."""

import json
import math

import torch

import llama_tiny
from tiny import END, TEXT, build, tokenizer, write

SEED = llama_tiny.SEED
OPTIMIZER = dict(lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
CLIP = 1.0
BATCH = 6
EPOCHS = 10


def make(folder):
    sentences = [s for line in TEXT.splitlines() for s in line.split(". ") if s]
    texts = [{"text": s[: 12 + 9 * i] + "é…"[: i % 3]} for i, s in enumerate(sentences)]
    halves = [{"prompt": s[: s.index(" ", 8)], "completion": s[s.index(" ", 8) :]} for s in sentences]
    rows = [row for pair in zip(texts, halves) for row in pair][: 2 * BATCH]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")

    encode = lambda text: tokenizer(llama_tiny.SIZES["vocab_size"]).encode(text).ids
    examples = []
    for row in rows:
        before = [END] if "text" in row else encode(row["prompt"])
        whole = encode(row.get("text") or row["prompt"] + row["completion"])
        assert whole[: len(before)] == before
        examples.append((whole + [END], len(before)))

    model = build(seed=SEED, **llama_tiny.SIZES)
    nats = [token_losses(model, *e)[:-1].sum().item() for e in examples]
    sizes = [len((row.get("text") or row["completion"]).encode()) for row in rows]
    optimizer = torch.optim.AdamW(model.parameters(), **OPTIMIZER)
    losses, norms, tokens = [], [], []
    for step in range(EPOCHS * len(rows) // BATCH):
        now = [examples[(step * BATCH + i) % len(rows)] for i in range(BATCH)]
        optimizer.zero_grad()
        all_losses = torch.cat([token_losses(model, *e) for e in now])
        loss = all_losses.mean()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        losses.append(loss.item())
        tokens.append(len(all_losses))
        optimizer.step()
    write(
        folder / "golden.json",
        {
            "about": "losses in nats per token before each step's update; bitsPerByte of each row before training, its end token left out",
            "model": "llama-tiny",
            "optimizer": OPTIMIZER,
            "clip": CLIP,
            "batch": BATCH,
            "epochs": EPOCHS,
            "losses": losses,
            "gradNorms": norms,
            "tokens": tokens,
            "bitsPerByte": [n / math.log(2) / size for n, size in zip(nats, sizes)],
        },
    )


def token_losses(model, ids, first):
    """Negative log-likelihoods, in nats, of ids[first:]."""
    logits = model(torch.tensor([ids[:-1]]), use_cache=False).logits[0, first - 1 :]
    return torch.nn.functional.cross_entropy(logits, torch.tensor(ids[first:]), reduction="none")
