"""A bare training step of JAX, jitted: a Llama's forward pass, cross-entropy at every position, gradient; load, step, peak."""

import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
from protocol import answer, commands
from safetensors.numpy import load_file


def main():
    step = weights = tokens = None
    for command in commands():
        start = time.perf_counter()
        more = {}
        if command["cmd"] == "load":
            folder = Path(command["model"])
            config = json.loads((folder / "config.json").read_text())
            weights = {name: jnp.asarray(x) for name, x in load_file(folder / "model.safetensors").items()}
            tokens = jnp.asarray(command["tokens"])
            step = jax.jit(jax.value_and_grad(lambda w, t: loss_of(w, t, config)))
            jax.block_until_ready(step(weights, tokens))
        elif command["cmd"] == "step":
            loss, grads = step(weights, tokens)
            jax.block_until_ready(grads)
            more = {"loss": float(loss)}
        answer({"seconds": time.perf_counter() - start, **more})


def loss_of(w, tokens, config):
    heads = config["num_attention_heads"]
    groups = heads // config["num_key_value_heads"]
    size = config["hidden_size"] // heads
    theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
    ids, targets = tokens[:, :-1], tokens[:, 1:]
    rows, length = ids.shape
    angles = jnp.arange(length)[:, None] * theta ** (-jnp.arange(0, size, 2) / size)
    cos, sin = (jnp.concatenate([f(angles)] * 2, -1) for f in (jnp.cos, jnp.sin))
    mask = jnp.where(jnp.tril(jnp.ones((length, length), bool)), 0.0, -1e9)

    def norm(x, name):
        return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + config["rms_norm_eps"]) * w[name]

    def split(x):
        return x.reshape(rows, length, -1, size).transpose(0, 2, 1, 3)

    def turned(x):
        left, right = jnp.split(x, 2, -1)
        return x * cos + jnp.concatenate([-right, left], -1) * sin

    x = w["model.embed_tokens.weight"][ids]
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        y = norm(x, at + "input_layernorm.weight")
        q, k, v = (split(y @ w[f"{at}self_attn.{part}_proj.weight"].T) for part in "qkv")
        k, v = (jnp.repeat(part, groups, 1) for part in (turned(k), v))
        pattern = jax.nn.softmax(turned(q) @ k.swapaxes(-1, -2) / size**0.5 + mask)
        mixed = (pattern @ v).transpose(0, 2, 1, 3).reshape(rows, length, -1)
        x = x + mixed @ w[at + "self_attn.o_proj.weight"].T
        y = norm(x, at + "post_attention_layernorm.weight")
        gate, up = (y @ w[f"{at}mlp.{part}_proj.weight"].T for part in ("gate", "up"))
        x = x + (jax.nn.silu(gate) * up) @ w[at + "mlp.down_proj.weight"].T
    x = norm(x, "model.norm.weight")
    logits = x @ w.get("lm_head.weight", w["model.embed_tokens.weight"]).T
    logps = jax.nn.log_softmax(logits)
    return -jnp.take_along_axis(logps, targets[..., None], -1).mean()


if __name__ == "__main__":
    main()
