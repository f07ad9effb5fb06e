"""llama-tiny-untied: a head of its own and as many key heads as query heads; logits and gradients only."""

from tiny import batch, build, cross_entropy, gradients, save, store, write

SEED = 11
SIZES = dict(
    vocab_size=264,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=4,
    head_dim=8,
    intermediate_size=48,
    tie_word_embeddings=False,
)


def make(folder):
    model = build(seed=SEED, **SIZES)
    save(model, folder)
    tokens = batch(SIZES["vocab_size"], seed=SEED + 1)
    logits = model(tokens, use_cache=False).logits
    loss = cross_entropy(logits, tokens)
    loss.backward()
    store(folder / "golden.safetensors", {"tokens": tokens, "tap.logits": logits, **gradients(model)})
    write(folder / "golden.json", {"tokens": tokens.tolist(), "loss": loss.item(), "about": "mean next-token cross-entropy over positions 0..T-2"})
