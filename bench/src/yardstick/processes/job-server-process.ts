// A process of its own: the jobs of a bench under faults, each of which takes 1 ms and succeeds. Services
// reach it over a socket, and die without it. It counts each start by (uid, attempt), so that lost and
// doubled items are counted outside of what is measured.
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { answer } from './helper.ts'
import type { Histogram } from './latency.ts'
import { Tally } from './readings.ts'

export interface JobServerSetup {
  readonly path: string
  readonly jobMs: number
}

/** `id`, `uid`, `attempt`, and when the item was put. */
export type SentJob = readonly [id: string, uid: string, attempt: number, putAt: number]

export interface JobRequest {
  readonly number: number
  readonly send?: readonly SentJob[]
  readonly poll?: true
  readonly lookup?: string
  readonly acknowledge?: readonly string[]
}

/** The last is whether it has ended. */
export type SaidJob = readonly [id: string, uid: string, attempt: number, isEnded: boolean]

/** Without a number: a job has ended. */
export interface JobReply {
  readonly number?: number
  readonly jobs?: readonly SaidJob[]
}

/** All since the process started. */
export interface JobServerReading {
  /** Acknowledged, and so in SUCCESS. */
  readonly done: number
  readonly latencies: Histogram
  /** Items whose job was started. */
  readonly started: number
  /** Items whose job was started more than once, in whichever attempt. */
  readonly doubled: number
  /** Sends of a job that runs or has ended: no second start. */
  readonly resent: number
}

interface OpenJob {
  readonly uid: string
  readonly attempt: number
  readonly putAt: number
  isEnded: boolean
}

const { path, jobMs }: JobServerSetup = JSON.parse(process.argv[2] ?? '')
const open = new Map<string, OpenJob>()
/** By the number of the item; no item has a second one. */
const starts = new Map<number, { times: number; attempt: number; isDone: boolean }>()
const tally = new Tally()
const sockets = new Set<Socket>()
let [doubled, resent] = [0, 0]

createServer((socket) => {
  sockets.add(socket)
  socket.on('close', () => sockets.delete(socket))
  const lines = createInterface({ input: socket })
  lines.on('line', (line) => {
    const request: JobRequest = JSON.parse(line)
    say(socket, { number: request.number, ...served(request) })
  })
  // A service that was killed ends its connection by an error, which the reader of lines emits too.
  for (const each of [socket, lines]) each.on('error', () => undefined)
}).listen(path)

answer({
  read: (): JobServerReading => ({
    ...tally.read(),
    started: starts.size,
    doubled,
    resent,
  }),
  done: () => tally.done,
  // It ends when it is let go.
  end: () => undefined,
})

function served({ send, poll, lookup, acknowledge }: JobRequest): Omit<JobReply, 'number'> {
  if (send !== undefined) start(send)
  if (acknowledge !== undefined) for (const id of acknowledge) forget(id)
  if (poll) return { jobs: [...open.keys()].flatMap(said) }
  return lookup === undefined ? {} : { jobs: said(lookup) }
}

function said(id: string): SaidJob[] {
  const job = open.get(id)
  return job === undefined ? [] : [[id, job.uid, job.attempt, job.isEnded]]
}

function start(jobs: readonly SentJob[]): void {
  const started: OpenJob[] = []
  for (const [id, uid, attempt, putAt] of jobs) {
    const before = open.get(id)
    if (before?.uid === uid && before.attempt === attempt) {
      resent += 1
      continue
    }
    count(numberOf(id), attempt)
    const job = { uid, attempt, putAt, isEnded: false }
    open.set(id, job)
    started.push(job)
  }
  setTimeout(() => {
    for (const job of started) job.isEnded = true
    for (const socket of sockets) say(socket, {})
  }, jobMs)
}

/** No job fails here, so that an item has one start. */
function count(number: number, attempt: number): void {
  const known = starts.get(number)
  if (known === undefined) {
    starts.set(number, { times: 1, attempt, isDone: false })
    return
  }
  known.times += 1
  if (known.times === 2) doubled += 1
  console.error(`item ${number} was started in attempt ${known.attempt} and again in ${attempt}`)
}

function forget(id: string): void {
  const job = open.get(id)
  const known = starts.get(numberOf(id))
  if (job === undefined || known === undefined) return
  open.delete(id)
  if (known.isDone) return
  known.isDone = true
  tally.add(job.putAt)
}

function numberOf(id: string): number {
  return Number(id.slice(id.indexOf('-') + 1))
}

function say(socket: Socket, reply: JobReply): void {
  if (!socket.destroyed) socket.write(`${JSON.stringify(reply)}\n`)
}
