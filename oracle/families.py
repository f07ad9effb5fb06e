"""A tiny random model of each decoder family, weights f16: logits, hidden states, attention patterns, 64 greedy tokens; gradients of some."""

import itertools

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tiny import END, PAD, batch, cross_entropy, save, store, write

SEED = 21
VOCAB = 112
GREEDY = 64
GAP = 1e-3
SHAPE = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=96)
WIDE = {**SHAPE, "head_dim": 8}
THETA = dict(rope_type="default", rope_theta=10000.0)
WINDOWS = ["sliding_attention", "full_attention"]

# Every variant of a family that a checkpoint may have is switched on in one of them; positions beyond a window and beyond the
# original context of a scaled rotation are reached.
FAMILIES = {
    "llama": dict(
        WIDE, attention_bias=True, mlp_bias=True,
        rope_parameters=dict(rope_type="llama3", rope_theta=500.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=24),
    ),
    "smollm3": dict(SHAPE, no_rope_layers=[1, 0], use_sliding_window=True, sliding_window=8, rope_parameters=THETA),
    "mistral": dict(WIDE, sliding_window=8, rope_parameters=THETA),
    "qwen2": dict(
        SHAPE, tie_word_embeddings=True, use_sliding_window=True, sliding_window=8, max_window_layers=1,
        rope_parameters=dict(rope_type="yarn", rope_theta=1000.0, factor=4.0, original_max_position_embeddings=24),
    ),
    "qwen3": dict(WIDE, rope_parameters=THETA),
    "gpt2": dict(n_embd=16, n_layer=2, n_head=4, n_positions=96),
    "gpt_neox": dict(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=96, use_parallel_residual=True,
        rope_parameters=dict(THETA, partial_rotary_factor=0.25),
    ),
    "gemma2": dict(WIDE, sliding_window=8, layer_types=WINDOWS, query_pre_attn_scalar=12, attn_logit_softcapping=2.0, final_logit_softcapping=3.0, rope_parameters=THETA),
    "gemma3_text": dict(
        WIDE, sliding_window=8, layer_types=WINDOWS, query_pre_attn_scalar=12,
        rope_parameters=dict(sliding_attention=THETA, full_attention=dict(rope_type="linear", rope_theta=1e6, factor=8.0)),
    ),
    "olmo2": dict(SHAPE, rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=2.0)),
    "phi3": dict(SHAPE, hidden_size=32, sliding_window=8, rope_parameters=dict(THETA, partial_rotary_factor=0.5)),
}
DIFFERENTIATED = {"gpt2", "qwen3", "gemma2"}


def make(folder, family):
    tokens = batch(VOCAB, seed=SEED, length=20)
    prompts = [tokens[0, :5].tolist(), tokens[1, :11].tolist()]
    for seed in itertools.count(SEED):  # the first whose greedy text is clear and not the same few words over and over
        model = build(family, seed)
        said = [greedy(model, prompt) for prompt in prompts]
        if all(said) and min(len(set(ids)) for ids in said) >= 8:
            break
    out = model(tokens, use_cache=False, output_hidden_states=True, output_attentions=True)
    golden = {"tokens": tokens, "logits": out.logits}
    golden |= {f"hidden.{i}": h for i, h in enumerate(out.hidden_states)}
    golden |= {f"attention.{i}": a for i, a in enumerate(out.attentions)}
    if family in DIFFERENTIATED:
        cross_entropy(out.logits, tokens).backward()
        golden |= {f"grad.{name}": p.grad for name, p in model.named_parameters()}
    store(folder / "golden.safetensors", golden)
    write(folder / "golden.json", {"prompts": prompts, "greedy": said, "seed": seed, "about": "likeliest next token, 64 times, without a cache"})
    save(model.half(), folder, alphabet=[])  # last: the angles of rotary positions are rounded as well


def build(family, seed):
    config = AutoConfig.for_model(
        family, vocab_size=VOCAB, bos_token_id=END, eos_token_id=END, pad_token_id=PAD, attn_implementation="eager", **FAMILIES[family]
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            # A norm of Gemma is stored as what it adds to 1.
            centre = 1.0 if name.endswith("weight") and ("norm" in name or "ln_" in name) and "gemma" not in family else 0.0
            # An embedding that is multiplied and is the head as well says its own token again, unless it is small.
            width = 0.06 if "gemma" in family and "embed" in name else 0.3
            p.copy_((torch.randn(p.shape, generator=rng) * width + centre).half())
    return model.eval()


@torch.no_grad()
def greedy(model, prompt):
    """The likeliest tokens one by one; None where two were as likely as each other."""
    ids = list(prompt)
    for _ in range(GREEDY):
        best = model(torch.tensor([ids]), use_cache=False).logits[0, -1].topk(2)
        if best.values[0] - best.values[1] < GAP:
            return None
        ids.append(best.indices[0].item())
    return ids[len(prompt) :]
