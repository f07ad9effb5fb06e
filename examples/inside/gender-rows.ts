// Rows for `innate read das`: does a subspace carry the gender of a story's subject? Written to standard output.
//   npx jiti examples/inside/gender-rows.ts > gender.jsonl
const subjects = {
  ' her':
    'The girl|The woman|The mom|The grandma|The queen|The princess|The lady|The sister|The aunt|The mother|Lily|Sue|Mia|Anna|Lucy|Sara|Amy|Jane',
  ' his':
    'The boy|The man|The dad|The grandpa|The king|The prince|The brother|The uncle|The grandfather|The son|Tom|Tim|Ben|Max|Sam|Jack|Bob|John',
}
const ends = ['lost', 'found', 'could not find', 'ran to', 'took out', 'put on', 'went to see', 'wanted to play with']

/** A number that is drawn the same every time (mulberry32). */
let state = 7
function drawn(below: number): number {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
}

const texts = Object.entries(subjects).flatMap(([said, names]) =>
  names.split('|').flatMap((name) => ends.map((end) => ({ said, text: `${name} ${end}` }))),
)
// Every text stands in one row alone, so that no row held out has a text that was fitted on.
while (texts.length >= 2) {
  const [base, source] = [0, 1].map(() => texts.splice(drawn(texts.length), 1)[0]!)
  const wrong = source!.said === ' her' ? ' his' : ' her'
  console.log(JSON.stringify({ base: base!.text, source: source!.text, answer: source!.said, wrong }))
}
