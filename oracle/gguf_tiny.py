"""gguf-tiny: a Llama as a GGUF file of mixed types, written by Python's gguf; logits and ids by transformers, which reads the same file."""

import json

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from transformers import AutoModelForCausalLM, AutoTokenizer

from tiny import batch, build, store, tokenizer, write

SEED = 43
SIZES = dict(
    vocab_size=320,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    intermediate_size=64,
    tie_word_embeddings=True,
)
TEXTS = ["the little fox", "In 2024 it's   1,234\n\n\tHi!", "Naïve 日本語 🙂", "<s>the<s>"]


def make(folder):
    model = build(seed=SEED, **SIZES)
    write_gguf(folder / "model.gguf", model, json.loads(tokenizer(SIZES["vocab_size"]).to_str()))
    read = AutoModelForCausalLM.from_pretrained(folder, gguf_file="model.gguf", dtype=torch.float32).eval()
    tokens = batch(SIZES["vocab_size"], seed=SEED + 1, rows=1)
    with torch.no_grad():
        logits = read(tokens).logits
    weights = {f"weight.{name}": w for name, w in read.state_dict().items() if name != "lm_head.weight"}
    sums = {name: w.to(torch.float64).sum().item() for name, w in weights.items()}
    store(folder / "golden.safetensors", {"logits": logits, **{n: w for n, w in weights.items() if "layers.0.self_attn" in n}})
    ids = AutoTokenizer.from_pretrained(folder, gguf_file="model.gguf")
    write(
        folder / "golden.json",
        {"tokens": tokens.tolist(), "texts": [[text, ids(text)["input_ids"]] for text in TEXTS], "sums": sums, "about": "sums of weights in f64"},
    )


def write_gguf(path, model, tokens):
    config = model.config
    w = gguf.GGUFWriter(path, "llama")
    w.add_name("tiny")
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_rope_dimension_count(config.head_dim)
    w.add_rope_freq_base(10000.0)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_vocab_size(config.vocab_size)
    vocab = sorted(tokens["model"]["vocab"], key=tokens["model"]["vocab"].get)
    special = {t["content"] for t in tokens["added_tokens"]}
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(vocab)
    w.add_token_types([3 if t in special else 1 for t in vocab])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in tokens["model"]["merges"]])
    w.add_bos_token_id(1)
    w.add_eos_token_id(1)
    w.add_pad_token_id(0)
    w.add_add_bos_token(False)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        x = weight.numpy()
        for part, h in heads.items():
            if part in name:  # rotating halves to rotating pairs
                x = x.reshape(h, 2, x.shape[0] // h // 2, x.shape[1]).swapaxes(1, 2).reshape(x.shape)
        kind = Type.F32 if x.ndim == 1 else Type.Q8_0 if "embed" in name else Type.F16 if "o_proj" in name else Type.Q4_1
        w.add_tensor(names.get_name(name, try_suffixes=(".weight",)), gguf.quantize(np.ascontiguousarray(x), kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
