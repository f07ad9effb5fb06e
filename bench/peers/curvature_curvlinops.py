"""curvlinops 3.0.1 on PyTorch beside Innate's curvature: load, gradient, hessian, gaussNewton, norms, lanczos, peak, as bench/curvature.mjs asks.

A gradient is plain PyTorch with SDPA. curvlinops multiplies by forward over reverse differentiation, which neither SDPA nor the fused SiLU has, so
its model attends eagerly and writes SiLU out. It has no norms of single texts; they are taken by a gradient of each, the text at its own length.
Lanczos is its own, without re-orthogonalisation.
"""

import time

import torch
from curvlinops import GGNLinearOperator, HessianLinearOperator
from curvlinops.papyan2020traces.spectrum import fast_lanczos
from protocol import answer, commands
from transformers import AutoModelForCausalLM


class Silu(torch.nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


class Scores(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens):
        return self.model(tokens, use_cache=False).logits.flatten(0, 1)


def texts(count, length, vocab):
    """As curvature-ours.mjs makes them: inputs without the last token, and what comes next."""
    state, rows = 1, []
    for _ in range(count):
        row = [1]
        for _ in range(length - 1):
            state = (state * 48271) % 2147483647
            row.append(3 + state % (vocab - 3))
        rows.append(row)
    tokens = torch.tensor(rows)
    return tokens[:, :-1], tokens[:, 1:].flatten()


class Peer:
    def __init__(self, model, size, threads):
        torch.set_num_threads(threads)
        load = lambda attention: AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation=attention).eval()
        self.plain = Scores(load("sdpa"))
        self.path, self.size, self.nll = model, size, torch.nn.CrossEntropyLoss(reduction="sum")
        vocab = self.plain.model.config.vocab_size
        self.long, self.short = texts(size["texts"], size["length"], vocab), texts(size["norms"], size["short"], vocab)
        self.params = list(self.plain.parameters())
        count = sum(p.numel() for p in self.params)
        at = torch.arange(count)
        self.names = [n for n, _ in self.plain.model.named_parameters()]
        self.order = sorted(range(len(self.names)), key=lambda i: place(self.names[i]))
        flat = torch.sin(1.0 + (at % 1009).double()).float()
        sizes = [self.params[i].numel() for i in self.order]
        ours = dict(zip(self.order, flat.split(sizes)))
        self.direction = [ours[i].reshape(p.shape) for i, p in enumerate(self.params)]
        self.operators = {}

    def some(self, parts):
        flat = torch.cat([parts[i].detach().flatten() for i in self.order])
        at = (torch.arange(2000) * len(flat)) // 2000
        return flat[at].tolist()

    def gradient(self):
        x, y = self.long
        grads = torch.autograd.grad(self.nll(self.plain(x), y) / self.size["texts"], self.params)
        return self.some(grads)

    def gradientOfNorms(self):
        x, y = self.short
        loss = self.nll(self.plain(x), y) / self.size["norms"]
        torch.autograd.grad(loss, self.params)
        return [loss.item()]

    def norms(self):
        x, y = self.short
        found = []
        for row, targets in zip(x, y.reshape(len(x), -1)):
            grads = torch.autograd.grad(self.nll(self.plain(row[None]), targets), self.params)
            found.append(sum((g * g).sum().item() for g in grads) ** 0.5)
        return found

    def operator(self, kind):
        if kind not in self.operators:
            model = AutoModelForCausalLM.from_pretrained(self.path, dtype=torch.float32, attn_implementation="eager").eval()
            for layer in model.model.layers:
                layer.mlp.act_fn = Silu()
            scores = Scores(model)
            params, data = list(scores.parameters()), [self.long]
            self.operators[kind] = kind(scores, self.nll, params, data, num_data=len(self.long[1]), check_deterministic=False)
        return self.operators[kind]

    def hessian(self):
        return self.some([p / self.size["texts"] for p in self.operator(HessianLinearOperator) @ self.direction])

    def gaussNewton(self):
        return self.some([p / self.size["texts"] for p in self.operator(GGNLinearOperator) @ self.direction])

    def lanczos(self):
        values, _ = fast_lanczos(self.operator(HessianLinearOperator), self.size["steps"])
        return values.tolist()


def place(name):
    """Where ours has a parameter: the embedding, block by block as decoderParams lists them, the norm."""
    parts = ["input_layernorm", "q_proj", "k_proj", "v_proj", "o_proj", "post_attention_layernorm", "gate_proj", "up_proj", "down_proj"]
    if "embed_tokens" in name:
        return (0, 0, 0)
    if ".layers." not in name:
        return (2, 0, 0)
    block = int(name.split(".layers.")[1].split(".")[0])
    return (1, block, next(i for i, part in enumerate(parts) if part in name))


def main():
    peer = None
    for command in commands():
        start = time.perf_counter()
        if command["cmd"] == "load":
            peer = Peer(command["model"], command["size"], command["threads"])
            answer({"ready": True})
        else:
            entries = getattr(peer, command["cmd"])()
            answer({"seconds": time.perf_counter() - start, "entries": entries})


if __name__ == "__main__":
    main()
