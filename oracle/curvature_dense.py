"""curvature-dense: a Llama of 536 parameters in f64, the spectra of its Hessian, Gauss-Newton, Fisher and empirical Fisher matrices from dense ones, and products by curvlinops."""

import torch
from curvlinops import FisherMCLinearOperator, GGNLinearOperator, HessianLinearOperator
from curvlinops.papyan2020traces.spectrum import lanczos_approximate_spectrum_from_iter

from names import ours
from tiny import batch, build, store, write

SEED = 71
SIZES = dict(
    vocab_size=16,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=4,
    intermediate_size=8,
    tie_word_embeddings=True,
)


class Silu(torch.nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


class Scores(torch.nn.Module):
    """Logits of every position but the last, as rows: what curvlinops takes for a model."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        for layer in model.model.layers:  # torch.nn.functional.silu has no forward derivative of its gradient
            layer.mlp.act_fn = Silu()

    def forward(self, tokens):
        return self.model(tokens, use_cache=False).logits[:, :-1].flatten(0, 1)


def make(folder):
    model = build(seed=SEED, **SIZES).double()
    with torch.no_grad():
        for name, p in model.named_parameters():  # larger weights, so that curvature is not that of a flat start
            if "norm" not in name:
                p.mul_(4)
    model.float().save_pretrained(folder)
    model = model.double()
    tokens = batch(SIZES["vocab_size"], seed=SEED, rows=4, length=9)
    texts = len(tokens)
    named = list(model.named_parameters())
    params = [p for _, p in named]
    size = sum(p.numel() for p in params)
    targets = tokens[:, 1:].flatten()
    scores = Scores(model)
    flat = lambda parts: torch.cat([x.flatten() for x in parts])
    nll = torch.nn.CrossEntropyLoss(reduction="sum")

    z = scores(tokens)
    slopes = flat(torch.autograd.grad(nll(z, targets) / texts, params, create_graph=True))
    hessian = torch.stack([flat(torch.autograd.grad(slopes[i], params, retain_graph=True)) for i in range(size)])
    assert torch.allclose(hessian, hessian.T, atol=1e-4)
    hessian = (hessian + hessian.T) / 2
    z = scores(tokens)
    jacobian = torch.stack([flat(torch.autograd.grad(x, params, retain_graph=True)) for x in z.flatten()])
    jacobian = jacobian.reshape(*z.shape, size)
    p = torch.softmax(z.detach(), -1)
    middle = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    ggn = torch.einsum("nvi,nvw,nwk->ik", jacobian, middle, jacobian) / texts
    each = torch.stack([flat(torch.autograd.grad(nll(scores(row[None]), row[1:]), params)) for row in tokens])
    empirical = each.T @ each / texts

    data = [(tokens, targets)]
    how = dict(num_data=len(targets), check_deterministic=False)
    peers = {
        "hessian": HessianLinearOperator(scores, nll, params, data, **how),
        "gaussNewton": GGNLinearOperator(scores, nll, params, data, **how),
    }
    dense = {"hessian": hessian, "gaussNewton": ggn, "empiricalFisher": empirical}
    rng = torch.Generator().manual_seed(SEED + 1)
    direction = torch.randn(size, generator=rng).double()
    direction = direction.float().double()
    products = {name: matrix @ direction for name, matrix in dense.items()}
    for name, peer in peers.items():
        theirs = peer @ direction / texts
        error = (theirs - products[name]).norm() / products[name].norm()
        assert error < 1e-6, (name, error)  # transformers takes the norms and the softmax of attention in f32
        products[name] = theirs.detach()
    # The expectation of curvlinops' sampled Fisher is the exact one; a few hundred draws come near.
    sampled = FisherMCLinearOperator(scores, nll, params, data, mc_samples=400, **how) @ direction / texts
    assert (sampled - products["gaussNewton"]).norm() / products["gaussNewton"].norm() < 0.2

    values = torch.linalg.eigvalsh(hessian)
    # A quadrature of 40 steps from a start that is written down, by curvlinops' own formula for the density.
    basis, alpha, beta = [direction / direction.norm()], [], []
    for _ in range(40):
        v = hessian @ basis[-1]
        alpha.append(v @ basis[-1])
        for _ in range(2):
            for b in basis:
                v = v - (v @ b) * b
        beta.append(v.norm())
        basis.append(v / v.norm())
    tri = torch.diag(torch.stack(alpha)) + torch.diag(torch.stack(beta[:-1]), 1) + torch.diag(torch.stack(beta[:-1]), -1)
    ends = (values[0].item(), values[-1].item())
    grid, spectrum = lanczos_approximate_spectrum_from_iter(torch.linalg.eigh(tri), ends, 64, 3.0, 0.05)
    damping = 1.0 - values[0].item()
    solution = torch.linalg.solve(hessian + damping * torch.eye(size).double(), direction)
    split = lambda v: {ours(n): part.reshape(q.shape) for (n, q), part in zip(named, v.split([q.numel() for q in params]))}
    blocks = {}
    at = 0
    for n, q in named:
        block = hessian[at : at + q.numel(), at : at + q.numel()]
        top, vec = (lambda e: (e[0][-1], e[1][:, -1]))(torch.linalg.eigh(block))
        blocks[ours(n)] = {"largest": top.item(), "trace": block.trace().item(), "participation": (1 / (vec**4).sum()).item()}
        at += q.numel()
    store(
        folder / "golden.safetensors",
        {
            **{f"direction.{n}": v for n, v in split(direction).items()},
            **{f"{name}.{n}": v for name, product in products.items() for n, v in split(product).items()},
            **{f"solution.{n}": v for n, v in split(solution).items()},
            **{f"diagonal.{n}": v for n, v in split(hessian.diagonal()).items()},
        },
    )
    write(
        folder / "golden.json",
        {
            "about": "the mean over texts of each text's summed negative log-likelihood; the Fisher matrix of it is the Gauss-Newton matrix",
            "tokens": tokens.tolist(),
            "eigenvalues": {name: torch.linalg.eigvalsh(matrix).tolist() for name, matrix in dense.items()},
            "trace": {name: matrix.trace().item() for name, matrix in dense.items()},
            "blocks": blocks,
            "damping": damping,
            "textNorms": each.norm(dim=1).tolist(),
            "ritz": torch.linalg.eigvalsh(tri).tolist(),
            "density": {"steps": 40, "boundaries": ends, "grid": grid.tolist(), "values": spectrum.tolist()},
        },
    )
