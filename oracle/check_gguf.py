"""Reads a GGUF file with Python's gguf and with transformers: `check_gguf.py FILE tokens.json [reference.gguf]`; prints one JSON object."""

import json
import sys
from collections import Counter
from pathlib import Path

import gguf
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def load(path):
    path = Path(path)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)


def main(file, tokens, reference=None):
    torch.set_num_threads(1)
    reader = gguf.GGUFReader(file)
    model, tokenizer = load(file)
    ids = torch.tensor(json.loads(Path(tokens).read_text()))
    with torch.no_grad():
        logits = model(ids).logits
    found = {
        "types": Counter(t.tensor_type.name for t in reader.tensors),
        "keys": len(reader.fields),
        "greedy": tokenizer.decode(model.generate(ids[:1], max_new_tokens=24, do_sample=False)[0, ids.shape[1] :]),
    }
    if reference:
        with torch.no_grad():
            found["difference"] = (load(reference)[0](ids).logits - logits).abs().max().item()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
