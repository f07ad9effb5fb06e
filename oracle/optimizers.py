"""optimizers: twenty updates of given gradients by torch.optim.SGD and AdamW, and by Lion as its paper writes it."""

import torch

from tiny import write

SEED = 20
SIZE, STEPS = 9, 20
CASES = [
    ("sgd", dict(lr=0.1), torch.optim.SGD, dict(lr=0.1)),
    ("sgd", dict(lr=0.1, weightDecay=0.05), torch.optim.SGD, dict(lr=0.1, weight_decay=0.05)),
    ("sgd", dict(lr=0.1, momentum=0.9, weightDecay=0.05), torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.05)),
    ("sgd", dict(lr=0.1, momentum=0.9, form="nesterov"), torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True)),
    ("adamw", dict(lr=0.1, weightDecay=0.05), torch.optim.AdamW, dict(lr=0.1, weight_decay=0.05)),
    ("lion", dict(lr=0.1), None, dict(lr=0.1, beta1=0.9, beta2=0.99, decay=0.0)),
    ("lion", dict(lr=0.1, beta1=0.8, beta2=0.95, weightDecay=0.05), None, dict(lr=0.1, beta1=0.8, beta2=0.95, decay=0.05)),
]


class Lion:
    """Algorithm 2 of arXiv:2302.06675, line by line."""

    def __init__(self, params, lr, beta1, beta2, decay):
        (self.w,), self.lr, self.beta1, self.beta2, self.decay = params, lr, beta1, beta2, decay
        self.m = torch.zeros_like(self.w)

    def step(self):
        with torch.no_grad():
            c = self.beta1 * self.m + (1 - self.beta1) * self.w.grad
            self.w -= self.lr * (torch.sign(c) + self.decay * self.w)
            self.m = self.beta2 * self.m + (1 - self.beta2) * self.w.grad


def make(folder):
    rng = torch.Generator().manual_seed(SEED)
    start = torch.randn(SIZE, generator=rng, dtype=torch.float64)
    grads = torch.randn(STEPS, SIZE, generator=rng, dtype=torch.float64)
    grads[:, 0] = 0  # a parameter that no example reaches
    grads[:, 1] *= 1e-20  # one that hardly any does
    cases = []
    for name, params, kind, options in CASES:
        w = torch.nn.Parameter(start.clone())
        optimizer = (kind or Lion)([w], **options)
        steps = []
        for grad in grads:
            w.grad = grad.clone()
            optimizer.step()
            steps.append(w.detach().tolist())
        cases.append({"optimizer": name, "params": params, "steps": steps})
    write(folder / "golden.json", {"about": "f64 throughout", "start": start.tolist(), "grads": grads.tolist(), "cases": cases})
