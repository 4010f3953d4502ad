import { createServer, request } from 'node:http'

const KEPT_PAGES = 200

/**
 * Stands before a store and answers some listings of WAITING with a page from long ago: what a program sees
 * that listed, slept, and goes on with what it had read. Everything else it passes on.
 *
 * @param {{ endpoint: string, share: number }} options `share`: of the listings that are answered so, 0 to 1
 * @returns {Promise<{ url: string, stale: () => number, close: () => Promise<void> }>}
 */
export async function startStaleProxy({ endpoint, share }) {
  const target = new URL(endpoint)
  const pages = []
  let stale = 0
  const server = createServer((incoming, reply) => {
    const { method, url, headers } = incoming
    const isListing = method === 'GET' && /list-type=2/.test(url) && /WAITING%2F/.test(url)
    // The host is part of what was signed: it stays as it came.
    const onward = request({ host: target.hostname, port: target.port, method, path: url, headers })
    onward.on('error', () => incoming.socket.destroy())
    onward.on('response', (answer) => {
      if (!isListing || answer.statusCode !== 200) {
        reply.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(reply)
        return
      }
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('end', () => {
        const fresh = Buffer.concat(chunks)
        pages.push(fresh)
        if (pages.length > KEPT_PAGES) pages.splice(Math.floor(Math.random() * pages.length), 1)
        const isStale = Math.random() < share
        if (isStale) stale += 1
        const body = isStale ? pages[Math.floor(Math.random() * pages.length)] : fresh
        const { 'transfer-encoding': _, ...kept } = answer.headers
        reply.writeHead(200, { ...kept, 'content-length': body.byteLength })
        reply.end(body)
      })
    })
    incoming.pipe(onward)
  })
  await new Promise((listening) => {
    server.listen(0, '127.0.0.1', listening)
  })
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stale: () => stale,
    close: () =>
      new Promise((closed) => {
        server.closeAllConnections()
        server.close(closed)
      }),
  }
}
