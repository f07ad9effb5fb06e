"""Tiny models fine-tuned apart, and what mergekit makes of them by every method; its own masks for DARE and DELLA, its tokenizers, and its chat templates."""

import importlib.resources
import json
import os
import shutil

import torch
import yaml
from mergekit._data import chat_templates
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.merge_methods.api import merge_state_dicts
from mergekit.options import MergeOptions
from safetensors.torch import load_file
from transformers import AutoTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

from tiny import batch, build, cross_entropy, save, store, write

SEED = 53
SIZES = dict(vocab_size=64, hidden_size=8, intermediate_size=12, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True)
GRADED = [{"filter": "self_attn", "value": [0, 0.5, 1]}, {"filter": "mlp", "value": [1, 0.25]}, {"value": 0.4}]


def make(folder):
    base = build(seed=SEED, **SIZES)
    save(base, folder / "base", alphabet=[])
    for i, name in enumerate("abc"):
        model = tuned(build(seed=SEED, **SIZES), SEED + 1 + i)
        if name == "c":
            renamed(model, folder / name)
        else:
            save(model, folder / name, alphabet=[])
    golden, told = {}, {}
    for name, config in CONFIGS.items():
        (folder / f"{name}.yml").write_text(yaml.dump(config, sort_keys=False))
        golden |= {f"{name}/{key}": tensor for key, tensor in merged(folder, config, told, name).items()}
    golden |= drawn(folder)
    store(folder / "golden.safetensors", golden)
    write(folder / "golden.json", {"configs": list(CONFIGS), "drawn": DRAWN, "told": told, "templates": rendered()})


def tuned(model, seed):
    """A few steps on random tokens: differences of a size that shows."""
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for step in range(6):
        tokens = batch(SIZES["vocab_size"], seed=100 * seed + step)
        cross_entropy(model(tokens).logits, tokens).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def renamed(model, folder):
    """The third has tokens of its own in the place of some, in another order, and rows for more."""
    wider = build(seed=SEED, **{**SIZES, "vocab_size": 68})
    with torch.no_grad():
        for (key, to), (_, of) in zip(wider.named_parameters(), model.named_parameters()):
            to.copy_(torch.cat([of[:20], of[20:].flip(0), of[:4] * 2]) if "embed" in key else of)
    save(wider, folder, alphabet=[])
    path = folder / "tokenizer.json"
    told = json.loads((folder.parent / "base" / "tokenizer.json").read_text())
    vocab = told["model"]["vocab"]
    at = {token: i if i < 20 else 83 - i for token, i in vocab.items()}
    dropped = [token for token, i in vocab.items() if i >= 60]
    for token in dropped:
        del at[token]
    told["model"]["merges"] = [m for m in told["model"]["merges"] if "".join(m if isinstance(m, list) else m.split(" ")) in at]
    free = sorted(set(range(67)) - set(at.values()))
    at |= {f"<new{i}>": i for i in free}
    told["model"]["vocab"] = dict(sorted(at.items(), key=lambda one: one[1]))
    told["added_tokens"] += [dict(id=i, content=f"<new{i}>", single_word=False, lstrip=False, rstrip=False, normalized=False, special=True) for i in free]
    path.write_text(json.dumps(told))


def merged(folder, config, told, name):
    here = os.getcwd()
    os.chdir(folder)
    try:
        run_merge(MergeConfiguration.model_validate(config), "out", MergeOptions(quiet=True, write_model_card=False))
        tensors = load_file("out/model.safetensors")
        if "tokenizer_source" in config or "tokenizer" in config:
            told[name] = AutoTokenizer.from_pretrained("out").get_vocab()
        return tensors
    finally:
        shutil.rmtree("out", ignore_errors=True)
        os.chdir(here)


