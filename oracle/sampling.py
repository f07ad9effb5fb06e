"""sampling: what transformers' logits processors, in the order in which generate() applies them, keep of random logits, and how probable each is;
what generate() says greedily on llama-tiny with a repetition penalty and with stop strings."""

import torch
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.generation.logits_process import LogitsProcessorList

from make import FIXTURES
from tiny import build, write

SEED = 5
VOCAB = 24
SETTINGS = [
    {},
    {"temperature": 0.5},
    {"temperature": 3.0},
    {"top_k": 5},
    {"top_p": 0.6},
    {"min_p": 0.2},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.8},
    {"temperature": 2.0, "min_p": 0.3},
    {"temperature": 0.7, "top_p": 0.9},
    {"top_k": 8, "top_p": 0.7},
    {"top_k": 8, "min_p": 0.1},
    {"top_p": 0.8, "min_p": 0.15},
    {"temperature": 1.5, "top_k": 12, "top_p": 0.9, "min_p": 0.05},
    {"repetition_penalty": 1.8, "top_k": 4},
    {"repetition_penalty": 1.2, "temperature": 0.6, "top_p": 0.85},
    {"repetition_penalty": 2.5, "temperature": 1.7, "top_k": 10, "top_p": 0.95, "min_p": 0.1},
]


def make(folder):
    model = build(seed=SEED, vocab_size=VOCAB, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1, head_dim=8, intermediate_size=8)
    rng = torch.Generator().manual_seed(SEED)
    cases = []
    for setting in SETTINGS:
        for _ in range(3):
            # Two decimals, so that the file is short and holds the very numbers.
            logits = (torch.randn(VOCAB, generator=rng) * 2).mul(100).round().div(100)
            seen = torch.randint(0, VOCAB, (7,), generator=rng)
            # GenerationConfig's own top_k is 50, more than there are.
            config = GenerationConfig(do_sample=True, **setting)
            config._eos_token_tensor = None
            processors = model._get_logits_processor(generation_config=config, input_ids_seq_length=len(seen), logits_processor=LogitsProcessorList())
            scores = processors(seen[None], logits[None].clone())[0]
            cases.append(
                {
                    "setting": {**setting},
                    "processors": [type(p).__name__ for p in processors],
                    "logits": [round(x, 2) for x in logits.tolist()],
                    "seen": seen.tolist(),
                    "kept": scores.isfinite().nonzero().flatten().tolist(),
                    "probabilities": [round(x, 7) for x in scores.softmax(-1).tolist()],
                }
            )
    write(folder / "golden.json", {str(i): case for i, case in enumerate(cases)})
    write(folder / "greedy.json", {str(i): case for i, case in enumerate(greedy())})


def greedy():
    """Prompts, settings and what generate() says after them, the end token or the token that completed a stop string included."""
    model = LlamaForCausalLM.from_pretrained(FIXTURES / "llama-tiny", attn_implementation="eager").eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(FIXTURES / "llama-tiny")
    for prompt in ["Once upon a time", "The fox", "b"]:
        given = torch.tensor([tokenizer.encode(prompt)])

        def said(**setting):
            out = model.generate(given, attention_mask=torch.ones_like(given), do_sample=False, max_new_tokens=40, **setting)
            return out[0, given.shape[1] :].tolist()

        plain = said()
        for penalty in [1.0, 1.3, 3.0, 0.7]:
            yield {"prompt": given[0].tolist(), "setting": {"repetition_penalty": penalty}, "ids": said(repetition_penalty=penalty)}
        # A stop string that is said: the end of one token and the beginning of the next.
        pieces = [tokenizer.decode([i]) for i in plain]
        at = next(i for i in range(3, len(pieces) - 1) if all(len(p) > 0 and "\ufffd" not in p for p in pieces[i : i + 2]))
        stop = pieces[at][-1] + pieces[at + 1][0]
        yield {"prompt": given[0].tolist(), "setting": {"stop_strings": [stop, "never said"]}, "ids": said(stop_strings=[stop, "never said"], tokenizer=tokenizer)}
