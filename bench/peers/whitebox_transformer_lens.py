"""TransformerLens 4.3 on PyTorch beside Innate's white box: load, read, patch, fit, peak, as bench/whitebox.mjs asks.

Reading stops after the last block, so that no logits are computed, and every batch is a safetensors file of its own. Patching runs as many rows
at a time as fit into 1,024 tokens, each patched at another position, and asks for the logits of the last position alone.
"""

import time
from pathlib import Path

import torch
from protocol import answer, commands
from safetensors.torch import save_file
from transformer_lens.model_bridge import TransformerBridge

TOKENS_AT_ONCE = 1024


class Stop(Exception):
    pass


def at_once(length):
    return max(1, TOKENS_AT_ONCE // length)


def read(model, texts, blocks, dtype, to):
    ids = torch.tensor(texts)
    last = f"blocks.{model.cfg.n_layers - 1}.hook_resid_post"
    names = [f"blocks.{block}.hook_resid_post" for block in blocks]
    rows = at_once(ids.shape[1])
    for begin in range(0, len(ids), rows):
        kept = {}

        def keep(x, hook):
            if hook.name in names:
                kept[hook.name] = x.half() if dtype == "f16" else x
            if hook.name == last:
                raise Stop

        try:
            model.run_with_hooks(ids[begin : begin + rows], fwd_hooks=[(name, keep) for name in dict.fromkeys([*names, last])])
        except Stop:
            pass
        save_file({name: x.contiguous() for name, x in kept.items()}, Path(to) / f"{begin}.safetensors")


def patch(model, contrast, every):
    clean, corrupted = (torch.tensor([contrast[key]]) for key in ("clean", "corrupted"))
    answers = [contrast["answer"], contrast["wrong"]]
    names = [f"blocks.{block}.hook_resid_post" for block in range(model.cfg.n_layers)]
    last = {"logits_to_keep": 1}

    def metric(logits):
        return logits[:, -1, answers[0]] - logits[:, -1, answers[1]]

    logits, cache = model.run_with_cache(clean, names_filter=names, **last)
    of_clean, of_corrupted = metric(logits), metric(model(corrupted, **last))
    positions = torch.arange(0, clean.shape[1], every)
    found = []
    for name in names:
        for at in positions.split(at_once(clean.shape[1])):
            rows = torch.arange(len(at))

            def put(x, hook):
                x[rows, at] = cache[hook.name][0, at]
                return x

            logits = model.run_with_hooks(corrupted.expand(len(at), -1), fwd_hooks=[(name, put)], **last)
            found += ((metric(logits) - of_corrupted) / (of_clean - of_corrupted)).tolist()
    return {"effects": found}


def fit(model, text, ids, to):
    from transformer_lens.tools.analysis import JacobianLens

    # The same tokens: a begin token only where the other side reads one.
    model.cfg.default_prepend_bos = model.to_tokens(text, prepend_bos=False)[0, : len(ids)].tolist() != ids
    with torch.enable_grad():
        lens = JacobianLens.fit(model, [text], corpus="bench", max_seq_len=len(ids), show_progress=False)
    save_file({f"J.{layer}": matrix.contiguous() for layer, matrix in lens.jacobians.items()}, to)


def main():
    model = None
    torch.set_grad_enabled(False)
    for command in commands():
        start = time.perf_counter()
        cmd = command.pop("cmd")
        more = None
        if cmd == "load":
            torch.set_num_threads(command["threads"])
            model = TransformerBridge.boot_transformers(command["model"], device="cpu", dtype=torch.float32)
        else:
            more = {"read": read, "patch": patch, "fit": fit}[cmd](model, **command)
        answer({"seconds": time.perf_counter() - start, **(more or {})})


main()
