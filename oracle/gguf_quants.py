"""gguf-quants: random blocks of every type and the f32 numbers that Python's gguf makes of them, and the blocks that it makes of f32."""

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type

from tiny import store, write

SEED = 41
TYPES = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ2_XXS"]
# Where the halves of a block lie; the rest of it may be any bytes.
HALVES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108]}
HALVES |= {"Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ2_XXS": [0]}
BLOCKS = 3


def make(folder):
    rng = np.random.default_rng(SEED)
    blocks, numbers = {}, {}
    for name in TYPES:
        size = gguf.GGML_QUANT_SIZES[Type[name]][1]
        raw = rng.integers(0, 256, (BLOCKS if size > 4 else 64, size), dtype=np.uint8)
        if size <= 4:
            raw = rng.normal(size=64).astype(np.float32)
            raw = gguf.quantize(raw, Type[name]).view(np.uint8).reshape(-1)
        for at in HALVES.get(name, []):
            raw[:, at : at + 2] = rng.normal(scale=0.1, size=len(raw)).astype(np.float16).reshape(-1, 1).view(np.uint8)
        blocks[name] = raw.tobytes().hex()
        numbers[name] = torch.from_numpy(gguf.dequantize(raw, Type[name]).astype(np.float32).reshape(-1).copy())
    given = rng.normal(size=(4, 64)).astype(np.float32)
    given[1] *= 1e-3
    given[2, :32] = 0
    numbers["given"] = torch.from_numpy(given)
    made = {name: gguf.quantize(given, Type[name]).tobytes().hex() for name in ["F16", "BF16", "Q8_0"]}
    store(folder / "golden.safetensors", numbers)
    write(folder / "golden.json", {"blocks": blocks, "made": made, "about": "hex; made: what becomes of `given`"})
