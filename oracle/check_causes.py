"""Attribution of edges and path patching by hooks of transformers, against what `innate read attribute --edges --json` and `innate read path --json` print.

    python oracle/check_causes.py FOLDER edges.jsonl STEPS path.jsonl CLEAN_IDS CORRUPTED_IDS ANSWER_ID WRONG_ID

Prints the largest differences as JSON.
"""

import json
import sys

import torch

from causes import Causes, load, points

torch.set_num_threads(1)
folder, edge_file, steps, path_file, clean, corrupted, answer, wrong = sys.argv[1:]
causes = Causes(load(folder), json.loads(clean), json.loads(corrupted), int(answer), int(wrong))
edges, paths = ([json.loads(line) for line in open(file)] for file in (edge_file, path_file))
truth = dict(zip(causes.p.edges(), causes.edges(points(int(steps)) if int(steps) > 1 else [(0.0, 1.0)]), strict=True))
assert len(truth) == len(edges)
print(
    json.dumps(
        {
            "clean": causes.m[0],
            "corrupted": causes.m[1],
            "edges": max(abs(truth[row["from"], row["to"]] - row["effect"]) for row in edges),
            "of": len(edges),
            "paths": max(abs(causes.path([row["from"]], [row["to"]]) - row["effect"]) for row in paths),
            "of paths": len(paths),
        }
    )
)
