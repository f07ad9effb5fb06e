"""The parameter names of the golden files, from those of transformers' Llama."""

BLOCK = {
    "input_layernorm": "attnNorm",
    "self_attn.q_proj": "attn.q",
    "self_attn.k_proj": "attn.k",
    "self_attn.v_proj": "attn.v",
    "self_attn.o_proj": "attn.o",
    "post_attention_layernorm": "mlpNorm",
    "mlp.gate_proj": "mlp.gate",
    "mlp.up_proj": "mlp.up",
    "mlp.down_proj": "mlp.down",
}
OUTER = {"model.embed_tokens": "embed", "model.norm": "norm", "lm_head": "head"}


def ours(name):
    """`model.layers.3.mlp.up_proj.weight` → `blocks.3.mlp.up`."""
    stem = name.removesuffix(".weight")
    if stem in OUTER:
        return OUTER[stem]
    layer, rest = stem.removeprefix("model.layers.").split(".", 1)
    return f"blocks.{layer}.{BLOCK[rest]}"
