import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { Hono } from 'hono'
import { UserError } from '../graph/index.ts'

/** A server that listens on this machine alone. */
export interface Listening {
  readonly port: number
  close(): Promise<void>
}

/**
 * Serves an app on 127.0.0.1, at any free port where none is given.
 *
 * throws  UserError when the port is taken
 */
export async function listen(app: Hono, port = 0): Promise<Listening> {
  const server = createAdaptorServer({ fetch: app.fetch })
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error
    throw new UserError(`--port: must be a port that is free, got ${port} (${code}); leave it out, and one is chosen`, { cause: error })
  }
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        if ('closeAllConnections' in server) server.closeAllConnections()
      }),
  }
}
