"""Greedy generation by llama.cpp, all sequences in one batch: load, generate, peak, as bench/generate.mjs asks."""

import ctypes
import time

import llama_cpp as c
import numpy as np
from protocol import answer, commands


class Model:
    def __init__(self, path, threads):
        c.llama_backend_init()
        options = c.llama_model_default_params()
        options.n_gpu_layers = 0
        self.model = c.llama_model_load_from_file(path.encode(), options)
        self.vocab = c.llama_vocab_n_tokens(c.llama_model_get_vocab(self.model))
        self.threads = threads

    def generate(self, prompts, tokens):
        sequences, length = len(prompts), len(prompts[0])
        options = c.llama_context_default_params()
        options.n_ctx = max(256, sequences * (length + tokens))
        options.n_batch = options.n_ubatch = max(512, sequences * length)
        options.n_seq_max = sequences
        options.n_threads = options.n_threads_batch = self.threads
        context = c.llama_init_from_model(self.model, options)
        batch = c.llama_batch_init(max(512, sequences * length), 0, 1)
        said = [[] for _ in prompts]
        try:
            self.read(context, batch, [(s, i, id, i == length - 1) for s, prompt in enumerate(prompts) for i, id in enumerate(prompt)])
            wanted = [s * length + length - 1 for s in range(sequences)]
            for step in range(tokens):
                for s, i in enumerate(wanted):
                    row = np.ctypeslib.as_array(c.llama_get_logits_ith(context, i), (self.vocab,))
                    said[s].append(int(row.argmax()))
                if step == tokens - 1:
                    break
                self.read(context, batch, [(s, length + step, said[s][-1], True) for s in range(sequences)])
                wanted = list(range(sequences))
        finally:
            c.llama_batch_free(batch)
            c.llama_free(context)
        return said

    def read(self, context, batch, items):
        batch.n_tokens = len(items)
        for i, (sequence, position, id, asked) in enumerate(items):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = id, position, 1, asked
            batch.seq_id[i][0] = sequence
        if c.llama_decode(context, batch) != 0:
            raise RuntimeError("llama_decode failed")


def main():
    model = None
    quiet = c.llama_log_callback(lambda *_: None)
    c.llama_log_set(quiet, ctypes.c_void_p(0))
    for command in commands():
        start = time.perf_counter()
        more = {}
        if command["cmd"] == "load":
            model = Model(command["model"], command["threads"])
        elif command["cmd"] == "generate":
            more = {"ids": model.generate(command["prompts"], command["tokens"])[0][:8]}
        answer({"seconds": time.perf_counter() - start, **more})


main()
