"""Greedy ids by llama.cpp (package xllamacpp): `check_llama_cpp.py FILE.gguf '[[1, 300], [1]]'`; prints one JSON list for each prompt of ids."""

import json
import sys

import xllamacpp


def main(file, prompts, tokens=64):
    params = xllamacpp.CommonParams()
    params.model.path = file
    params.n_gpu_layers = 0
    params.n_parallel = 1
    params.verbosity = -1
    server = xllamacpp.Server(params)
    for ids in json.loads(prompts):
        asked = {"prompt": ids, "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "cache_prompt": False, "logprobs": 1}
        said = server.handle_completions(asked)["choices"][0]["logprobs"]["content"]
        print(json.dumps([token["id"] for token in said]))


main(*sys.argv[1:])
