/** Rows as JSON lines. */
export function jsonLines(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('')
}

/** Enough prompts for training, for the looks after each round, and for 256 sealed ones: beginnings of stories, every name with every scene. */
export function prompts(): string[] {
  const names = 'Lily Tom Mia Ben Sara Max Anna Sam Lucy Tim Nora Leo Emma Jack Zoe Finn Ruby Otto Ella Hugo Ida Noah Amy Carl'.split(' ')
  const scenes = [
    'went to the park with a red ball.',
    'found a small box under the bed.',
    'wanted to bake a cake.',
    'saw a bird with a hurt wing.',
    'was afraid of the dark.',
    'had a toy boat and a big pond.',
    'lost a favourite hat in the wind.',
    'met a frog who could talk.',
    'wanted to help in the garden.',
    'heard a strange noise at night.',
    'built a tower of blocks.',
    'had to share the last cookie.',
    'climbed a tall tree.',
    'got a letter from grandma.',
    'played in the rain.',
    'could not find the way home.',
    'made a new friend at school.',
    'woke up very early.',
    'drew a picture of a cat.',
    'went on a trip to the sea.',
    'broke a cup by accident.',
    'wanted to learn to swim.',
    'had a secret place behind the house.',
    'found a key but no door.',
  ]
  return scenes.flatMap((scene) => names.map((name) => `${name} ${scene}`))
}
