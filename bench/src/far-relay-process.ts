// A process of its own: a way to a PostgreSQL server on which each round trip takes N ms more, that of
// connecting too. It prints its url, and ends when its input does.
//   node far-relay-process.ts postgres://… 5
import { connect, createServer, type Socket } from 'node:net'

const [, , target = '', tripMs = ''] = process.argv
const url = new URL(target)
const ms = Number(tripMs)

const server = createServer((near) => {
  const far = connect(Number(url.port || 5432), url.hostname)
  for (const socket of [near, far]) socket.setNoDelay(true).on('error', () => socket.destroy())
  passLate(near, far)
  far.pipe(near)
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const through = new URL(target)
  through.hostname = '127.0.0.1'
  through.port = String(typeof address === 'object' ? address?.port : '')
  process.stdout.write(through.href)
})
process.stdin.on('end', () => process.exit()).resume()

/** The whole time of a trip on the way there, since a timer has whole milliseconds. */
function passLate(from: Socket, to: Socket): void {
  // The acknowledgement of the connection was a trip too: what comes first waits for it.
  let isFirst = true
  from.on('data', (bytes) => {
    setTimeout(() => to.write(bytes), isFirst ? 2 * ms : ms)
    isFirst = false
  })
  from.on('end', () => setTimeout(() => to.end(), ms))
}
