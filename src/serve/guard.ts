import { timingSafeEqual } from 'node:crypto'
import { createMiddleware } from 'hono/factory'

const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

/**
 * Lets in only who holds the token, from this machine's own name, and from the page itself.
 *
 * The Host must be a loopback name, so that a foreign name that points here (DNS rebinding) gets nothing. The Origin, which browsers send with every
 * request of a script of another page, must be this server's own where there is one, and must be there to change anything. The token comes once
 * with the address, and from then on in a cookie that no script can read and that no other site's request carries.
 */
export function guarded(token: string) {
  return createMiddleware(async (c, next) => {
    for (const [name, value] of Object.entries(headers)) c.header(name, value)
    const host = c.req.header('host') ?? ''
    const [, port] = /^(?:127\.0\.0\.1|localhost|\[::1\]):(\d+)$/.exec(host) ?? []
    if (port === undefined) return c.text('the Host must be this machine, got another', 403)
    const origin = c.req.header('origin')
    const reads = c.req.method === 'GET' || c.req.method === 'HEAD'
    if (origin === undefined ? !reads : origin !== `http://${host}`) return c.text('the Origin must be this page, got another', 403)
    const cookie = `innate-${port}`
    const given = c.req.query('token')
    const bearer = /^Bearer (.+)$/.exec(c.req.header('authorization') ?? '')?.[1]
    const kept = new RegExp(`(?:^|; *)${cookie}=([^;]+)`).exec(c.req.header('cookie') ?? '')?.[1]
    if (![given, bearer, kept].some((one) => one !== undefined && same(one, token)))
      return c.text('the token must be that of the address that innate label printed; open that address', 401)
    if (given !== undefined && reads && c.req.path === '/') {
      c.header('set-cookie', `${cookie}=${token}; HttpOnly; SameSite=Strict; Path=/`)
      return c.redirect('/')
    }
    return next()
  })
}

/** Whether two texts are the same, in a time that does not say where they differ. */
function same(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)]
  return one.length === other.length && timingSafeEqual(one, other)
}
