"""Stitches of tiny models by plain hooks of torch in f64: losses, and their slope at the stream; closed maps between random rows by scipy and scikit-learn."""

import numpy as np
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import Ridge
from transformers import AutoModelForCausalLM

from families import VOCAB
from hooks import first_of
from tiny import store, write

SEED = 61
TEXTS = [[1, 20, 5, 33, 7, 12, 60], [1, 8, 44], [1, 70, 5, 12, 3, 9, 41, 2, 30, 31, 6]]
PAIRS = [("llama", "gpt2", 0), ("llama", "gpt2", 1), ("gemma2", "qwen3", 0), ("phi3", "gpt_neox", 0)]
assert max(max(ids) for ids in TEXTS) < VOCAB


def make(folder):
    tensors = {}
    models = {name: load(folder, name) for pair in PAIRS for name in pair[:2]}
    stitches = [stitched(models, tensors, *pair) for pair in PAIRS]
    maps(tensors)
    store(folder / "golden.safetensors", tensors)
    about = "mean -log p of the next tokens of each text, and its gradient (of the sum over all tokens) at the stream that is fed; maps from rows x to y"
    write(folder / "golden.json", {"about": about, "texts": TEXTS, "stitches": stitches})


def load(folder, name):
    at = folder.parent / f"family-{name.replace('_', '-')}"
    return AutoModelForCausalLM.from_pretrained(at, attn_implementation="eager", dtype=torch.float64).eval().requires_grad_(False)


def block(model, layer):
    return first_of(model.base_model, "layers", "h")[layer]


def stitched(models, tensors, a, b, layer):
    losses, slopes = [], []
    for ids in TEXTS:
        stream = seen(models[a], layer, ids).requires_grad_(True)

        def put(_, __, out):
            return (stream, *out[1:]) if isinstance(out, tuple) else stream

        hook = block(models[b], layer).register_forward_hook(put)
        logits = models[b](torch.tensor([ids]), use_cache=False).logits[0]
        hook.remove()
        logps = torch.log_softmax(logits[:-1], -1)[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]
        (slope,) = torch.autograd.grad(-logps.sum(), stream)
        losses.append(-logps.mean().item())
        slopes.append(slope[0, :-1])
    tensors[f"slope.{a}.{b}.{layer}"] = torch.cat(slopes).float()
    plain = [models[b](torch.tensor([ids]), labels=torch.tensor([ids])).loss.item() for ids in TEXTS]
    return {"a": a, "b": b, "layer": layer, "losses": losses, "plain": plain}


def seen(model, layer, ids):
    kept = {}

    def keep(_, __, out):
        kept["x"] = (out[0] if isinstance(out, tuple) else out).detach()

    hook = block(model, layer).register_forward_hook(keep)
    model(torch.tensor([ids]), use_cache=False)
    hook.remove()
    return kept["x"]


def maps(tensors):
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=(40, 6)).astype(np.float32).astype(np.float64) + 2
    y = (x @ rng.normal(size=(6, 6)) + rng.normal(size=(40, 6))).astype(np.float32).astype(np.float64)
    cx, cy = x - x.mean(0), y - y.mean(0)
    rotation, _ = orthogonal_procrustes(cx, cy)
    correlation = (cx / cx.std(0)).T @ (cy / cy.std(0)) / len(x)
    _, columns = linear_sum_assignment(correlation, maximize=True)
    alpha = 1e-5 * np.trace(cx.T @ cx) / 6
    least = Ridge(alpha=alpha).fit(x, y)
    # Relative representations with every row as an anchor.
    cosines = lambda rows, anchors: rows / np.linalg.norm(rows, axis=1, keepdims=True) @ (anchors / np.linalg.norm(anchors, axis=1, keepdims=True)).T
    ra, rb = cosines(x, x), cosines(y, y)
    centred = rb - rb.mean(0)
    decoder = Ridge(alpha=1e-2 * np.trace(centred.T @ centred) / len(x)).fit(rb, y)
    found = {"x": x, "y": y, "procrustes": cx @ rotation + y.mean(0), "leastSquares": least.predict(x), "relative": decoder.predict(ra), "permutation": columns}
    tensors |= {name: torch.tensor(value).to(torch.int32 if name == "permutation" else torch.float32) for name, value in found.items()}
