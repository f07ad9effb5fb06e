"""Loads a reward model's folder in transformers: `python oracle/check_reward.py FOLDER tokens.json`.

tokens.json holds a list of lists of ids; prints {"scores": […]} as JSON, which `innate logp --reward FOLDER` must give too.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging


@torch.no_grad()
def main(folder, tokens):
    logging.disable_progress_bar()
    model, notes = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, local_files_only=True, output_loading_info=True)
    if any(notes[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")):
        sys.exit(f"{folder}: the weights must be those of the config, got {notes}")
    rows = json.loads(Path(tokens).read_text())
    # In one batch, padded on the right, so that the place of the last token that is no padding is found too.
    longest, pad = max(map(len, rows)), model.config.pad_token_id
    batch = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    print(json.dumps({"scores": model.eval()(batch, attention_mask=mask).logits[:, 0].tolist(), "labels": model.config.num_labels}))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: check_reward.py FOLDER TOKENS.json")
    main(*sys.argv[1:])
