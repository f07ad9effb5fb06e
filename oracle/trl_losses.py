"""Fifty steps of TRL's trainers on llama-tiny with every loss of pairs that TRL 1.16 has, on the same rows in the same order."""

import json
import tempfile

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerFast, PrinterCallback
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

import llama_tiny
from tiny import build, tokenizer, write
from trl_dpo import logps, pairs

SEED = llama_tiny.SEED
ROWS, BATCH, EPOCHS = 16, 8, 25
OPTIMIZER = dict(name="adamw", lr=5e-4, beta1=0.9, beta2=0.999, eps=1e-8, weightDecay=0)
# What every trainer is told: plain AdamW at one rate on the processor, with every step's numbers kept.
SETTINGS = dict(
    learning_rate=OPTIMIZER["lr"],
    lr_scheduler_type="constant",
    optim="adamw_torch",
    adam_beta1=OPTIMIZER["beta1"],
    adam_beta2=OPTIMIZER["beta2"],
    adam_epsilon=OPTIMIZER["eps"],
    weight_decay=OPTIMIZER["weightDecay"],
    max_grad_norm=1.0,
    gradient_checkpointing=False,
    bf16=False,
    use_cpu=True,
    logging_steps=1,
    save_strategy="no",
    report_to="none",
    disable_tqdm=True,
    seed=llama_tiny.SEED,
)

# What a recipe says, and what TRL is told; where a run is compared over fewer steps, how many.
RUNS = [
    ({"name": "dpo"}, "dpo", dict(loss_type=["sigmoid"])),
    ({"name": "dpo", "ldAlpha": 0.3}, "dpo", dict(loss_type=["sigmoid"], ld_alpha=0.3)),
    ({"name": "dpo", "weighting": "wpo"}, "dpo", dict(loss_type=["sigmoid"], use_weighting=True)),
    ({"name": "dpo", "fDivergence": "forwardKl"}, "dpo", dict(loss_type=["sigmoid"], f_divergence_type="forward_kl")),
    ({"name": "dpo", "fDivergence": "jensenShannon"}, "dpo", dict(loss_type=["sigmoid"], f_divergence_type="js_divergence")),
    ({"name": "dpo", "fDivergence": "alpha", "alpha": 0.5}, "dpo", dict(loss_type=["sigmoid"], f_divergence_type="alpha_divergence", f_alpha_divergence_coef=0.5)),
    ({"name": "dpo", "sync": {"every": 8, "alpha": 0.6}}, "dpo", dict(loss_type=["sigmoid"], sync_ref_model=True, ref_model_sync_steps=8, ref_model_mixup_alpha=0.6)),
    (
        {"name": "dpo", "ldAlpha": 0.3, "weighting": "wpo", "fDivergence": "jensenShannon"},
        "dpo",
        dict(loss_type=["sigmoid"], ld_alpha=0.3, use_weighting=True, f_divergence_type="js_divergence"),
    ),
    ({"name": "robust", "labelSmoothing": 0.1}, "dpo", dict(loss_type=["robust"], label_smoothing=0.1)),
    ({"name": "hinge"}, "dpo", dict(loss_type=["hinge"])),
    ({"name": "ipo", "form": "perToken"}, "dpo", dict(loss_type=["ipo"])),
    ({"name": "exo", "labelSmoothing": 0.001}, "dpo", dict(loss_type=["exo_pair"], label_smoothing=0.001)),
    ({"name": "nca"}, "dpo", dict(loss_type=["nca_pair"])),
    ({"name": "bco"}, "dpo", dict(loss_type=["bco_pair"])),
    ({"name": "sppo"}, "dpo", dict(loss_type=["sppo_hard"])),
    ({"name": "aot", "labelSmoothing": 0.1}, "dpo", dict(loss_type=["aot"], label_smoothing=0.1)),
    ({"name": "aotUnpaired"}, "dpo", dict(loss_type=["aot_unpaired"])),
    ({"name": "apoZero"}, "dpo", dict(loss_type=["apo_zero"])),
    ({"name": "apoDown"}, "dpo", dict(loss_type=["apo_down"])),
    ({"name": "discopop"}, "dpo", dict(loss_type=["discopop"])),
    ({"name": "sigmoidNorm"}, "dpo", dict(loss_type=["sigmoid_norm"])),
    ({"name": "sft"}, "dpo", dict(loss_type=["sft"])),
    (
        {"name": "mixture", "of": [{"objective": {"name": name}, "weight": weight} for name, weight in (("dpo", 0.8), ("bco", 0.2), ("sft", 1))]},
        "dpo",
        dict(loss_type=["sigmoid", "bco_pair", "sft"], loss_weights=[0.8, 0.2, 1.0]),
    ),
    ({"name": "cpo", "alpha": 1}, "cpo", dict(loss_type="sigmoid")),
    ({"name": "cpo", "alpha": 0.5, "labelSmoothing": 0.1}, "cpo", dict(loss_type="sigmoid", cpo_alpha=0.5, label_smoothing=0.1)),
    ({"name": "simpo", "beta": 2, "gamma": 0.5}, "cpo", dict(loss_type="simpo", cpo_alpha=0.0, simpo_gamma=0.5, beta=2.0)),
    ({"name": "orpo", "lambda": 0.1}, "orpo", dict(beta=0.1)),
    ({"name": "kto", "undesirableWeight": 1.2}, "kto", dict(undesirable_weight=1.2)),
]


