"""A tiny random Llama with a byte-level tokenizer: the model that most golden files are made on."""

import json

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama import modeling_llama

from names import ours

PAD, END = 0, 1
TEXT = """Once upon a time there was a little fox who lived near the river. The fox liked to sing to the moon.
One day the fox met a small bird. "Can you sing with me?" asked the fox. The bird said, "Yes, I can!"
They sang and sang until the sun came up, and then they went home and had a big breakfast together.
"""


def build(*, seed, **sizes):
    """A LlamaForCausalLM whose weights, norms included, are random enough that every mistake shows."""
    config = LlamaConfig(
        **sizes,
        max_position_embeddings=256,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=END,
        eos_token_id=END,
        pad_token_id=PAD,
        attn_implementation="eager",
    )
    model = LlamaForCausalLM(config)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn(p.shape, generator=rng) * 0.1 + (1.0 if "norm" in name else 0.0))
    return model.eval()


def save(model, folder, alphabet=None):
    """Writes the folder as the Hub would have it: config, weights, tokenizer, generation config."""
    model.generation_config.update(bos_token_id=END, eos_token_id=END, pad_token_id=PAD)
    model.save_pretrained(folder)
    tokenizer(model.config.vocab_size, alphabet).save(str(folder / "tokenizer.json"))
    write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<s>",
            "eos_token": "<s>",
            "pad_token": "<pad>",
            "model_max_length": model.config.max_position_embeddings,
            "clean_up_tokenization_spaces": False,
        },
    )


def tokenizer(vocab_size, alphabet=None):
    """A byte-level BPE whose post-processor puts <s> in front, as Llama's does; `alphabet` of all bytes, or only those of TEXT where it is empty."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(
        [TEXT],
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=["<pad>", "<s>"],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()) if alphabet is None else alphabet,
            show_progress=False,
        ),
    )
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", END)])
    return t


def batch(vocab_size, *, seed, rows=2, length=24):
    """Random token ids that start with <s>."""
    tokens = torch.randint(2, vocab_size, (rows, length), generator=torch.Generator().manual_seed(seed))
    tokens[:, 0] = END
    return tokens


def cross_entropy(logits, tokens):
    """The mean next-token cross-entropy, in nats, over positions 0…T-2 of every row."""
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def gradients(model):
    return {f"grad.{ours(name)}": p.grad for name, p in model.named_parameters()}


def activations(model, tokens):
    """One forward pass with a tap at every step of the block; also returns the logits with their graph."""
    taps = {}
    hooks = []

    def into(module, name):
        hooks.append(module.register_forward_pre_hook(lambda _, args: taps.__setitem__(name, args[0])))

    def outof(module, name):
        hooks.append(module.register_forward_hook(lambda _, __, out: taps.__setitem__(name, out[0] if isinstance(out, tuple) else out)))

    outof(model.model.embed_tokens, "embed")
    for i, block in enumerate(model.model.layers):
        at = f"blocks.{i}"
        into(block.self_attn.q_proj, f"{at}.attn.in")
        outof(block.self_attn, f"{at}.attn.out")
        into(block.post_attention_layernorm, f"{at}.mid")
        into(block.mlp, f"{at}.mlp.in")
        into(block.mlp.down_proj, f"{at}.mlp.act")
        outof(block.mlp, f"{at}.mlp.out")
        outof(block, f"{at}.out")
    outof(model.model.norm, "final")
    outof(model.lm_head, "logits")

    attend = modeling_llama.eager_attention_forward

    def tapped(module, query, key, value, *args, **kwargs):
        out, pattern = attend(module, query, key, value, *args, **kwargs)
        at = f"blocks.{module.layer_idx}.attn"
        taps.update({f"{at}.q": query, f"{at}.k": key, f"{at}.v": value, f"{at}.pattern": pattern})
        return out, pattern

    modeling_llama.eager_attention_forward = tapped
    try:
        logits = model(tokens, use_cache=False).logits
    finally:
        modeling_llama.eager_attention_forward = attend
        for hook in hooks:
            hook.remove()
    return {f"tap.{name}": value for name, value in taps.items()}, logits


def store(path, tensors):
    """Tensors to safetensors: floats as f32, integers as i32."""
    save_file(
        {k: v.detach().to(torch.float32 if v.is_floating_point() else torch.int32).contiguous().clone() for k, v in tensors.items()},
        path,
    )


def write(path, value):
    """JSON with one line per field, so that a change of one shows in a diff."""
    fields = ",\n".join(f" {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in value.items())
    path.write_text(f"{{\n{fields}\n}}\n", encoding="utf-8")
