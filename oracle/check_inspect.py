"""Reads a log with Inspect's own API: `python oracle/check_inspect.py FILE.eval`.

Prints {"task", "model", "status", "metrics": {score: {metric: value}}, "samples": [{"id", "scores", "metadata", "said"}]} as JSON; a log that
Inspect does not understand ends it.
"""

import json
import sys

from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries


def main(file):
    log = read_eval_log(file)
    summaries = read_eval_log_sample_summaries(file)
    if [summary.id for summary in summaries] != log.eval.dataset.sample_ids:
        sys.exit(f"{file}: the summaries must be of the samples, got {len(summaries)}")
    samples = [
        {
            "id": sample.id,
            "scores": {name: score.value for name, score in (sample.scores or {}).items()},
            "why": {name: score.explanation for name, score in (sample.scores or {}).items()},
            "metadata": sample.metadata,
            "said": sample.output.completion,
        }
        for sample in log.samples
    ]
    metrics = {score.name: {name: metric.value for name, metric in score.metrics.items()} for score in log.results.scores}
    print(json.dumps({"task": log.eval.task, "model": log.eval.model, "status": log.status, "metrics": metrics, "samples": samples}))


if __name__ == "__main__":
    main(sys.argv[1])
