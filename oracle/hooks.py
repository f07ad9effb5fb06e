"""Places inside a decoder of transformers, whatever its family calls them: what writes to the residual stream, what reads it, and q, k, v and z."""

import torch


def first_of(module, *names):
    return next((found for found in (getattr(module, name, None) for name in names) if found is not None), None)


class Places:
    """Runs a model with `at(name, x)` called at every place; what it returns goes on from there.

    Names: embed, read.attn.L, q.L, k.L, v.L, z.L, attn.L, read.mlp.L, mlp.L, read.logits. What is read is before the reader's norm.
    """

    def __init__(self, model):
        self.model, body = model, model.base_model
        self.blocks = first_of(body, "layers", "h")
        self.layers = len(self.blocks)
        config = model.config
        self.heads = config.num_attention_heads
        self.kv = getattr(config, "num_key_value_heads", None) or self.heads
        self.at = lambda name, x: x
        self.before(self.blocks[0], "embed")
        for l, block in enumerate(self.blocks):
            attn = first_of(block, "self_attn", "attn", "attention")
            out = first_of(attn, "o_proj", "c_proj", "dense")
            after = hasattr(block, "post_feedforward_layernorm")
            self.before(first_of(block, "input_layernorm", "ln_1") or attn, f"read.attn.{l}")
            norm = first_of(block, "pre_feedforward_layernorm", "ln_2") or (None if after else block.post_attention_layernorm)
            self.before(norm or block.mlp, f"read.mlp.{l}")
            self.before(out, f"z.{l}")
            self.after(block.post_attention_layernorm if after else attn, f"attn.{l}")
            self.after(block.post_feedforward_layernorm if after else block.mlp, f"mlp.{l}")
            self.projections(attn, l)
        self.before(first_of(body, "norm", "ln_f", "final_layer_norm"), "read.logits")
        self.whole = any(hasattr(block, "post_feedforward_layernorm") for block in self.blocks)
        self.parallel = getattr(config, "use_parallel_residual", False)
        self.out = [first_of(first_of(block, "self_attn", "attn", "attention"), "o_proj", "c_proj", "dense") for block in self.blocks]

    def before(self, module, name):
        def hook(_, args, kwargs):
            if args:
                return (self.at(name, args[0]), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": self.at(name, kwargs["hidden_states"])}

        module.register_forward_pre_hook(hook, with_kwargs=True)

    def after(self, module, name):
        def hook(_, args, out):
            return (self.at(name, out[0]), *out[1:]) if isinstance(out, tuple) else self.at(name, out)

        module.register_forward_hook(hook)

    def projections(self, attn, l):
        """q, k and v as [1, T, heads, n], before they are normed and rotated."""
        if hasattr(attn, "q_proj"):
            for name, heads in (("q", self.heads), ("k", self.kv), ("v", self.kv)):
                hook = lambda _, args, out, name=name, heads=heads: self.at(f"{name}.{l}", out.unflatten(-1, (heads, -1))).flatten(-2)
                getattr(attn, f"{name}_proj").register_forward_hook(hook)
            return
        joined = first_of(attn, "c_attn", "qkv_proj", "query_key_value")

        def hook(_, args, out):
            if hasattr(attn, "query_key_value"):
                parts = out.unflatten(-1, (self.heads, 3, -1)).unbind(-2)
                return torch.stack([self.at(f"{name}.{l}", x) for name, x in zip("qkv", parts)], -2).flatten(-3)
            sizes = [self.heads, self.kv, self.kv]
            width = out.shape[-1] // sum(sizes)
            parts = out.split([n * width for n in sizes], -1)
            return torch.cat([self.at(f"{name}.{l}", x.unflatten(-1, (n, -1))).flatten(-2) for name, x, n in zip("qkv", parts, sizes)], -1)

        joined.register_forward_hook(hook)

    def run(self, ids, at=None):
        """The logits after the last token, and every value, with what `at` makes of it."""
        seen = {}

        def look(name, x):
            seen[name] = at(name, x) if at else x
            return seen[name]

        self.at = look
        logits = self.model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        return logits, seen

    def head(self, z, l, h):
        """One head's part of z, the others 0."""
        only = torch.zeros_like(z)
        n = z.shape[-1] // self.heads
        only[..., h * n : (h + 1) * n] = z[..., h * n : (h + 1) * n]
        return only

    def adds(self, seen):
        """What every writer adds to the residual stream, by the names of `innate read attribute --edges`."""
        found = {"embed": seen["embed"]}
        for l in range(self.layers):
            if self.whole:
                found[f"attn {l}"] = seen[f"attn.{l}"]
            else:
                weight = self.out[l].weight
                weight = weight if weight.shape[0] == seen[f"z.{l}"].shape[-1] and type(self.out[l]).__name__ == "Conv1D" else weight.T
                found |= {f"head {l}.{h}": self.head(seen[f"z.{l}"], l, h) @ weight for h in range(self.heads)}
            found[f"mlp {l}"] = seen[f"mlp.{l}"]
        return found

    def readers(self):
        return [name for l in range(self.layers) for name in (f"attn {l}", f"mlp {l}")] + ["logits"]

    def edges(self):
        """(writer, reader) wherever the writer comes before."""
        order = {}
        for l in range(self.layers):
            order |= {f"attn {l}": 2 * l, f"mlp {l}": 2 * l + (0 if self.parallel else 1)}
        order["logits"] = 2 * self.layers
        names = ["embed"] + [n for l in range(self.layers) for n in ([f"attn {l}"] if self.whole else [f"head {l}.{h}" for h in range(self.heads)]) + [f"mlp {l}"]]

        def wrote(name):
            if name == "embed":
                return 0
            kind, at = name.split(" ")
            return 2 * int(at.split(".")[0]) + (2 if kind == "mlp" or self.parallel else 1)

        return [(w, r) for w in names for r in self.readers() if wrote(w) <= order[r]]


def place(reader):
    """The place where a reader reads: `attn 2` reads at read.attn.2."""
    return "read." + reader.replace(" ", ".")
