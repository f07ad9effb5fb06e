"""Small tokenizers of every kind of step, and what Python's tokenizers makes of hostile texts with them."""

import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SEED = 0

TEXTS = [
    "a cat, 12!",
    "on a cat",
    "concat a cat cats",
    "a b\nab \U0001F642",
    "\ufeffab \u0085 a\u00a0b\u2003c",
    "\u00b2\u2460\u0663 12",
    "\u0391\u03a3 \u0130 \u00df \u00e9e\u0301",
    "\u4e2d\U00020000x",
    "\u2e57\u2e43.,;(a)",
    "  two  spaces \n\n",
    "",
    " ",
    "a_b-c--d",
    "<s>ab</s> <s>",
    "\u2581\u2581a\u2581b",
]
LETTERS = sorted(set("".join(TEXTS)) | set("abcdefghijklmnopqrstuvwxyz0123456789 \u2581\u03c3\u03c2i\u0307s"))


def char_bpe(**options):
    vocab = {c: i for i, c in enumerate(["<unk>", "<s>", "</s>", *LETTERS])}
    merges = []
    for a, b in [("c", "a"), ("ca", "t"), ("o", "n"), ("a", "b"), ("\u2581", "a"), ("1", "2"), (" ", "a")]:
        if a + b not in vocab:
            vocab[a + b] = len(vocab)
        merges.append((a, b))
    return models.BPE(vocab, merges, unk_token="<unk>", **options)


def byte_bpe():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {c: i for i, c in enumerate(["<unk>", "<s>", "</s>", *alphabet[:-3]])}
    vocab["ca"] = len(vocab)
    vocab["cat"] = len(vocab)
    return models.BPE(vocab, [("c", "a"), ("ca", "t")])


def unigram():
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), ("\u2581", -2.0), ("a", -3.0), ("b", -3.5), ("ab", -4.0), ("\u2581a", -3.2), ("c", -4.0)]
    return models.Unigram(pieces + [(f"<0x{i:02X}>", -20.0) for i in range(256)], 0, True)


def word_piece():
    words = ["[UNK]", "[CLS]", "[SEP]", "a", "cat", "##s", "##a", "on", "con", "##cat", "b", ",", "!", "12", ".", "(", ")", "e", "##e", "\u03b1\u03c3", "x"]
    return models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]")


def made():
    split = pre_tokenizers.Split
    pattern = Regex("[a-z]+|[0-9]")
    for behaviour in ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]:
        for invert in [False, True]:
            yield f"split {behaviour}{' inverted' if invert else ''}", char_bpe(), None, split(pattern, behaviour, invert), None
    yield "split at a text", char_bpe(), None, split(" ", "merged_with_previous"), None
    for behaviour in ["isolated", "contiguous", "merged_with_next", "removed"]:
        yield f"punctuation {behaviour}", char_bpe(), None, pre_tokenizers.Punctuation(behaviour), None
    for one in [True, False]:
        yield f"digits {'one by one' if one else 'together'}", char_bpe(), None, pre_tokenizers.Digits(one), None
    yield "whitespace", char_bpe(), None, pre_tokenizers.Whitespace(), None
    yield "whitespace split", char_bpe(), None, pre_tokenizers.WhitespaceSplit(), None
    yield "bert", word_piece(), normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    yield "bert cased", word_piece(), normalizers.BertNormalizer(lowercase=False), pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    yield "lowercase", char_bpe(), normalizers.Lowercase(), pre_tokenizers.WhitespaceSplit(), None
    yield "byte level", byte_bpe(), None, pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    yield "byte level with a space", byte_bpe(), None, pre_tokenizers.ByteLevel(add_prefix_space=True), decoders.ByteLevel()
    for scheme in ["first", "always", "never"]:
        yield f"metaspace {scheme}", char_bpe(), None, pre_tokenizers.Metaspace("\u2581", scheme, True), decoders.Metaspace("\u2581", scheme, True)
    yield "unigram with bytes", unigram(), None, pre_tokenizers.Metaspace("\u2581", "first", True), decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace("\u2581", "first")])


def make(folder):
    golden = []
    for name, model, normalizer, cutter, decoder in made():
        tokenizer = Tokenizer(model)
        if normalizer:
            tokenizer.normalizer = normalizer
        if cutter:
            tokenizer.pre_tokenizer = cutter
        if decoder:
            tokenizer.decoder = decoder
        first = "[CLS]" if isinstance(model, models.WordPiece) else "<s>"
        if tokenizer.token_to_id("<unk>") is not None:
            tokenizer.add_tokens([AddedToken("<unk>", special=True, normalized=False)])
        tokenizer.add_tokens([AddedToken(first, special=True, normalized=False)])
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{first} $A", special_tokens=[(first, tokenizer.token_to_id(first))])
        texts = [[text, tokenizer.encode(text).ids] for text in TEXTS]
        golden.append({"name": name, "tokenizer": json.loads(tokenizer.to_str()), "texts": texts})
    (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=True) + "\n")
