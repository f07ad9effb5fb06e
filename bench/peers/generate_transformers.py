"""Greedy generation by transformers on PyTorch: load, generate, peak, as bench/generate.mjs asks."""

import time

import torch
from protocol import answer, commands
from transformers import AutoModelForCausalLM


def main():
    model = None
    for command in commands():
        start = time.perf_counter()
        more = {}
        if command["cmd"] == "load":
            torch.set_num_threads(command["threads"])
            model = AutoModelForCausalLM.from_pretrained(command["model"], dtype=torch.float32, attn_implementation="sdpa").eval()
        elif command["cmd"] == "generate":
            ids = torch.tensor(command["prompts"])
            with torch.inference_mode():
                said = model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    do_sample=False,
                    min_new_tokens=command["tokens"],
                    max_new_tokens=command["tokens"],
                    pad_token_id=0,
                    eos_token_id=None,
                )
            more = {"ids": said[0, ids.shape[1] : ids.shape[1] + 8].tolist()}
        answer({"seconds": time.perf_counter() - start, **more})


main()
