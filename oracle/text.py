"""text: three small tokenizers (byte-level, byte fallback, Metaspace) with the ids of many texts, and talks as their chat templates render them."""

import json

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tiny import TEXT, write

SEED = 0
SPECIAL = ["<unk>", "<s>", "</s>", "<|user|>", "<|end|>"]

TEXTS = [
    *["", " ", "  ", "\n", "\n\n\n", "\t x", " a", "a ", "a  b   c", "   leading and trailing   ", "tab\tnew\nline\r\ncr\r"],
    *["Hello, world!", "it 's , here !", "don't can't I'll we've I'D HE'S", "The fox met a small bird.", "'s 'S 'LL"],
    *["0", "12345", "3.14159265358979", "1,000,000", "2026-11-24T21:19:00Z", "x=1;y=22;z=333", "½ ¼ ² ³ ①②③ Ⅷ", "٣٤٥ १२३"],
    *["def f(x):\n    return x ** 2\n", "for (let i = 0; i < n; i++) {\n\ta[i] += b[i]\n}", '<div class="a">&nbsp;</div>', "SELECT * FROM t WHERE a >= 'b';"],
    *["naïve café résumé", "nai\u0308ve cafe\u0301", "Straße Ärger Öl Übung", "Привет, мир!", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "你好，世界！"],
    *["こんにちは世界", "안녕하세요 세계", "สวัสดีชาวโลก", "γειά σου κόσμε", "mixed 中文 and English 123 混合", "ﬁ ﬂ ligatures", "Ω Å"],
    *["😀", "😀😃😄", "👨\u200d👩\u200d👧\u200d👦 family", "👩🏽\u200d💻 codes", "🏳️\u200d🌈🇩🇪🇯🇵", "a😀b", "❤️\u200d🔥", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢"],
    *["\u200b\u200d", "\u00a0nbsp\u00a0", "\u2028line\u2029para", "\x01\x7f", "�", "\ud7ff\ue000"],
    *["ALL CAPS and camelCaseWords and snake_case_words", "aaaaaaaaaaaaaaaaaaaaaaaa", "!!!???...,,,;;;", "(((([[[[{{{{<<<<", "https://example.org/a/b?c=d&e=f#g"],
    *["<s>", "before</s>after", "<|user|> hi<|end|>", " <s> <s>"],
]

TALKS = [
    [{"role": "user", "content": "Hi"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2+2?"}],
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": " Hello!\n"}, {"role": "user", "content": "  spaced  "}],
    [{"role": "system", "content": "Sei höflich 😀"}, {"role": "user", "content": "你好"}, {"role": "assistant", "content": "x"}, {"role": "user", "content": "{{ no }} {% if %}"}],
    [{"role": "user", "content": ""}],
    [{"role": "assistant", "content": "I begin."}, {"role": "user", "content": "No."}],
    [{"role": "user", "content": "One."}, {"role": "user", "content": "Two."}],
]

# A line per turn, with what the model is when nobody says it.
PLAIN = """{%- if messages[0]['role'] != 'system' %}
    {{- '<|user|>system\\nYou help.<|end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|user|>' + message.role + '\\n' + message.content | trim + '<|end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|user|>assistant\\n' }}
{%- endif %}
"""

# Turns must alternate, the system's words go into the first question, and the beginning is written out.
STRICT = """{% if messages[0]['role'] == 'system' %}{% set words = messages[0]['content'] + '\\n\\n' %}{% set turns = messages[1:] %}{% else %}{% set words = '' %}{% set turns = messages %}{% endif %}
{{ bos_token }}{% for turn in turns %}
{% if (turn['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('user and assistant must take turns, got ' ~ turn['role'] ~ ' as number ' ~ loop.index) }}
{% endif %}
{% if turn['role'] == 'user' %}
{{ '[Q] ' + (words if loop.first else '') + turn['content'] + ' [/Q]' }}
{%- else %}
{{ ' ' + turn['content'].strip() + eos_token }}
{%- endif %}
{% endfor %}"""

# Names it knows and names it does not, as templates with tools do.
LOOKING = """{%- if tools is defined and tools is not none and tools %}{{- 'tools ' ~ tools | length }}{%- endif %}
{%- if documents %}{{- 'documents' }}{%- endif %}
{%- set ns = namespace(count=0) %}
{%- for m in messages | rejectattr('role', 'equalto', 'system') %}
    {%- set ns.count = ns.count + 1 %}
    {{- m.role | upper ~ ' ' ~ ns.count ~ ': ' ~ m.content | replace('{', '(') ~ (eos_token if m.role == 'assistant' else '\\n') }}
{%- endfor %}
{%- if add_generation_prompt is defined and add_generation_prompt %}{{- 'ASSISTANT:' }}{% endif %}
{%- if never is defined %}{{- never }}{% endif %}"""


def byte_level():
    """As Llama 3 and Qwen have it: a pattern of its own, digits in threes, composed characters."""
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    train(t, 320, alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    return t


def byte_fallback():
    """As Llama 2 has it: spaces are ▁, what is not in the vocabulary becomes bytes, and one space in front is dropped."""
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    train(t, 460, special=[*SPECIAL, *(f"<0x{b:02X}>" for b in range(256))])
    state = json.loads(t.to_str())
    # The bytes are pieces like others, not special tokens that a text might hold.
    state["added_tokens"] = [a for a in state["added_tokens"] if not a["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(state))


def metaspace():
    """As newer conversions have it: Metaspace before and after, byte fallback between."""
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=False))
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first")
    t.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="first")
    train(t, 120)
    return t


def train(t, size, *, special=SPECIAL, alphabet=()):
    t.train_from_iterator([TEXT], trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=list(alphabet), show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)])


def make(folder):
    for name, tokenizer, template in [("byte-level", byte_level(), PLAIN), ("byte-fallback", byte_fallback(), STRICT), ("metaspace", metaspace(), LOOKING)]:
        at = folder / name
        at.mkdir()
        tokenizer.save(str(at / "tokenizer.json"), pretty=False)
        special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        config = {"tokenizer_class": "PreTrainedTokenizerFast", **special, "clean_up_tokenization_spaces": False}
        if name == "byte-level":
            (at / "chat_template.jinja").write_text(template, encoding="utf-8")
        elif name == "byte-fallback":
            config |= {"chat_template": template, "eos_token": {"__type": "AddedToken", "content": "</s>", "special": True}}
        else:
            config |= {"chat_template": [{"name": "tool_use", "template": "{{ tools }}"}, {"name": "default", "template": template}]}
        write(at / "tokenizer_config.json", config)
        known = TEXTS if name != "metaspace" else [t for t in TEXTS if tokenizer.token_to_id("<unk>") not in tokenizer.encode(t).ids]
        ids = [tokenizer.encode(text).ids for text in known]
        wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=template, **special)
        write(
            at / "golden.json",
            {
                "texts": known,
                "ids": ids,
                "decoded": [tokenizer.decode(row) for row in ids],
                "talks": [talk(wrapped, messages, answer) for messages in TALKS for answer in (True, False)],
            },
        )


def talk(tokenizer, messages, answer):
    """What transformers makes of a talk, or what the template says against it."""
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=answer)
    except Exception as error:  # the template's own raise_exception
        return {"messages": messages, "answer": answer, "refused": str(error)}
    ids = tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=answer, return_dict=False)
    return {"messages": messages, "answer": answer, "text": text, "ids": list(ids)}
