"""Thirty steps of TRL's DPOTrainer on llama-tiny, on synthetic pairs taken in file order."""

import json
import tempfile

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerFast, PrinterCallback
from trl import DPOConfig, DPOTrainer

import llama_tiny
from tiny import END, build, tokenizer, write

SEED = 21
PAIRS, BATCH, EPOCHS = 80, 8, 3
OPTIMIZER = dict(name="adamw", lr=5e-4, beta1=0.9, beta2=0.999, eps=1e-8, weightDecay=0)


class Trainer(DPOTrainer):
    """TRL's trainer on rows that are tokenised already; it keeps every step's loss and rows as they were."""

    def _prepare_dataset(self, dataset, *_):
        return dataset

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        kept = inputs["attention_mask"].bool()
        self.seen.append([ids[mask].tolist() for ids, mask in zip(inputs["input_ids"], kept)])
        self.losses.append(loss.item())
        return loss


def make(folder, loss_type):
    vocab = llama_tiny.SIZES["vocab_size"]
    rows = pairs(vocab)
    model, reference = (build(seed=llama_tiny.SEED, **llama_tiny.SIZES) for _ in range(2))
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(
            model=model,
            ref_model=reference,
            processing_class=PreTrainedTokenizerFast(tokenizer_object=tokenizer(vocab), bos_token="<s>", eos_token="<s>", pad_token="<pad>"),
            train_dataset=Dataset.from_list(rows),
            args=DPOConfig(
                output_dir=scratch,
                loss_type=[loss_type],
                beta=0.1,
                learning_rate=OPTIMIZER["lr"],
                lr_scheduler_type="constant",
                optim="adamw_torch",
                adam_beta1=OPTIMIZER["beta1"],
                adam_beta2=OPTIMIZER["beta2"],
                adam_epsilon=OPTIMIZER["eps"],
                weight_decay=OPTIMIZER["weightDecay"],
                max_grad_norm=1.0,
                per_device_train_batch_size=BATCH,
                num_train_epochs=EPOCHS,
                train_sampling_strategy="sequential",
                gradient_checkpointing=False,
                bf16=False,
                use_cpu=True,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                seed=SEED,
            ),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.seen, trainer.losses = [], []
        trainer.train()
    logs = [entry for entry in trainer.state.log_history if "grad_norm" in entry]
    order = [[i % PAIRS for i in range(s * BATCH, (s + 1) * BATCH)] for s in range(PAIRS * EPOCHS // BATCH)]
    expected = [[rows[i]["prompt_ids"] + rows[i][side] for side in ("chosen_ids", "rejected_ids") for i in step] for step in order]
    assert trainer.seen == expected, "TRL took the rows in another order"
    assert len(logs) == len(trainer.losses) == len(order) == 30

    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fresh = build(seed=llama_tiny.SEED, **llama_tiny.SIZES)
    write(
        folder / "golden.json",
        {
            "about": ABOUT[loss_type],
            "model": "llama-tiny",
            "lossType": loss_type,
            "beta": 0.1,
            "optimizer": OPTIMIZER,
            "schedule": "constant",
            "clip": 1.0,
            "batch": BATCH,
            "epochs": EPOCHS,
            "order": "the rows of pairs.jsonl from first to last, eight a step, ten steps an epoch, the same in every epoch; checked against the batches that TRL saw",
            "losses": trainer.losses,
            "gradNorms": [entry["grad_norm"] for entry in logs],
            **{name: [entry[key] for entry in logs] for name, key in LOGGED.items()},
            "referenceLogps": logps(fresh, rows),
            "finalLogps": logps(model.eval(), rows),
        },
    )


ABOUT = {
    "sigmoid": "losses are those before each step's update; log-probabilities are nats, summed over completion tokens (the end token included)",
    "ipo": "losses are those before each step's update; TRL's ipo is per token: each side's log-ratio is divided by its number of completion tokens "
    "(the end token included) before (delta - 1/(2 beta))^2; the log-probabilities stored here are nats, summed",
}
LOGGED = {
    "rewardsChosen": "rewards/chosen",
    "rewardsRejected": "rewards/rejected",
    "rewardsAccuracies": "rewards/accuracies",
    "logpsChosen": "logps/chosen",
    "logpsRejected": "logps/rejected",
}


def pairs(vocab):
    """Random rows of unequal lengths; every fourth pair begins both completions with the same tokens."""
    rng = torch.Generator().manual_seed(SEED)

    def some(low, high):
        n = torch.randint(low, high + 1, (1,), generator=rng).item()
        return torch.randint(2, vocab, (n,), generator=rng).tolist()

    rows = []
    for i in range(PAIRS):
        shared = some(1, 3) if i % 4 == 3 else []
        rows.append({"prompt_ids": [END, *some(1, 11)], "chosen_ids": [*shared, *some(1, 12), END], "rejected_ids": [*shared, *some(1, 12), END]})
    return rows


@torch.no_grad()
def logps(model, rows):
    """Summed log-probabilities of both sides, one unpadded sequence at a time."""

    def side(row, key):
        prompt, completion = row["prompt_ids"], row[key]
        tokens = torch.tensor([prompt + completion])
        logp = model(tokens, use_cache=False).logits[0].double().log_softmax(-1)
        return logp[len(prompt) - 1 : -1].gather(1, torch.tensor(completion)[:, None]).sum().item()

    return {name: [side(row, f"{name}_ids") for row in rows] for name in ("chosen", "rejected")}
