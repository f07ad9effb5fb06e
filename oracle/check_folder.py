"""Loads a model folder in transformers: `python oracle/check_folder.py FOLDER tokens.json`.

tokens.json holds a list of lists of ids; prints {"logits": [[[…vocab] …T] …rows], "ids": …, "text": …} as JSON, where ids and
text are what the folder's tokenizer makes of SAMPLE and of those ids again.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

SAMPLE = "Once upon a time, there was a fox.\nThe end."


@torch.no_grad()
def main(folder, tokens):
    logging.disable_progress_bar()
    model, notes = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True, output_loading_info=True)
    if any(notes[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")):
        sys.exit(f"{folder}: the weights must be those of the config, got {notes}")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    ids = tokenizer(SAMPLE)["input_ids"]
    rows = json.loads(Path(tokens).read_text())
    logits = [model.eval()(torch.tensor([row]), use_cache=False).logits[0].tolist() for row in rows]
    print(json.dumps({"logits": logits, "ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=True), "eos": model.generation_config.eos_token_id}))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: check_folder.py FOLDER TOKENS.json")
    main(*sys.argv[1:])
