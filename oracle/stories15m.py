"""stories15m: logits, log-probabilities, greedy continuations and sixty encoded prompts, from llama2.c's own files."""

import torch

import llama2c
from tiny import store, write

SEED = None
TEXTS = [
    "Once upon a time, there was a little girl named Lily. She loved to play in the park.",
    "Tom and his dog found a big red ball under the tree. \"Can we keep it?\" asked Tom.",
    "\n\nHuman: How do I make a kite?\n\nAssistant:",
]
# (text, position) whose whole row of 32,000 logits is kept.
ROWS = [(0, 0), (0, 12), (1, -1), (2, -1)]
GREEDY = ["Once upon a time", "The little bird wanted to"]
PROMPTS = [
    "",
    " ",
    "a",
    "\n",
    ".",
    "Once upon a time",
    "Once upon a time, there was a little girl named Lily.",
    " Once upon a time",
    "  two spaces in front",
    "one  two   three    four     five",
    "trailing space ",
    "trailing spaces   ",
    "tab\tand\ttab",
    "line one\nline two\n\nline four\n",
    "windows\r\nline\r\nends",
    "\n\nHuman: what are some good names for a cat?\n\nAssistant:",
    "\n\nHuman: Hi!\n\nAssistant: Hello. How can I help?\n\nHuman: Tell me a story.\n\nAssistant:",
    "\"Mommy, can we go to the park?\" asked Ben.",
    "“Curly quotes,” she said — ‘and dashes’ … too.",
    "Don't, can't, won't, it's, they're, I'd, we've.",
    "0 1 2 3 10 42 100 1234 3.14159 1,000,000",
    "1234567890",
    "7+8=15; 2*3=6; 10/4=2.5; 50%",
    "The year was 1987, on the 3rd of May at 10:45.",
    "ALL CAPS AND SHOUTING!!!",
    "MiXeD cAsE wOrDs",
    "antidisestablishmentarianism and supercalifragilisticexpialidocious",
    "aaaaaaaaaaaaaaaaaaaaaaaa",
    "hahahahahahaha",
    "abababab cdcdcdcd",
    "!!!???...,,,;;;:::",
    "(parentheses) [brackets] {braces} <angles>",
    "email@example.com and https://example.com/a/b?c=d&e=f#g",
    "snake_case camelCase kebab-case SCREAMING_CASE",
    "def f(x):\n    return x ** 2  # square\n",
    "for (let i = 0; i < n; i++) { sum += a[i] }",
    "{\"name\": \"Lily\", \"age\": 4, \"pets\": [\"cat\", \"dog\"]}",
    "C:\\Users\\lily\\story.txt",
    "# Title\n\n- one\n- two\n\n**bold** and `code`",
    "café naïve façade jalapeño über",
    "e\u0301 is two code points, é is one",
    "Größe, Straße, Äpfel und Öl",
    "Il était une fois une petite souris.",
    "Érase una vez un niño pequeño. ¿Dónde está?",
    "Жила-была маленькая девочка.",
    "Μια φορά κι έναν καιρό",
    "昔々、あるところに小さな女の子がいました。",
    "从前有一个小女孩。",
    "옛날 옛적에 작은 소녀가 있었습니다.",
    "كان يا ما كان",
    "היה היה פעם",
    "एक समय की बात है",
    "😀",
    "I love you ❤️ and 🐶🐱 so much!",
    "family 👨‍👩‍👧‍👦 and flag 🇫🇷 and skin 👍🏽",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 and ½ ² ™ © ∑ ∞ ≈",
    "zero\u200bwidth and non\u00a0breaking",
    "The cat sat on the mat. The cat sat on the mat. The cat sat on the mat.",
    "Sam had a toy car. It was red.\nHe liked to push it fast.\n\"Vroom!\" said Sam. \"Go, car, go!\"",
    "One day, a big bear and a tiny mouse went into the forest to look for honey. The bear was hungry, and the mouse was very, very brave. They walked and walked until the sun went down, and then they saw a light.",
]


def make(folder):
    model, bpe = llama2c.read()
    second = bpe.sentencepiece()
    for text in [*PROMPTS, *TEXTS, *GREEDY]:
        ids = bpe.encode(text)
        assert ids == [llama2c.BOS, *second.encode(text)], f"the two encoders differ on {text!r}"
    assert len(PROMPTS) == len(set(PROMPTS)) == 60

    texts, logits = [], []
    for text in TEXTS:
        ids = bpe.encode(text)
        rows = model.logits(ids)
        logps = rows.log_softmax(-1)[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
        texts.append({"text": text, "ids": ids, "logps": [round(x, 9) for x in logps.tolist()], "sum": logps.sum().item()})
        logits.append(rows)
    rows = [{"text": t, "position": p % len(texts[t]["ids"])} for t, p in ROWS]
    store(folder / "golden.safetensors", {"logits": torch.stack([logits[r["text"]][r["position"]] for r in rows])})
    write(
        folder / "golden.json",
        {
            "about": "logps[t] is the log-probability of ids[t+1] after ids[0..t], in nats; row r of logits belongs to rows[r]; computed in f64 from the interleaved checkpoint",
            "package": llama2c.PACKAGE,
            "modelSha256": llama2c.MODEL_SHA256,
            "texts": texts,
            "rows": rows,
            "greedy": [greedy(model, bpe.encode(prompt), prompt) for prompt in GREEDY],
        },
    )
    write(
        folder / "prompts.json",
        {
            "about": "ids by llama2.c's run.c algorithm, with <s> in front; each equals SentencePiece's",
            "prompts": [{"text": text, "ids": bpe.encode(text)} for text in PROMPTS],
        },
    )


def greedy(model, ids, prompt):
    """Sixty-four most likely tokens; smallestLead is the least gap between the first and the second logit."""
    start, leads = len(ids), []
    for _ in range(64):
        top = model.logits(ids)[-1].topk(2)
        leads.append((top.values[0] - top.values[1]).item())
        ids = [*ids, top.indices[0].item()]
    return {"prompt": prompt, "promptIds": ids[:start], "ids": ids[start:], "smallestLead": min(leads)}
