const [user, assistant] = ["m.role == 'user'", "m.role == 'assistant'"]
const ask = (words: string) => `{% if add_generation_prompt %}{{ ${words} }}{% endif %}`

/**
 * Chat templates by the names that mergekit gives them. They render what those of mergekit 0.1.5 render, line breaks and indentation included.
 *
 * limits  of llama3 and exaone that has a line break or spaces that the models' own templates do not have
 */
export const namedTemplates: Readonly<Record<string, string>> = {
  chatml: `{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\\n' ~ m.content ~ '<|im_end|>\\n' }}{% endfor %}${ask("'<|im_start|>assistant\\n'")}`,
  llama3: `{% for m in messages %}{% if loop.first %}{{ bos_token }}{% endif %}{{ '<|start_header_id|>' ~ m.role ~ '<|end_header_id|>\\n\\n' ~ (m.content | trim) ~ '<|eot_id|>\\n' }}{% endfor %}${ask("'<|start_header_id|>assistant<|end_header_id|>\\n\\n'")}`,
  alpaca: [
    "{% set of = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}{% set of.system = m.content | trim %}{% endif %}{% endfor %}{{ of.system ~ '\\n\\n' }}",
    '{% for m in messages %}',
    `{% set name = 'Instruction' if ${user} else 'Response' if ${assistant} else 'Input' if m.role == 'user_context' else '' %}`,
    "{% if name %}{{ '### ' ~ name ~ ':\\n' ~ (m.content | trim) ~ ('' if loop.last else '\\n\\n') }}{% endif %}{% endfor %}",
    "{% if add_generation_prompt and messages[-1].role != 'assistant' %}{{ '### Response:\\n' }}{% endif %}",
  ].join(''),
  exaone: [
    "{% for m in messages %}{% if loop.first and m.role != 'system' %}{{ '        [|system|][|endofturn|]\\n\\n' }}{% endif %}",
    `{{ '    [|' ~ m.role ~ '|]' ~ m.content ~ '\\n        ' ~ ('' if ${user} else '[|endofturn|]') ~ '\\n\\n' }}{% endfor %}`,
    ask("'    [|assistant|]\\n'"),
  ].join(''),
  mistral: [
    "{% set of = namespace(system=none, turns=messages) %}{% if messages[0].role == 'system' %}{% set of.system = messages[0].content %}{% set of.turns = messages[1:] %}{% endif %}{{ bos_token }}",
    `{% for m in of.turns %}{% if (${user}) != (loop.index0 % 2 == 0) %}{{ raise_exception('After the system message user and assistant must take turns') }}{% endif %}`,
    `{% if ${user} %}{{ ' [INST] ' ~ (of.system ~ '\\n\\n' if loop.first and of.system is not none else '') ~ m.content ~ ' [/INST]' }}`,
    `{% elif ${assistant} %}{{ ' ' ~ m.content ~ eos_token }}`,
    "{% else %}{{ raise_exception('Roles must be user and assistant, after a system message or none') }}{% endif %}{% endfor %}",
  ].join(''),
}
