"""inspect: the JSON files inside a log that Inspect's own Python API writes of a few samples."""

import json
import tempfile
import zipfile
from pathlib import Path

SEED = 0
WHEN = "2026-01-02T03:04:05+00:00"
GIVEN = {
    "task": "audit",
    "about": "Could anything inside escape gradient descent?",
    "model": "stories5m",
    "dataset": "recipe.ts",
    "metadata": {"verdict": "found", "channels": [1, 2]},
    "metrics": {"finding": {"found": 1, "clean": 2}, "statistic": {}},
    "samples": [
        {
            "id": "shielded blocks.1.mlp.up",
            "input": "Is blocks.1.mlp.up hidden from its gradient?",
            "target": "clean",
            "scores": {"finding": {"value": "found", "explanation": "the loss moves, its gradient is zero"}, "statistic": {"value": 0.5}},
            "metadata": {"channel": 1, "statistic": 0.5, "null": None},
        },
        {
            "id": "shielded norm",
            "input": "Is norm hidden from its gradient?",
            "target": "clean",
            "scores": {"finding": {"value": "clean"}},
            "metadata": {"channel": 1},
        },
        {
            "id": "prompt 1",
            "input": "Once upon",
            "target": "",
            "said": " a time — “there” was\n",
            "scores": {"finding": {"value": "clean"}},
            "metadata": {},
        },
    ],
}


def make(folder):
    # Read here, so that the other fixtures need no Inspect.
    import zipfile_zstd  # noqa: F401
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalMetric, EvalResults, EvalSample, EvalScore, EvalSpec, EvalStats, write_eval_log
    from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ChatMessageUser, ModelOutput
    from inspect_ai.scorer import Score

    def sample(row):
        said = {}
        if "said" in row:
            answer = ChatMessageAssistant(id="an id", content=row["said"], source="generate", model=GIVEN["model"])
            choices = [ChatCompletionChoice(message=answer, stop_reason="stop")]
            said = {"messages": [ChatMessageUser(id="an id", content=row["input"]), answer], "output": ModelOutput(model=GIVEN["model"], choices=choices)}
        scores = {name: Score(**score) for name, score in row["scores"].items()}
        return EvalSample(
            id=row["id"], epoch=1, input=row["input"], target=row["target"], scores=scores, metadata=row["metadata"], uuid="an id", started_at=WHEN, completed_at=WHEN, **said
        )

    def score(name, metrics):
        scored = sum(name in row["scores"] for row in GIVEN["samples"])
        of = {key: EvalMetric(name=key, value=value) for key, value in metrics.items()}
        return EvalScore(name=name, scorer=name, scored_samples=scored, unscored_samples=len(GIVEN["samples"]) - scored, metrics=of)

    rows = GIVEN["samples"]
    spec = EvalSpec(
        eval_id="an id", run_id="an id", created=WHEN, task=GIVEN["task"], task_id="an id", task_description=GIVEN["about"], model=GIVEN["model"],
        dataset=EvalDataset(name=GIVEN["dataset"], samples=len(rows), sample_ids=[row["id"] for row in rows]), config=EvalConfig(), metadata=GIVEN["metadata"],
    )
    results = EvalResults(total_samples=len(rows), completed_samples=len(rows), scores=[score(*one) for one in GIVEN["metrics"].items()])
    log = EvalLog(status="success", eval=spec, results=results, stats=EvalStats(started_at=WHEN, completed_at=WHEN), samples=[sample(row) for row in rows])
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "log.eval"
        write_eval_log(log, str(file))
        with zipfile.ZipFile(file) as members:
            written = {name: json.loads(members.read(name)) for name in members.namelist()}
    golden = {"created": WHEN, "given": GIVEN, "members": written}
    (folder / "golden.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
