"""Twenty steps of TRL's policy-gradient trainers on llama-tiny, on rollouts that were kept: the same tokens, rewards and sampler's log-probabilities."""

import json
import tempfile

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerFast, PrinterCallback
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

import llama_tiny
from tiny import build, tokenizer, write
from trl_losses import OPTIMIZER, SETTINGS

SEED = 31
STEPS, PROMPTS, GROUP, LONGEST = 20, 2, 4, 12

# What a recipe says, and what TRL is told.
RUNS = [
    ({"name": "grpo", "beta": 0.04}, dict(loss_type="grpo", beta=0.04)),
    ({"name": "grpo", "epsilonHigh": 0.28}, dict(loss_type="grpo", epsilon_high=0.28)),
    ({"name": "drGrpo", "length": LONGEST}, dict(loss_type="dr_grpo", scale_rewards="none", max_completion_length=LONGEST)),
    ({"name": "dapo"}, dict(loss_type="dapo", epsilon_high=0.28)),
    ({"name": "gspo", "epsilon": 0.05, "epsilonHigh": 0.05}, dict(loss_type="grpo", importance_sampling_level="sequence", epsilon=0.05)),
    ({"name": "cispo", "epsilonHigh": 1.2}, dict(loss_type="cispo", epsilon_high=1.2)),
    ({"name": "rloo", "beta": 0.05}, dict(beta=0.05)),
]


def token_logps(model, row):
    prompt, completion = row["prompt_ids"], row["completion_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(1, torch.tensor(completion)[:, None])[:, 0]


def rollouts(vocab, model):
    """Rows of a sampler that is near the model: its log-probabilities are the model's with some noise, so that ratios leave the clip."""
    source = torch.Generator().manual_seed(SEED)
    draw = lambda low, high, n: torch.randint(low, high, (n,), generator=source).tolist()
    rows = []
    for _ in range(STEPS * PROMPTS):
        prompt = draw(2, vocab, draw(3, 8, 1)[0])
        for _ in range(GROUP):
            row = {"prompt_ids": prompt, "completion_ids": draw(2, vocab, draw(2, LONGEST + 1, 1)[0]), "reward": round(torch.randn(1, generator=source).item(), 3)}
            noise = 0.15 * torch.randn(len(row["completion_ids"]), generator=source)
            rows.append({**row, "logps": [round(x, 4) for x in (token_logps(model, row) + noise).clamp(max=-1e-3).tolist()]})
    return rows


def padded(rows, value=0, left=False):
    longest = max(map(len, rows))
    return torch.tensor([[value] * (longest - len(r)) + r if left else r + [value] * (longest - len(r)) for r in rows])


def batch_of(rows, reference, beta, kind, scaled):
    rewards = torch.tensor([row["reward"] for row in rows])
    completions = [row["completion_ids"] for row in rows]
    mask = padded([[1] * len(c) for c in completions])
    known = padded([row["logps"] for row in rows], 0.0)
    theirs = padded([token_logps(reference, row).tolist() for row in rows], 0.0)
    groups = rewards.view(-1, GROUP)
    if kind == "rloo":
        worth = rewards - beta * ((known - theirs) * mask).sum(1)
        groups = worth.view(-1, GROUP)
        advantages = (groups - (groups.sum(1, keepdim=True) - groups) / (GROUP - 1)).flatten()
    else:
        advantages = groups - groups.mean(1, keepdim=True)
        advantages = (advantages / (groups.std(1, keepdim=True) + 1e-4) if scaled else advantages).flatten()
    return {
        "prompt_ids": padded([row["prompt_ids"] for row in rows], left=True),
        "prompt_mask": padded([[1] * len(row["prompt_ids"]) for row in rows], left=True),
        "completion_ids": padded(completions),
        "completion_mask": mask,
        "advantages": advantages,
        "old_per_token_logps": known,
        "old_logps": (known * mask).sum(1),
        "ref_per_token_logps": theirs,
        "num_items_in_batch": mask.sum(),
    }


class Kept:
    """Takes each step's batch as it is, and keeps every step's loss."""

    def _prepare_inputs(self, _):
        return self.batches[len(self.losses)]

    def _compute_loss(self, model, inputs):
        loss = super()._compute_loss(model, inputs)
        self.losses.append(loss.item())
        return loss


class Grpo(Kept, GRPOTrainer):
    pass


class Rloo(Kept, RLOOTrainer):
    pass


def run(name, told, rows):
    vocab = llama_tiny.SIZES["vocab_size"]
    model, reference = (build(seed=llama_tiny.SEED, **llama_tiny.SIZES) for _ in range(2))
    make, config = (Rloo, RLOOConfig) if name == "rloo" else (Grpo, GRPOConfig)
    size = PROMPTS * GROUP
    with tempfile.TemporaryDirectory() as scratch:
        # With a beta the trainers read the reference from where the model says it is from.
        reference.save_pretrained(scratch)
        model.config._name_or_path = scratch
        made = make(
            model=model,
            reward_funcs=lambda **_: [0.0],
            processing_class=PreTrainedTokenizerFast(tokenizer_object=tokenizer(vocab), bos_token="<s>", eos_token="<s>", pad_token="<pad>"),
            train_dataset=Dataset.from_list([{"prompt": "a"}] * STEPS * PROMPTS),
            args=config(
                **{"beta": 0.0, "max_completion_length": LONGEST, **told},
                num_generations=GROUP,
                per_device_train_batch_size=size,
                max_steps=STEPS,
                output_dir=scratch,
                **SETTINGS,
            ),
        )
        made.remove_callback(PrinterCallback)
        made.losses = []
        made.batches = [batch_of(rows[at : at + size], reference.eval(), told.get("beta", 0.0), name, told.get("scale_rewards") != "none") for at in range(0, len(rows), size)]
        made.train()
    norms = [entry["grad_norm"] for entry in made.state.log_history if "grad_norm" in entry]
    assert len(made.losses) == len(norms) == STEPS
    return {"losses": made.losses, "gradNorms": norms, "finalLogps": [token_logps(model.eval(), row).sum().item() for row in rows]}


def make(folder):
    rows = rollouts(llama_tiny.SIZES["vocab_size"], build(seed=llama_tiny.SEED, **llama_tiny.SIZES).eval())
    (folder / "rollouts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write(
        folder / "golden.json",
        {
            "about": "losses and gradient norms are those before each step's update; log-probabilities are of the trained model, nats, summed over completion tokens",
            "model": "llama-tiny",
            "optimizer": OPTIMIZER,
            "schedule": "constant",
            "clip": 1.0,
            "group": GROUP,
            "batch": PROMPTS * GROUP,
            "runs": [{"objective": {**objective, "group": GROUP}, "trl": told, **run(objective["name"], told, rows)} for objective, told in RUNS],
        },
    )
