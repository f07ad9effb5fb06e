import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Store } from '../labels/index.ts'
import { labelsApp, listen } from '../serve/index.ts'
import type { Screen } from './screen.ts'

/** Serves the page for labelling until Ctrl-C, and opens it in the browser where there is a terminal to have typed on. */
export async function openPage(
  store: Store,
  { rater, seed, port }: { readonly rater: string; readonly seed: number; readonly port: number | undefined },
  screen: Screen,
  signal: AbortSignal,
): Promise<number> {
  const token = randomBytes(24).toString('hex')
  await store.counts() // a store that cannot be used is said before a page is opened
  const server = await listen(labelsApp(store, { rater, seed, token }), port)
  const url = `http://127.0.0.1:${server.port}/?token=${token}`
  screen.emit({ url, store: store.file, rater })
  screen.line(url)
  screen.note('The page is for you alone: who has this address can label as you. Every label is kept at once; Ctrl-C ends the page.')
  if (screen.source.isTTY === true && !screen.json) openInBrowser(url)
  try {
    if (!signal.aborted) await once(signal, 'abort')
  } finally {
    await server.close()
  }
  return 0
}

/** Opens an address in the browser of who is logged in, where that is possible; the address was printed. */
function openInBrowser(url: string): void {
  const [program, ...words] = { darwin: ['open', url], win32: ['explorer', url] }[process.platform as string] ?? ['xdg-open', url]
  const child = spawn(program!, words, { stdio: 'ignore', detached: true })
  child.on('error', () => {})
  child.unref()
}
