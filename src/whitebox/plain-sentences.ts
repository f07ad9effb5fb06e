/** Sentences about nothing in common: a part is ablated by giving it the mean of what it does as the model reads them. */
export const plainSentences: readonly string[] = [
  'The meeting starts at nine and will take about an hour.',
  'She put the old books back on the shelf.',
  'Rain is expected in the north by the evening.',
  'He asked whether the shop was still open.',
  'Most of the water comes from a lake in the hills.',
  'They waited for the train, but it was late again.',
  'I have never seen a garden as large as this one.',
  'The price of bread has not changed for two years.',
]
