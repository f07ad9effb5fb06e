"""sae-lens: folders of sparse autoencoders as SAELens 6 writes them, with what it encodes and decodes of random rows."""

import importlib.machinery
import logging
import sys
import types
from importlib.metadata import distribution

import torch

from tiny import write

SEED = 16
WIDTH, FEATURES, K, ROWS = 8, 24, 3, 10


def sae_lens():
    """SAELens's own autoencoders without the rest of it, which asks for an older TransformerLens."""
    import transformer_lens

    old = types.ModuleType("transformer_lens.HookedTransformer")
    old.HookedRootModule = transformer_lens.HookedRootModule
    old.HookedTransformer = torch.nn.Module
    sys.modules.setdefault("transformer_lens.HookedTransformer", old)
    home = str(distribution("sae-lens").locate_file("sae_lens"))
    for name, path in (("sae_lens", home), ("sae_lens.saes", f"{home}/saes")):
        package = types.ModuleType(name)
        package.__path__ = [path]
        package.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        package.__version__ = distribution("sae-lens").version
        package.logger = logging.getLogger(name)
        sys.modules[name] = package
    from sae_lens.registry import register_sae_class
    from sae_lens.saes import standard_sae, topk_sae

    # Each class is registered once a process.
    for kind, sae, config in (
        ("topk", topk_sae.TopKSAE, topk_sae.TopKSAEConfig),
        ("standard", standard_sae.StandardSAE, standard_sae.StandardSAEConfig),
    ):
        try:
            register_sae_class(kind, sae, config)
        except ValueError:
            pass
    return topk_sae, standard_sae


def make(folder):
    topk, standard = sae_lens()
    rng = torch.Generator().manual_seed(SEED)
    x = torch.randn(ROWS, WIDTH, generator=rng)
    size = dict(d_in=WIDTH, d_sae=FEATURES)
    cases = {
        "topk": topk.TopKSAE(topk.TopKSAEConfig(k=K, **size)),
        "topk-rescaled": topk.TopKSAE(topk.TopKSAEConfig(k=K, rescale_acts_by_decoder_norm=True, apply_b_dec_to_input=False, **size)),
        "standard": standard.StandardSAE(standard.StandardSAEConfig(**size)),
        "layer-norm": topk.TopKSAE(topk.TopKSAEConfig(k=K, normalize_activations="layer_norm", **size)),
    }
    golden = {"x": x.tolist(), "cases": {}}
    for name, sae in cases.items():
        with torch.no_grad():
            for p in sae.parameters():
                p.copy_(torch.randn(p.shape, generator=rng) * 0.5)
            encoded = sae.encode(x)
            decoded = sae.decode(encoded)
        sae.cfg.metadata.model_name = "tiny"
        sae.cfg.metadata.hook_name = "blocks.1.hook_resid_post"
        sae.save_model(folder / name)
        golden["cases"][name] = {"encoded": encoded.tolist(), "decoded": decoded.tolist()}
    write(folder / "golden.json", golden)
