"""TRL's DPOTrainer as its users run it on a CPU: f32, reference precomputed; it stops between steps to hear the next command.

The protocol is in protocol.py; steps must be asked for in order, as the trainer takes them.
"""

import tempfile
import time

import torch
from datasets import Dataset
from protocol import answer, commands, read_pairs
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer


def main():
    asked = commands()
    options = next(asked)
    torch.set_num_threads(options["threads"])
    pairs = read_pairs(options["pairs"])
    tokenizer = AutoTokenizer.from_pretrained(options["model"])
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    with tempfile.TemporaryDirectory() as scratch:
        model = AutoModelForCausalLM.from_pretrained(options["model"], dtype=torch.float32)
        if options["adapter"]:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, options["adapter"], is_trainable=True)
        trainer = Trainer(
            model=model,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list(pairs),
            args=DPOConfig(
                output_dir=scratch,
                loss_type=["sigmoid"],
                beta=options["beta"],
                precompute_ref_log_probs=True,
                learning_rate=options["lr"],
                lr_scheduler_type="constant",
                weight_decay=0.0,
                max_grad_norm=options["clip"],
                per_device_train_batch_size=options["batch"],
                max_steps=1_000_000,
                train_sampling_strategy="sequential",
                gradient_checkpointing=False,
                bf16=False,
                use_cpu=True,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(Gate(asked, trainer, options["batch"]))
        answer({"ready": True, "pairs": len(pairs)})
        trainer.train()


class Trainer(DPOTrainer):
    """TRL's trainer on rows that are tokenised already; it keeps each step's loss."""

    def _prepare_dataset(self, dataset, *_):
        return dataset

    def compute_loss(self, *args, **kwargs):
        loss = super().compute_loss(*args, **kwargs)
        self.losses.append(loss.detach())
        return loss


class Gate(TrainerCallback):
    """Lets the trainer take the steps asked for, answers with their time, and waits for the next command."""

    def __init__(self, asked, trainer, batch):
        self.asked, self.trainer, self.batch = asked, trainer, batch

    def on_train_begin(self, args, state, control, **_):
        self.wait(state, control)

    def on_step_end(self, args, state, control, **_):
        if state.global_step < self.until:
            return
        seconds = time.perf_counter() - self.start
        losses = [loss.item() for loss in self.trainer.losses]
        answer({"seconds": seconds, "losses": losses, "pairs": len(losses) * self.batch})
        self.wait(state, control)

    def wait(self, state, control):
        command = next(self.asked, None)
        if command is None:
            control.should_training_stop = True
            self.until = state.global_step
            return
        if command["from"] != state.global_step:
            raise SystemExit(f"dpo_trl.py: the next step is {state.global_step}, got from = {command['from']}")
        self.trainer.losses = []
        self.until = state.global_step + command["count"]
        self.start = time.perf_counter()


if __name__ == "__main__":
    main()
