"""Holds what lenses read, and direct logit attribution, against TransformerLens 4.3.

    innate read lens --model FOLDER --text TEXT --top 50 --json > logit.jsonl
    innate read lens --model FOLDER --text TEXT --lens lens.safetensors --top 50 --json > jacobian.jsonl
    innate read direct --model FOLDER --text TEXT --answer A --wrong W --json > direct.jsonl
    python oracle/check_lenses.py FOLDER TEXT lens.safetensors logit.jsonl jacobian.jsonl direct.jsonl A W

Prints as JSON how far the numbers are apart, nats. Whether the matrices of the lens are right says check_transformer_lens.py. Needs
transformer_lens 4.3 besides requirements.txt.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.tools.analysis import JacobianLens, direct_logit_attribution


def rows(file):
    return [json.loads(line) for line in Path(file).read_text().splitlines()]


def lenses(model, ids, lens, files):
    ours = load_file(lens)
    last = model.cfg.n_layers - 1
    theirs = JacobianLens({l: ours[f"J.{l}"] for l in range(last)}, n_prompts=1, d_model=model.cfg.d_model)
    found = {}
    for (name, file), use in zip(files.items(), (False, True)):
        read = theirs.readout(model, torch.tensor([ids]), use_jacobian=use, return_full_logits=True)
        logps = {**{l: x.log_softmax(-1) for l, x in read.lens_logits.items()}, last: read.model_logits.log_softmax(-1)}
        worst, first, n = 0.0, 0, 0
        for row in rows(file):
            at = model.tokenizer.convert_tokens_to_ids([one["token"] for one in row["top"]])
            here = logps[row["layer"]][row["position"]]
            worst = max(worst, (here[at] - torch.tensor([one["logp"] for one in row["top"]])).abs().max().item())
            first += at[0] == here.argmax().item()
            n += 1
        found[name] = {"worst": worst, "rows": n, "the likeliest is the same": first}
    return found


def direct(model, ids, file, answers):
    model.enable_compatibility_mode()
    told = {"input": torch.tensor([ids]), "answer_tokens": answers[0], "incorrect_tokens": answers[1]}
    theirs = {}
    for unit in ("component", "head"):
        result = direct_logit_attribution(model, unit=unit, **told)
        theirs.update(zip(result.labels, result.attribution.flatten().tolist()))
    name = {"embed": lambda _: "embed", "head": lambda r: f"L{r['layer']}H{r['head']}", "mlp": lambda r: f"{r['layer']}_mlp_out"}
    mine = {name[row["part"]](row): row["logit"] for row in rows(file) if row.get("part") in name}
    return {"worst": max(abs(x - theirs[label]) for label, x in mine.items()), "largest": max(map(abs, mine.values())), "parts": len(mine)}


def main(folder, text, lens, logit, jacobian, attributed, answer, wrong):
    boot = lambda: TransformerBridge.boot_transformers(folder, device="cpu", dtype=torch.float32)
    model = boot()
    encode = lambda words: model.tokenizer(words, add_special_tokens=False)["input_ids"]
    begin = [model.tokenizer.bos_token_id] if rows(logit)[0]["token"] == model.tokenizer.bos_token and model.tokenizer.bos_token else []
    ids = begin + encode(text)
    answers = [encode(text + said)[len(encode(text))] for said in (answer, wrong)]
    with torch.no_grad():
        found = lenses(model, ids, lens, {"logit lens": logit, "jacobian lens": jacobian})
        found["direct attribution"] = direct(boot(), ids, attributed, answers)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    if len(sys.argv) != 9:
        sys.exit("usage: check_lenses.py FOLDER TEXT LENS.safetensors LOGIT.jsonl JACOBIAN.jsonl DIRECT.jsonl ANSWER WRONG")
    main(*sys.argv[1:])
