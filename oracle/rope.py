"""Rotary frequencies and the factor of cosine and sine, by transformers, for the ways of stretching them that models on the Hub use."""

from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from tiny import write

SEED = 0
CASES = {
    "linear": dict(rope_type="linear", rope_theta=10000.0, factor=8.0),
    "llama3 of Llama 3.1": dict(
        rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192
    ),
    "yarn of Qwen 2.5": dict(rope_type="yarn", rope_theta=1000000.0, factor=4.0, original_max_position_embeddings=32768),
    "yarn of DeepSeek": dict(
        rope_type="yarn", rope_theta=10000.0, factor=40.0, original_max_position_embeddings=4096, beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=0.707
    ),
    "yarn with bounds between pairs": dict(
        rope_type="yarn", rope_theta=150000.0, factor=32.0, original_max_position_embeddings=4096, beta_fast=32.0, beta_slow=1.0, truncate=False
    ),
}


def make(folder):
    golden = {}
    for name, rope in CASES.items():
        config = LlamaConfig(hidden_size=128, num_attention_heads=2, head_dim=64, max_position_embeddings=131072, rope_parameters=rope)
        frequencies, factor = ROPE_INIT_FUNCTIONS[rope["rope_type"]](config, "cpu")
        golden[name] = {"rope_parameters": rope, "frequencies": [float(f"{x:.9g}") for x in frequencies.tolist()], "factor": factor}
    write(folder / "golden.json", golden)
