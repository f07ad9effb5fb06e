"""A reward model of transformers on a tiny Llama, the scores it gives, and twenty steps of TRL's RewardTrainer on the same pairs."""

import json
import tempfile

import torch
from datasets import Dataset
from transformers import LlamaForSequenceClassification, PreTrainedTokenizerFast, PrinterCallback
from trl import RewardConfig, RewardTrainer

from tiny import END, PAD, build, save, tokenizer, write
from trl_losses import OPTIMIZER, SETTINGS

SEED = 41
SIZES = dict(vocab_size=320, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=8, intermediate_size=24, tie_word_embeddings=True)
STEPS, BATCH = 20, 4

# What a recipe says, and what TRL is told; a margin is a column of its data.
RUNS = [
    ({"name": "rewardModel"}, {}, None),
    ({"name": "rewardModel", "center": 0.01}, {"center_rewards_coefficient": 0.01}, None),
    ({"name": "rewardModel", "margin": 0.5}, {}, 0.5),
]


def scorer():
    """The decoder of a causal model with a head of one row in the place of its own."""
    body = build(seed=SEED, **SIZES)
    body.config.id2label, body.config.label2id = {0: "LABEL_0"}, {"LABEL_0": 0}
    model = LlamaForSequenceClassification(body.config)
    model.model.load_state_dict(body.model.state_dict())
    with torch.no_grad():
        model.score.weight.copy_(0.2 * torch.randn(model.score.weight.shape, generator=torch.Generator().manual_seed(SEED + 1)))
    return model.eval()


def pairs():
    """Sides that end in the end token, and in some rows in padding after it, which a score does not read."""
    source = torch.Generator().manual_seed(SEED + 2)
    draw = lambda low, high, n: torch.randint(low, high, (n,), generator=source).tolist()
    rows = []
    for i in range(STEPS * BATCH):
        prompt = [END, *draw(2, SIZES["vocab_size"], draw(2, 8, 1)[0])]
        side = lambda: [*draw(2, SIZES["vocab_size"], draw(2, 12, 1)[0]), END] + [PAD] * (i % 5 == 0)
        rows.append({"prompt_ids": prompt, "chosen_ids": side(), "rejected_ids": side()})
    return rows


@torch.no_grad()
def scores(model, rows):
    return [[model(torch.tensor([row["prompt_ids"] + row[side]])).logits.item() for side in ("chosen_ids", "rejected_ids")] for row in rows]


class Kept(RewardTrainer):
    """Keeps every step's loss."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        found = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        self.losses.append((found[0] if return_outputs else found).item())
        return found


def run(told, margin, rows):
    model = scorer()
    data = [{side: row["prompt_ids"] + row[side] for side in ("chosen_ids", "rejected_ids")} | ({} if margin is None else {"margin": margin}) for row in rows]
    with tempfile.TemporaryDirectory() as scratch:
        made = Kept(
            model=model,
            processing_class=PreTrainedTokenizerFast(tokenizer_object=tokenizer(SIZES["vocab_size"]), bos_token="<s>", eos_token="<s>", pad_token="<pad>"),
            train_dataset=Dataset.from_list(data),
            args=RewardConfig(output_dir=scratch, per_device_train_batch_size=BATCH, max_steps=STEPS, train_sampling_strategy="sequential", **told, **SETTINGS),
        )
        made.remove_callback(PrinterCallback)
        made.losses = []
        made.train()
    norms = [entry["grad_norm"] for entry in made.state.log_history if "grad_norm" in entry]
    assert len(made.losses) == len(norms) == STEPS
    return {"losses": made.losses, "gradNorms": norms, "finalScores": scores(model.eval(), rows)}


def make(folder):
    rows = pairs()
    model = scorer()
    model.generation_config = build(seed=SEED, **SIZES).generation_config
    save(model, folder)
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write(
        folder / "golden.json",
        {
            "about": "scores are transformers' logits of whole texts, one at a time; losses and gradient norms are those before each step's update",
            "scores": scores(model, rows),
            "optimizer": OPTIMIZER,
            "schedule": "constant",
            "clip": 1.0,
            "batch": BATCH,
            "order": "the rows from first to last",
            "runs": [{"objective": objective, "trl": {**told, **({} if margin is None else {"margin": margin})}, **run(told, margin, rows)} for objective, told, margin in RUNS],
        },
    )
