"""Holds lenses against TransformerLens: `python oracle/check_lenses.py FOLDER PROMPTS.jsonl LENS.safetensors SKIP LOGIT.jsonl JACOBIAN.jsonl`.

FOLDER is a model of transformers, PROMPTS the rows (`prompt_ids`) that LENS was fitted on with `read fit --kind jacobian --skip SKIP`. LOGIT
and JACOBIAN are what `read lens --json` printed of the first prompt, without and with that lens. Prints how far both are apart, as JSON.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.tools.analysis import JacobianLens


def main(folder, prompts, lens, skip, logit, jacobian):
    model = TransformerBridge.boot_transformers(folder, device="cpu", dtype=torch.float32)
    ids = [json.loads(line)["prompt_ids"] for line in Path(prompts).read_text().splitlines()]
    plain = model.to_tokens
    # The ids as they are, so that both read the same begin token.
    model.to_tokens = lambda row, *args, **more: torch.tensor([row]) if isinstance(row, list) else plain(row, *args, **more)
    theirs = JacobianLens.fit(model, ids, corpus="check", dim_batch=32, max_seq_len=4096, skip_first_positions=int(skip), show_progress=False)
    ours = load_file(lens)
    last = model.cfg.n_layers - 1
    relative = {l: ((ours[f"J.{l}"] - J).norm() / J.norm()).item() for l, J in theirs.jacobians.items()}
    found = {
        "jacobian, relative to the norm of the matrix": max(relative.values()),
        "last map less the identity": (ours[f"J.{last}"] - torch.eye(model.cfg.d_model)).abs().max().item(),
        "matrices": len(ours),
    }
    for name, file, use in (("logit lens, nats", logit, False), ("jacobian lens, nats", jacobian, True)):
        read = theirs.readout(model, torch.tensor([ids[0]]), use_jacobian=use, return_full_logits=True)
        layers = {l: x.float().log_softmax(-1) for l, x in read.lens_logits.items()}
        layers.setdefault(last, read.model_logits.float().log_softmax(-1))
        worst, n, first = 0.0, 0, 0
        for row in map(json.loads, Path(file).read_text().splitlines()):
            at = model.tokenizer.convert_tokens_to_ids([one["token"] for one in row["top"]])
            said = torch.tensor([one["logp"] for one in row["top"]])
            logps = layers[row["layer"]][row["position"]]
            worst = max(worst, (logps[at] - said).abs().max().item())
            first += at[0] == logps.argmax().item()
            n += 1
        found[name] = worst
        found[f"{name.split(',')[0]}: rows, the likeliest the same"] = [n, first]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    if len(sys.argv) != 7:
        sys.exit("usage: check_lenses.py FOLDER PROMPTS.jsonl LENS.safetensors SKIP LOGIT.jsonl JACOBIAN.jsonl")
    main(*sys.argv[1:])
