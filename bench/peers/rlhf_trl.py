"""TRL's GRPOTrainer as its users run it on a CPU: f32, one generation a step; it waits for commands where its completions are scored.

The protocol is that of rlhf-ours.mjs: a step is from one scoring to the next.
"""

import json
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from protocol import answer, commands
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from trl import GRPOConfig, GRPOTrainer


def main():
    asked = commands()
    options = next(asked)
    torch.set_num_threads(options["threads"])
    prompts = [json.loads(line) for line in Path(options["prompts"]).read_text().splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(options["model"])
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    gate = Gate(asked)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = GRPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(options["model"], dtype=torch.float32),
            processing_class=tokenizer,
            reward_funcs=gate.score,
            train_dataset=Dataset.from_list(prompts * 50),
            args=GRPOConfig(
                output_dir=scratch,
                loss_type="grpo",
                beta=options["beta"],
                epsilon=0.2,
                num_generations=options["group"],
                per_device_train_batch_size=options["perStep"] * options["group"],
                max_completion_length=options["longest"],
                temperature=1.0,
                learning_rate=options["lr"],
                lr_scheduler_type="constant",
                weight_decay=0.0,
                max_grad_norm=1.0,
                max_steps=1_000_000,
                shuffle_dataset=False,
                gradient_checkpointing=False,
                bf16=False,
                use_cpu=True,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()


class Gate:
    """Scores completions, and lets the trainer take the steps asked for."""

    def __init__(self, asked):
        self.asked, self.left, self.rewards = asked, 0, []

    def score(self, completions, **_):
        if self.left > 0:
            self.left -= 1
            if self.left == 0:
                answer({"seconds": time.perf_counter() - self.start, "rewards": self.rewards})
        else:
            answer({"ready": True})
        if self.left == 0:
            command = next(self.asked, None)
            if command is None:
                raise SystemExit
            self.left, self.rewards, self.start = command["count"], [], time.perf_counter()
        scores = [10 * text.count("e") / max(1, len(text)) for text in completions]
        self.rewards.append(sum(scores) / len(scores))
        return scores


if __name__ == "__main__":
    main()
