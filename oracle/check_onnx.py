"""Checks an ONNX file with onnx.checker and runs it: `python oracle/check_onnx.py step.onnx inputs.safetensors`.

Prints one JSON object: every output's shape, and its values where it has at most 1,024 of them, else their sum.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file


def main(path, inputs):
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    given, wanted = load_file(inputs), {i.name: i for i in session.get_inputs()}
    if given.keys() != wanted.keys():
        sys.exit(f"{inputs}: one tensor for each input must be there; missing {sorted(wanted.keys() - given.keys())}, not asked for {sorted(given.keys() - wanted.keys())}")
    feeds = {name: value.astype(DTYPES[wanted[name].type], copy=False) for name, value in given.items()}
    names = [o.name for o in session.get_outputs()]
    print(json.dumps(dict(zip(names, map(described, session.run(names, feeds))))))


DTYPES = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_, "tensor(double)": np.float64}


def described(value):
    value = np.asarray(value)
    shown = {"values": value.flatten().tolist()} if value.size <= 1024 else {"sum": float(value.astype(np.float64).sum())}
    return {"shape": list(value.shape), **shown}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: check_onnx.py FILE.onnx INPUTS.safetensors")
    main(*sys.argv[1:])
