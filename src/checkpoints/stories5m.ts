import { fileURLToPath } from 'node:url'

/**
 * The model in the box: five million parameters that write children's stories, made from stories15m by box/make.ts. It lies in the
 * package, so it needs no network; its card is box/stories5m/README.md.
 */
export const stories5m = { folder: async () => fileURLToPath(new URL('../../box/stories5m', import.meta.url)) }