def rendered():
    """What the templates that mergekit has by name make of talks, with and without the beginning of an answer."""
    def text(name, talk, answer):
        template = importlib.resources.files(chat_templates).joinpath(f"{name}.jinja").read_text()
        return render_jinja_template(conversations=[talk], chat_template=template, add_generation_prompt=answer, bos_token="<s>", eos_token="</s>")[0][0]

    return [
        {"name": name, "messages": talk, "answer": answer, "text": text(name, talk, answer)}
        for name in ("alpaca", "chatml", "exaone", "llama3", "mistral")
        for talk in TALKS
        for answer in (True, False)
    ]


def drawn(folder):
    """Methods that draw, with the masks that they drew, tensor by tensor in the order of the file and model by model."""
    dicts = {name: load_file(folder / name / "model.safetensors") for name in ("base", "a", "b")}
    plain, masks, golden = torch.bernoulli, [], {}

    def kept(probabilities):
        masks.append(plain(probabilities, generator=rng))
        return masks[-1]

    torch.bernoulli = kept
    try:
        for name, parameters in DRAWN.items():
            rng = torch.Generator().manual_seed(SEED)
            for key in dicts["base"]:
                masks.clear()
                (out,) = merge_state_dicts({m: {key: d[key]} for m, d in dicts.items()}, name, parameters=parameters, base="base").values()
                golden[f"{name}/{key}"] = out
                golden |= {f"mask/{name}/{key}/{i}": mask.reshape(out.shape) for i, mask in enumerate(masks)}
    finally:
        torch.bernoulli = plain
    return golden


def of(model, **parameters):
    return {"model": model, **({"parameters": parameters} if parameters else {})}


def slices(*ranges, **rest):
    return [{"sources": [{**of(model, **parameters), "layer_range": list(layers)} for model, layers, parameters in one]} | rest for one in ranges]


