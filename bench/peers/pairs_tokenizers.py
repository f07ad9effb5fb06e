"""The bare tokenizers library (Rust, all cores) on the texts of a file of pairs: what bench/pairs.mjs asks.

Timed is encode_batch alone, of each pair's prompt and of the prompt with either side, some thousand pairs at a time; reading the file is not.
"""

import json
import sys
import time

import tokenizers

for line in iter(sys.stdin.readline, ""):
    command = json.loads(line)
    tokenizer = tokenizers.Tokenizer.from_file(command["tokenizer"])
    pairs, seconds, tokens, texts = 0, 0.0, 0, []

    def encode():
        global seconds, tokens
        began = time.perf_counter()
        made = tokenizer.encode_batch(texts, add_special_tokens=False)
        seconds += time.perf_counter() - began
        tokens += sum(len(one) for one in made)
        texts.clear()

    for row in open(command["file"]):
        pair = json.loads(row)
        texts += [pair["prompt"], pair["prompt"] + pair["chosen"], pair["prompt"] + pair["rejected"]]
        pairs += 1
        if len(texts) >= 12288:
            encode()
    if texts:
        encode()
    print(json.dumps({"version": tokenizers.__version__, "pairs": pairs, "tokens": tokens, "pairsPerSecond": pairs / seconds}), flush=True)
