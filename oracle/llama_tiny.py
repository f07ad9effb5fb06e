"""llama-tiny: grouped-query attention and tied embeddings; every activation and every parameter gradient."""

from tiny import activations, batch, build, cross_entropy, gradients, save, store, write

SEED = 1
SIZES = dict(
    vocab_size=320,
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    intermediate_size=96,
    tie_word_embeddings=True,
)


def make(folder):
    model = build(seed=SEED, **SIZES)
    save(model, folder)
    tokens = batch(SIZES["vocab_size"], seed=SEED + 1)
    taps, logits = activations(model, tokens)
    loss = cross_entropy(logits, tokens)
    loss.backward()
    store(folder / "golden.safetensors", {"tokens": tokens, **taps, **gradients(model)})
    write(folder / "golden.json", {"tokens": tokens.tolist(), "loss": loss.item(), "about": "mean next-token cross-entropy over positions 0..T-2"})
