"""Greedy generation by llama.cpp (package xllamacpp), a slot for each sequence: load, generate, peak, as bench/generate.mjs asks."""

import time
from concurrent.futures import ThreadPoolExecutor

import xllamacpp
from protocol import answer, commands


def opened(path, threads, slots, length):
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_parallel = slots
    params.n_ctx = slots * length
    params.n_batch = params.n_ubatch = 2048
    params.warmup = False
    params.verbosity = -1
    return xllamacpp.Server(params)


def main():
    load = None
    servers = {}
    for command in commands():
        start = time.perf_counter()
        if command["cmd"] == "load":
            load = command
            servers[1] = opened(command["model"], command["threads"], 1, 256)
        elif command["cmd"] == "generate":
            prompts, tokens = command["prompts"], command["tokens"]
            slots = len(prompts)
            if slots not in servers:
                servers[slots] = opened(load["model"], load["threads"], slots, 256)
                start = time.perf_counter()
            asked = [{"prompt": ids, "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "cache_prompt": False} for ids in prompts]
            with ThreadPoolExecutor(slots) as pool:
                said = list(pool.map(servers[slots].handle_completions, asked))
            if any(one["usage"]["completion_tokens"] != tokens for one in said):
                raise RuntimeError("llama.cpp stopped early")
        answer({"seconds": time.perf_counter() - start})


main()
