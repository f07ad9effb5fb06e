"""sentencepiece-tiny: a SentencePiece BPE with byte fallback as GGUF's lists have it, and the ids that SentencePiece itself gives."""

import io

import sentencepiece as spm

from tiny import TEXT, write

SEED = 0
TEXTS = ["the little fox", "The fox said, \"Yes!\"", "  two  spaces", "Naïve 日本語 🙂", "", "line\nline\ttab", " x"]


def make(folder):
    trained = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT.splitlines()),
        model_writer=trained,
        model_type="bpe",
        vocab_size=340,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    s = spm.SentencePieceProcessor(model_proto=trained.getvalue())
    n = range(s.get_piece_size())
    kinds = [2 if s.is_unknown(i) else 3 if s.is_control(i) else 6 if s.is_byte(i) else 1 for i in n]
    write(
        folder / "golden.json",
        {
            "tokens": [s.id_to_piece(i) for i in n],
            "scores": [s.get_score(i) for i in n],
            "token_type": kinds,
            "texts": [[text, s.encode(text)] for text in TEXTS],
        },
    )
