"""curvature: on llama-tiny in f64, the gradient, a Hessian times a vector, and the gradient of each text, by PyTorch's double backward."""

import torch

import llama_tiny
from names import ours
from tiny import batch, build, store, write

SEED = 61


def make(folder):
    model = build(seed=llama_tiny.SEED, **llama_tiny.SIZES).double()
    tokens = batch(llama_tiny.SIZES["vocab_size"], seed=SEED, rows=5, length=14)
    named = list(model.named_parameters())
    params = [p for _, p in named]

    def losses():
        """Of each text, the summed negative log-likelihood of all tokens but the first."""
        logp = torch.log_softmax(model(tokens, use_cache=False).logits[:, :-1], -1)
        return -logp.gather(-1, tokens[:, 1:, None])[..., 0].sum(-1)

    rng = torch.Generator().manual_seed(SEED + 1)
    direction = [torch.randn(p.shape, generator=rng).double() for p in params]
    per_text = losses()
    slopes = torch.autograd.grad(per_text.mean(), params, create_graph=True)
    along = sum((g * v).sum() for g, v in zip(slopes, direction))
    product = torch.autograd.grad(along, params)
    each = []
    for i in range(len(tokens)):
        g = torch.autograd.grad(losses()[i], params)
        each.append(torch.cat([x.flatten() for x in g]))
    gram = torch.stack(each) @ torch.stack(each).T
    dot = lambda a, b: sum((x * y).sum() for x, y in zip(a, b)).item()
    store(
        folder / "golden.safetensors",
        {
            **{f"direction.{ours(n)}": v.float() for (n, _), v in zip(named, direction)},
            **{f"product.{ours(n)}": h.float() for (n, _), h in zip(named, product)},
        },
    )
    write(
        folder / "golden.json",
        {
            "about": "loss: the mean over texts of each text's summed negative log-likelihood; gram: products of the texts' own gradients",
            "model": "llama-tiny",
            "tokens": tokens.tolist(),
            "losses": per_text.tolist(),
            "gradNorm": dot(slopes, slopes) ** 0.5,
            "slopeAlong": along.item(),
            "curvatureAlong": dot(product, direction),
            "gram": gram.tolist(),
        },
    )
