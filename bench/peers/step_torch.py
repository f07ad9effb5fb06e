"""A bare training step of PyTorch: forward, cross-entropy at every position, backward; load (with "compile"), step, peak."""

import time

import torch
import torch.nn.functional as F
from protocol import answer, commands
from transformers import AutoModelForCausalLM


def main():
    model = tokens = run = None
    for command in commands():
        start = time.perf_counter()
        more = {}
        if command["cmd"] == "load":
            torch.set_num_threads(command["threads"])
            model = AutoModelForCausalLM.from_pretrained(command["model"], dtype=torch.float32, attn_implementation="sdpa").train()
            tokens = torch.tensor(command["tokens"])
            run = torch.compile(forward) if command["compile"] else forward
            run(model, tokens).backward()
            model.zero_grad(set_to_none=True)
        elif command["cmd"] == "step":
            loss = run(model, tokens)
            loss.backward()
            model.zero_grad(set_to_none=True)
            more = {"loss": loss.item()}
        answer({"seconds": time.perf_counter() - start, **more})


def forward(model, tokens):
    logits = model(input_ids=tokens[:, :-1], use_cache=False).logits
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


main()