TALKS = [
    [{"role": role, "content": content} for role, content in talk]
    for talk in (
        [("system", " Be kind. "), ("user", " Hi "), ("assistant", "Hello."), ("user", "Bye")],
        [("user", "Hi"), ("assistant", " Yes ")],
    )
]
TWO = [of("a", weight=0.6), of("b", weight=0.7)]
CONFIGS = {
    "linear": {"models": [of("a", weight=[0.2, 0.9]), of("b", weight=0.7), of("base", weight=-0.1)], "merge_method": "linear"},
    "linear-plain": {"models": TWO, "merge_method": "linear", "parameters": {"normalize": False}, "out_dtype": "float16"},
    "slerp": {"models": [of("base"), of("a")], "merge_method": "slerp", "base_model": "base", "parameters": {"t": GRADED}},
    "nuslerp": {"models": TWO, "merge_method": "nuslerp"},
    "nuslerp-base": {"models": TWO, "merge_method": "nuslerp", "base_model": "base"},
    "nuslerp-rows": {"models": TWO, "merge_method": "nuslerp", "base_model": "base", "parameters": {"nuslerp_flatten": False}},
    "nuslerp-columns": {"models": TWO, "merge_method": "nuslerp", "base_model": "base", "parameters": {"nuslerp_flatten": False, "nuslerp_row_wise": True}},
    "multislerp": {"models": [*TWO, of("base", weight=0.4)], "merge_method": "multislerp"},
    "multislerp-base": {"models": TWO, "merge_method": "multislerp", "base_model": "base"},
    "karcher": {"models": [of("a"), of("b"), of("base")], "merge_method": "karcher"},
    "task_arithmetic": {"models": TWO, "merge_method": "task_arithmetic", "base_model": "base", "parameters": {"lambda": 0.7}},
    "task_arithmetic-mean": {"models": TWO, "merge_method": "task_arithmetic", "base_model": "base", "parameters": {"normalize": True}},
    "ties": {"models": [of("a", weight=[1, 0.5], density=0.5), of("b", weight=0.7, density=[{"filter": "mlp", "value": 0.3}, {"value": 0.8}])], "merge_method": "ties", "base_model": "base", "parameters": {"int8_mask": True}},
    "ties-plain": {"models": TWO, "merge_method": "ties", "base_model": "base", "parameters": {"normalize": False, "rescale": True, "density": 0.4}},
    "breadcrumbs": {"models": TWO, "merge_method": "breadcrumbs", "base_model": "base", "parameters": {"density": 0.6, "gamma": 0.1}},
    "breadcrumbs_ties": {"models": TWO, "merge_method": "breadcrumbs_ties", "base_model": "base", "parameters": {"density": 0.9, "gamma": 0.3}},
    "sce": {"models": [of("a"), of("b")], "merge_method": "sce", "base_model": "base", "parameters": {"select_topk": 0.4}},
    "model_stock": {"models": [of("a"), of("b")], "merge_method": "model_stock", "base_model": "base"},
    "model_stock-rows": {"models": [of("a"), of("b")], "merge_method": "model_stock", "base_model": "base", "parameters": {"filter_wise": True}},
    "nearswap": {"models": [of("a")], "merge_method": "nearswap", "base_model": "base", "parameters": {"t": 0.004}},
    "arcee_fusion": {"models": [of("a")], "merge_method": "arcee_fusion", "base_model": "base"},
    "ram": {"models": [of("a"), of("b")], "merge_method": "ram", "base_model": "base", "parameters": {"epsilon": 0.01}},
    "ramplus_tl": {"models": [of("a"), of("b")], "merge_method": "ramplus_tl", "base_model": "base", "parameters": {"epsilon": 0.01, "alpha": 0.5, "r": 0.3}},
    "passthrough": {"slices": slices([("a", (0, 2), {"scale": [{"filter": "o_proj", "value": 0.5}, {"value": 1}]})], [("b", (1, 3), {})]), "merge_method": "passthrough"},
    "slices": {
        "slices": [
            *slices([("base", (0, 1), {}), ("a", (1, 2), {})], parameters={"t": 0.3}),
            *slices([("base", (1, 3), {}), ("b", (0, 2), {})]),
        ],
        "merge_method": "slerp", "base_model": "base", "parameters": {"t": [0.2, 0.8]}, "dtype": "float32",
    },
    "modules": {"modules": {"default": {"models": TWO, "parameters": {"normalize": False}}}, "merge_method": "linear"},
    "tokenizer-base": {"models": [of("a", weight=1), of("c", weight=1)], "merge_method": "linear", "base_model": "base", "parameters": {"weight": 1}, "tokenizer_source": "base"},
    "tokenizer-union": {"models": [of("a", weight=1), of("c", weight=2)], "merge_method": "task_arithmetic", "base_model": "base", "tokenizer_source": "union"},
    "tokenizer-tokens": {
        "models": [of("a", weight=1), of("c", weight=2)], "merge_method": "task_arithmetic", "base_model": "base",
        "tokenizer": {
            "source": "union",
            "tokens": {
                "<new20>": {"source": {"kind": "zero"}},
                "<new21>": {"source": "c"},
                "<own>": {"source": {"kind": "model_token", "model": "c", "token": "<new64>"}},
                "<row>": {"source": {"kind": "model_token", "model": "a", "token_id": 7}},
                "k": {"source": "a", "force": True},
                "l": {"source": "a"},
                "m": {"source": {"kind": "zero"}, "force": True},
            },
        },
    },
    "tokenizer-other": {"models": [of("a", weight=1), of("c", weight=2)], "merge_method": "linear", "tokenizer": {"source": "c", "pad_to_multiple_of": 8}},
}
DRAWN = {
    "dare_ties": {"weight": [0.6, 0.7], "density": 0.6},
    "dare_linear": {"weight": [0.6, 0.7], "density": 0.6, "lambda": 0.8},
    "della": {"weight": [0.6, 0.7], "density": 0.5},
    "della_linear": {"weight": [0.6, 0.7], "density": 0.5, "epsilon": 0.3},
}
