import { command, oneOf, text } from './command.ts'

/** A script that lets a shell complete verbs, flags and paths; printed from the definitions of the verbs. */
export const completion = command({
  name: 'completion',
  about: 'Print a script that completes verbs and flags in bash, zsh or fish.',
  args: { shell: text('bash, zsh or fish') },
  examples: ['completion bash', 'completion fish'],

  async action({ shell }, screen) {
    const kind = oneOf('', ['bash', 'zsh', 'fish']).read(shell, 'completion SHELL')
    const { verbs } = await import('./verbs.ts')
    const all = await Promise.all(Object.entries(verbs).map(async ([verb, load]) => ({ verb, ...described(await load()) })))
    const script = { bash: bashOf, zsh: zshOf, fish: fishOf }[kind](all)
    screen.emit({ shell: kind, script })
    screen.write(script)
    const where = {
      bash: 'innate completion bash > ~/.local/share/bash-completion/completions/innate',
      zsh: 'innate completion zsh > ~/.zfunc/_innate, with fpath+=~/.zfunc before compinit',
      fish: 'innate completion fish > ~/.config/fish/completions/innate.fish',
    }[kind]
    screen.note(`Keep it: ${where}`)
  },
})

interface Described {
  readonly verb: string
  readonly about: string
  readonly flags: Readonly<Record<string, readonly string[]>>
}

function described({ about, flags }: { readonly about: string; readonly flags: Described['flags'] }) {
  return { about, flags }
}

function bashOf(all: readonly Described[]): string {
  const cases = (words: 1 | 2) =>
    all
      .filter(({ verb }) => verb.split(' ').length === words)
      .map(({ verb, flags }) => `    ${JSON.stringify(verb)}) flags=${JSON.stringify(Object.keys(flags).join(' '))} ;;`)
      .join('\n')
  return `# completion of innate for bash
_innate() {
  local word="\${COMP_WORDS[COMP_CWORD]}" one="\${COMP_WORDS[1]}" two="\${COMP_WORDS[1]} \${COMP_WORDS[2]}" flags=""
  local verbs=${JSON.stringify(firstWords(all).join(' '))}
  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "$verbs" -- "$word")); return; fi
  if [ "$COMP_CWORD" -eq 2 ]; then
    case "$one" in
${secondWords(all)
  .map(([first, seconds]) => `      ${first}) COMPREPLY=($(compgen -W ${JSON.stringify(seconds.join(' '))} -- "$word")); return ;;`)
  .join('\n')}
    esac
  fi
  case "$two" in
${cases(2)}
  esac
  [ -z "$flags" ] && case "$one" in
${cases(1)}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}
complete -o filenames -F _innate innate
`
}

function zshOf(all: readonly Described[]): string {
  return `#compdef innate
# completion of innate for zsh
_innate() {
  local -a verbs
  verbs=(
${all.map(({ verb, about }) => `    ${quoted(`${verb.split(' ')[0]!}:${about.replaceAll(':', '')}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then _describe 'verb' verbs; return; fi
  case "$words[2]" in
${secondWords(all)
  .map(([first, seconds]) => `    ${first}) if (( CURRENT == 3 )); then compadd ${seconds.join(' ')}; return; fi ;;`)
  .join('\n')}
  esac
  if [[ "$words[CURRENT]" == -* ]]; then
    case "$words[2] $words[3]" in
${all
  .filter(({ verb }) => verb.includes(' '))
  .map(({ verb, flags }) => `      ${quoted(verb)}) compadd -- ${Object.keys(flags).join(' ')}; return ;;`)
  .join('\n')}
    esac
    case "$words[2]" in
${all
  .filter(({ verb }) => !verb.includes(' '))
  .map(({ verb, flags }) => `      ${verb}) compadd -- ${Object.keys(flags).join(' ')} ;;`)
  .join('\n')}
    esac
  else
    _files
  fi
}
compdef _innate innate
`
}

function fishOf(all: readonly Described[]): string {
  const lines = all.flatMap(({ verb, about, flags }) => {
    const [first, second] = verb.split(' ')
    const seen = second
      ? `__fish_seen_subcommand_from ${first}; and __fish_seen_subcommand_from ${second}`
      : `__fish_seen_subcommand_from ${first}`
    const word = second
      ? `complete -c innate -n '__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${second}' -a ${second} -d ${quoted(about)}`
      : `complete -c innate -n __fish_use_subcommand -a ${first} -d ${quoted(about)}`
    return [
      word,
      ...Object.entries(flags).map(
        ([flag, choices]) =>
          `complete -c innate -n ${quoted(seen)} -l ${flag.slice(2)}${choices.length > 0 ? ` -x -a ${quoted(choices.join(' '))}` : ''}`,
      ),
    ]
  })
  const groups = secondWords(all).map(([first]) => `complete -c innate -n __fish_use_subcommand -a ${first}`)
  return ['# completion of innate for fish', ...groups, ...lines, ''].join('\n')
}

function firstWords(all: readonly Described[]): string[] {
  return [...new Set(all.map(({ verb }) => verb.split(' ')[0]!))]
}

/** Verbs of two words by their first. */
function secondWords(all: readonly Described[]): [string, string[]][] {
  const groups = new Map<string, string[]>()
  for (const { verb } of all) {
    const [first, second] = verb.split(' ') as [string, string | undefined]
    if (second !== undefined) groups.set(first, [...(groups.get(first) ?? []), second])
  }
  return [...groups]
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
