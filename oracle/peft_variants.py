"""peft-rslora, peft-dora, peft-dropout: PEFT's variants of LoRA on llama-tiny with B non-zero; adapter files, logits, gradients."""

import torch
from peft import LoraConfig, get_peft_model

import llama_tiny
from names import ours
from peft_lora import tidy
from tiny import batch, build, cross_entropy, store, write

SEED = 32
EVERY = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SOME = ["q_proj", "down_proj"]
VARIANTS = {
    "rslora": dict(use_rslora=True, target_modules=SOME, layers_to_transform=[1]),
    "dora": dict(use_dora=True, target_modules=EVERY),
    "dropout": dict(use_dora=True, target_modules=SOME, layers_to_transform=[1], lora_dropout=0.25),
}


class Masked(torch.nn.Module):
    """Dropout with a mask that the golden file keeps, so that another implementation can drop the same."""

    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def forward(self, x):
        return x * self.mask


def make(folder, variant):
    config = LoraConfig(r=4, lora_alpha=8, bias="none", task_type="CAUSAL_LM", **VARIANTS[variant])
    model = get_peft_model(build(seed=llama_tiny.SEED, **llama_tiny.SIZES), config)
    trained = {named(n): p for n, p in model.named_parameters() if p.requires_grad}
    rng = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, p in trained.items():
            p.add_(torch.randn(p.shape, generator=rng) * 0.1) if name.endswith("magnitude") else p.copy_(torch.randn(p.shape, generator=rng) * 0.1)
    model.save_pretrained(folder)
    tidy(folder)

    tokens = batch(llama_tiny.SIZES["vocab_size"], seed=llama_tiny.SEED + 1)
    golden = {"tokens": tokens, "tap.logits": model.eval()(tokens, use_cache=False).logits}
    model.train()
    for name, module in model.named_modules():
        if config.lora_dropout > 0 and hasattr(module, "lora_dropout"):
            kept = torch.rand((*tokens.shape, module.in_features), generator=rng) >= config.lora_dropout
            mask = kept.float() / (1 - config.lora_dropout)
            module.lora_dropout["default"] = Masked(mask)
            golden[f"mask.{ours(name.removeprefix('base_model.model.'))}"] = mask
    logits = model(tokens, use_cache=False).logits
    loss = cross_entropy(logits, tokens)
    loss.backward()
    golden |= {"train.logits": logits} if config.lora_dropout > 0 else {}
    store(folder / "golden.safetensors", {**golden, **{f"grad.{n}": p.grad for n, p in trained.items()}})
    write(
        folder / "golden.json",
        {
            "about": "tap.logits without dropout; loss, train.logits and grad.* with the masks mask.* on the adapters' inputs, where there are any",
            "model": "llama-tiny",
            "rank": 4,
            "alpha": 8,
            "tokens": tokens.tolist(),
            "loss": loss.item(),
        },
    )


def named(name):
    """`base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight` → `blocks.0.mlp.up.a`; B → `b`, lora_magnitude_vector → `magnitude`."""
    layer, part = name.removeprefix("base_model.model.").split(".lora_")
    short = {"A": "a", "B": "b", "magnitude_vector": "magnitude"}[part.split(".")[0]]
    return f"{ours(layer)}.{short}"
