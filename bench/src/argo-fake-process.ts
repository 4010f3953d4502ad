// A process of its own: an Argo Server with its controller and Kubernetes. It says its address and its token,
// and answers each message with what was asked of it since the one before.
import { startArgoServer } from '@sluice/fake-argo'
import type { FakeTally } from './argo-fake.ts'

const submits = { count: 0, firstAtMs: 0, lastAtMs: 0 }
const server = await startArgoServer({
  maxLogged: 100,
  onRequest: ({ operation }) => {
    if (operation === 'SubmitWorkflow') noteSubmit(performance.now())
    return undefined
  },
})
process.on('message', () => process.send?.(tally()))
process.on('disconnect', () => process.exit(0))
process.send?.({ url: server.url, token: server.token })

function noteSubmit(atMs: number): void {
  if (submits.count === 0) submits.firstAtMs = atMs
  submits.lastAtMs = atMs
  submits.count += 1
}

function tally(): FakeTally {
  const { count, firstAtMs, lastAtMs } = submits
  const traffic = Object.entries(server.traffic()).filter(([, { requests }]) => requests > 0)
  return {
    requests: Object.fromEntries(traffic.map(([operation, { requests }]) => [operation, requests])),
    answerBytes: server.total().answerBytes,
    sendsPerSecond: count < 2 ? 0 : ((count - 1) * 1_000) / (lastAtMs - firstAtMs),
  }
}
