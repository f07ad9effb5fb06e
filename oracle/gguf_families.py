"""gguf-families: for each architecture, the name of every tensor that transformers saves of a small model, by the name that Python's gguf gives it."""

import tempfile

import gguf
import torch
import transformers as t
from safetensors.torch import load_file

from tiny import write

SEED = 0
SMALL = dict(vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=4)
SMALL |= dict(tie_word_embeddings=False, pad_token_id=0, bos_token_id=1, eos_token_id=1)
NARROW = {k: v for k, v in SMALL.items() if k not in ("head_dim", "num_key_value_heads")}
FAMILIES = {
    "llama": (t.LlamaForCausalLM, t.LlamaConfig, SMALL),
    "qwen2": (t.Qwen2ForCausalLM, t.Qwen2Config, {k: v for k, v in SMALL.items() if k != "head_dim"}),
    "qwen3": (t.Qwen3ForCausalLM, t.Qwen3Config, SMALL),
    "olmo2": (t.Olmo2ForCausalLM, t.Olmo2Config, {k: v for k, v in SMALL.items() if k != "head_dim"}),
    "phi3": (t.Phi3ForCausalLM, t.Phi3Config, {k: v for k, v in SMALL.items() if k != "head_dim"}),
    "gemma2": (t.Gemma2ForCausalLM, t.Gemma2Config, SMALL),
    "gemma3": (t.Gemma3ForCausalLM, t.Gemma3TextConfig, SMALL),
    "gpt2": (t.GPT2LMHeadModel, t.GPT2Config, dict(vocab_size=16, n_embd=8, n_layer=2, n_head=2, tie_word_embeddings=False)),
    "gptneox": (t.GPTNeoXForCausalLM, t.GPTNeoXConfig, NARROW),
}


def make(folder):
    names = {}
    for arch, (model, config, sizes) in FAMILIES.items():
        torch.manual_seed(SEED)
        table = gguf.get_tensor_name_map(next(a for a, n in gguf.MODEL_ARCH_NAMES.items() if n == arch), 2)
        known = {}
        with tempfile.TemporaryDirectory() as saved:
            model(config(**sizes)).save_pretrained(saved)
            for name in sorted(load_file(f"{saved}/model.safetensors")):
                if (stored := table.get_name(name, try_suffixes=(".weight", ".bias"))) is not None:
                    known[stored] = name
        names[arch] = known
    write(folder / "golden.json", {**names, "about": "name in the file → name in transformers"})