class Kept:
    """Keeps every step's loss as it was."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        self.losses.append(loss.item())
        return loss

    def _prepare_dataset(self, dataset, *_):
        return dataset


class Dpo(Kept, DPOTrainer):
    pass


class Kto(Kept, KTOTrainer):
    pass


class Ids:
    """Rows that are tokenised already, in the form that the older trainers make of texts."""

    def tokenize_row(self, row, model=None):
        made = {"prompt_input_ids": row["prompt_ids"], "prompt_attention_mask": [1] * len(row["prompt_ids"])}
        for side in ("chosen", "rejected"):
            ids = row["prompt_ids"] + row[f"{side}_ids"]
            labels = [-100] * len(row["prompt_ids"]) + row[f"{side}_ids"]
            made |= {f"{side}_input_ids": ids, f"{side}_attention_mask": [1] * len(ids), f"{side}_labels": labels}
        return made


class Cpo(Ids, Kept, CPOTrainer):
    pass


class Orpo(Ids, Kept, ORPOTrainer):
    pass


TRAINERS = {"dpo": (Dpo, DPOConfig), "kto": (Kto, KTOConfig), "cpo": (Cpo, CPOConfig), "orpo": (Orpo, ORPOConfig)}


def labelled(rows):
    """Every row's chosen or rejected side by turns, and within a step the completion before it for the drift."""
    made = [{"prompt_ids": r["prompt_ids"], "completion_ids": r["rejected_ids" if i % 2 else "chosen_ids"], "label": i % 2 == 0} for i, r in enumerate(rows)]
    for at in range(0, len(made), BATCH):
        step = made[at : at + BATCH]
        for i, row in enumerate(step):
            row["KL_completion_ids"] = step[i - 1]["completion_ids"]
    return made


def run(trainer, told, rows):
    vocab = llama_tiny.SIZES["vocab_size"]
    make, config = TRAINERS[trainer]
    model, reference = (build(seed=llama_tiny.SEED, **llama_tiny.SIZES) for _ in range(2))
    given = labelled(rows) if trainer == "kto" else rows
    if trainer in ("cpo", "orpo"):
        given = [{**row, "prompt": "a", "chosen": "b", "rejected": "c"} for row in rows]
    with tempfile.TemporaryDirectory() as scratch:
        made = make(
            model=model,
            **({"ref_model": reference} if trainer in ("dpo", "kto") else {}),
            processing_class=PreTrainedTokenizerFast(tokenizer_object=tokenizer(vocab), bos_token="<s>", eos_token="<s>", pad_token="<pad>"),
            train_dataset=Dataset.from_list(given),
            args=config(
                **{"beta": 0.1, **told},
                output_dir=scratch,
                **SETTINGS,
                per_device_train_batch_size=BATCH,
                num_train_epochs=EPOCHS,
                train_sampling_strategy="sequential",
            ),
        )
        made.remove_callback(PrinterCallback)
        made.losses = []
        made.train()
    norms = [entry["grad_norm"] for entry in made.state.log_history if "grad_norm" in entry]
    assert len(made.losses) == len(norms) == ROWS // BATCH * EPOCHS
    return {"losses": made.losses, "gradNorms": norms, "finalLogps": logps(model.eval(), rows)}


def make(folder):
    rows = pairs(llama_tiny.SIZES["vocab_size"])[:ROWS]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "labelled.jsonl").write_text("".join(json.dumps({k: v for k, v in row.items() if k != "KL_completion_ids"}) + "\n" for row in labelled(rows)))
    write(
        folder / "golden.json",
        {
            "about": "losses and gradient norms are those before each step's update; log-probabilities are of the trained model, nats, summed over completion tokens (the end token included); kto is trained on labelled.jsonl, all others on pairs.jsonl",
            "model": "llama-tiny",
            "optimizer": OPTIMIZER,
            "schedule": "constant",
            "clip": 1.0,
            "batch": BATCH,
            "epochs": EPOCHS,
            "order": "the rows from first to last, eight a step, the same in every epoch",
            "runs": [{"objective": objective, "trl": {"trainer": trainer, **told}, **run(trainer, told, rows)} for objective, trainer, told in RUNS],
        },
    )

