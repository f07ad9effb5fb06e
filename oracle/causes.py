"""causes: edges by attribution, with and without integrated gradients, path patching and circuits on a small model of every family, by hooks in f64."""

import re
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from families import FAMILIES, VOCAB
from hooks import Places, place
from tiny import write

SEED = 51
FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
LENGTH, CHANGED, STEPS = 10, 4, 5


def load(folder):
    return Places(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval())


class Causes:
    def __init__(self, places, clean, corrupted, answer, wrong):
        self.p, self.clean_ids, self.corrupted_ids = places, clean, corrupted
        self.metric = lambda logits: logits[answer] - logits[wrong]
        with torch.no_grad():
            clean, self.clean = places.run(clean)
            corrupted, self.corrupted = places.run(corrupted)
        self.m = self.metric(clean).item(), self.metric(corrupted).item()
        self.adds = places.adds(self.clean), places.adds(self.corrupted)

    def share(self, m):
        return (m - self.m[1]) / (self.m[0] - self.m[1])

    def edges(self, ways=((0.0, 1.0),)):
        """(what a writer adds, clean − corrupted) · slope of the metric at what the reader reads alone, over weighted points of the way."""
        slopes = dict.fromkeys(self.p.readers(), 0)
        for way, weight in ways:
            more = {}

            def at(name, x):
                if name == "embed":
                    return x + way * (self.clean["embed"] - self.corrupted["embed"])
                if not name.startswith("read."):
                    return x
                # Added to what the reader reads, not to the stream that goes on beside it.
                more[name] = torch.zeros_like(x, requires_grad=True)
                return x + more[name]

            logits, _ = self.p.run(self.corrupted_ids, at)
            names = [place(reader) for reader in self.p.readers()]
            for reader, slope in zip(self.p.readers(), torch.autograd.grad(self.metric(logits), [more[name] for name in names]), strict=True):
                slopes[reader] = slopes[reader] + weight * slope
        gap = self.m[0] - self.m[1]
        clean, corrupted = self.adds
        return [((clean[w] - corrupted[w]) * slopes[r]).sum().item() / gap for w, r in self.p.edges()]

    @torch.no_grad()
    def path(self, senders, receivers, noise=False):
        """Two runs: one in which all writers but the senders are held, to see what receivers do; one in which they do it."""
        ids, base, other = (self.clean_ids, self.clean, self.corrupted) if noise else (self.corrupted_ids, self.corrupted, self.clean)
        n = base["z.0"].shape[-1] // self.p.heads

        def held(name, x):
            kind, _, l = name.partition(".")
            if name == "embed":
                return other[name] if "embed" in senders else x
            if kind == "mlp" or (kind == "attn" and self.p.whole):
                return (other if f"{kind} {l}" in senders else base)[name]
            if kind == "z":
                return mixed(base[name], other[name], [h for h in range(self.p.heads) if f"head {l}.{h}" in senders], n)
            return x

        logits, changed = self.p.run(ids, held)
        if receivers == ["logits"]:
            return self.share(self.metric(logits).item())
        done = {}
        for head in {re.sub(" [qkv]$", "", r) for r in receivers}:
            kind, _, where = head.partition(" ")
            l = where.split(".")[0]
            if kind == "mlp":
                # What an MLP reads once more, without it being held.
                alone = self.p.run(ids, lambda name, x: changed[name] if name == f"read.mlp.{l}" else x)[1]
                done[f"mlp.{l}"] = lambda x, y=alone[f"mlp.{l}"]: y
                continue
            inputs = [r[-1] for r in receivers if r.startswith(head + " ") and r[-1] in "qkv"] or list("qkv")

            def read(name, x):
                input, _, at = name.partition(".")
                return changed[name] if at == l and input in inputs else x

            z = self.p.run(ids, read)[1][f"z.{l}"]
            heads = range(self.p.heads) if kind == "attn" else [int(where.split(".")[1])]
            before = done.get(f"z.{l}", lambda x: x)
            done[f"z.{l}"] = lambda x, z=z, heads=heads, before=before: mixed(before(x), z, heads, n)
        return self.share(self.metric(self.p.run(ids, lambda name, x: done[name](x) if name in done else x)[0]).item())

    @torch.no_grad()
    def circuit(self, kept):
        """One run in which every reader reads the corrupted stream and what kept writers now add to it; the stream itself is read by none."""
        now, corrupted = {}, self.adds[1]

        def at(name, x):
            now[name] = x
            if not name.startswith("read."):
                return x
            reader = " ".join(name.split(".")[1:])
            writers = [w for w, r in kept if r == reader]
            if not writers:
                return self.corrupted[name]
            here = {**self.corrupted, **{n: v for n, v in now.items()}, "embed": self.clean["embed"]}
            adds = self.p.adds(here)
            return self.corrupted[name] + sum(adds[w] - corrupted[w] for w in writers)

        return self.share(self.metric(self.p.run(self.clean_ids, at)[0]).item())


def mixed(x, y, heads, n):
    x = x.clone()
    for h in heads:
        x[..., h * n : (h + 1) * n] = y[..., h * n : (h + 1) * n]
    return x


def points(steps):
    """The middles of as many parts of the way from 0 to 1, with their weights."""
    return [((k + 0.5) / steps, 1 / steps) for k in range(steps)]


def short(rows):
    return [float(f"{x:.8g}") for x in rows]


def paths(places):
    sender = "attn 0" if places.whole else "head 0.1"
    last = places.heads - 1
    return [
        dict(senders=[sender], receivers=["head 1.0 q"]),
        dict(senders=[sender], receivers=["head 1.1 k"]),
        dict(senders=[sender], receivers=[f"head 1.{last} v"]),
        dict(senders=["embed", "mlp 0"], receivers=["head 1.0 q", "head 1.0 v", "mlp 1"]),
        dict(senders=["embed", sender], receivers=["attn 1", "mlp 0"]) if not places.parallel else dict(senders=["embed"], receivers=["mlp 0", "head 1.1 k"]),
        dict(senders=["mlp 0", sender], receivers=["logits"], noise=True),
    ]


def golden(name, clean, corrupted, answer, wrong):
    places = load(FIXTURES / f"family-{name.replace('_', '-')}")
    causes = Causes(places, clean, corrupted, answer, wrong)
    edges = places.edges()
    kept = [edge for i, edge in enumerate(edges) if i % 4 != 1]
    assert abs(causes.circuit(edges) - 1) < 1e-9 and abs(causes.circuit([])) < 1e-9
    return {
        "gap": short(causes.m),
        "edges": [f"{w} > {r}" for w, r in edges],
        "attribution": short(causes.edges()),
        "integrated": short(causes.edges(points(STEPS))),
        "paths": [{**one, "effect": short([causes.path(**one)])[0]} for one in paths(places)],
        "circuit": {"kept": [f"{w} > {r}" for w, r in kept], "faithfulness": short([causes.circuit(kept)])[0]},
    }


def make(folder):
    rng = torch.Generator().manual_seed(SEED)
    clean = torch.randint(2, VOCAB, (LENGTH,), generator=rng).tolist()
    corrupted = [(id + 7) % VOCAB if i == CHANGED else id for i, id in enumerate(clean)]
    answer, wrong = torch.randint(2, VOCAB, (2,), generator=rng).tolist()
    write(
        folder / "golden.json",
        {
            "about": "shares of the difference between both texts; integrated: over the middles of parts of the way between their embeddings",
            "clean": clean, "corrupted": corrupted, "answer": answer, "wrong": wrong, "steps": STEPS,
            "families": {name: golden(name, clean, corrupted, answer, wrong) for name in FAMILIES},
        },
    )
