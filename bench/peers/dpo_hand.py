"""A hand-written PyTorch DPO loop: right-padded batch of both sides, SDPA, head only on completion tokens, fused AdamW.

The protocol is in protocol.py: `python bench/peers/dpo_hand.py < commands.jsonl`.
"""

import time

import torch
import torch.nn.functional as F
from protocol import answer, commands, read_pairs
from transformers import AutoModelForCausalLM


def main():
    loop = None
    for command in commands():
        if command["cmd"] == "load":
            loop = Loop(command)
            answer({"ready": True, "pairs": len(loop.pairs)})
        elif command["cmd"] == "steps":
            start = time.perf_counter()
            losses = [loop.step(s) for s in range(command["from"], command["from"] + command["count"])]
            seconds = time.perf_counter() - start
            answer({"seconds": seconds, "losses": losses, "pairs": command["count"] * loop.batch})


class Loop:
    def __init__(self, options):
        torch.set_num_threads(options["threads"])
        self.batch, self.beta, self.clip = options["batch"], options["beta"], options["clip"]
        self.pairs = read_pairs(options["pairs"])
        self.model = AutoModelForCausalLM.from_pretrained(options["model"], dtype=torch.float32, attn_implementation="sdpa").train()
        if options["adapter"]:
            from peft import PeftModel

            self.model = PeftModel.from_pretrained(self.model, options["adapter"], is_trainable=True).get_base_model()
        self.optimizer = torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], lr=options["lr"], weight_decay=0.0, fused=True)
        with torch.no_grad():
            chunks = [self.logps(self.pairs[i : i + self.batch]) for i in range(0, len(self.pairs), self.batch)]
        self.reference = torch.cat([margins(c) for c in chunks])

    def step(self, s):
        rows = [i % len(self.pairs) for i in range(s * self.batch, (s + 1) * self.batch)]
        margin = margins(self.logps([self.pairs[i] for i in rows])) - self.reference[rows]
        loss = -F.logsigmoid(self.beta * margin).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def logps(self, pairs):
        """Summed log-probabilities of all chosen, then all rejected completions."""
        rows = [(p["prompt_ids"], p[side]) for side in ("chosen_ids", "rejected_ids") for p in pairs]
        length = max(len(prompt) + len(completion) for prompt, completion in rows) - 1
        # Padding stands on the right, where causal attention never looks, so no mask is needed and SDPA takes its fast path.
        tokens = torch.zeros(len(rows), length, dtype=torch.long)
        at, targets, owner = [], [], []
        for r, (prompt, completion) in enumerate(rows):
            ids = prompt + completion
            tokens[r, : len(ids) - 1] = torch.tensor(ids[:-1])
            at += range(r * length + len(prompt) - 1, r * length + len(ids) - 1)
            targets += completion
            owner += [r] * len(completion)
        hidden = self.model.model(input_ids=tokens, use_cache=False).last_hidden_state
        logits = self.model.lm_head(hidden.flatten(0, 1)[at])
        logp = -F.cross_entropy(logits, torch.tensor(targets), reduction="none")
        return torch.zeros(len(rows)).index_add(0, torch.tensor(owner), logp)


def margins(logps):
    chosen, rejected = logps.chunk(2)
    return chosen - rejected


if __name__ == "__main__":
    main()
