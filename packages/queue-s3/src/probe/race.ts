import { PutObjectCommand, S3ServiceException, type S3Client } from '@aws-sdk/client-s3'
import { versionOf } from '../store/s3-answers.js'
import { s3Error } from '../store/s3-errors.js'
import { failureOf } from '../store/s3-failures.js'
import type { Patience } from '../store/sending/patience.js'
import type { S3Store } from '../store/s3-store.js'
import { RaceTrack } from './race-track.js'
import { StoreLie, type Lie } from './store-lie.js'

/** About the size of a claim. */
const CLAIM_BYTES = 600
/** In turn: how long a store is busy between its check and its write depends on the size. */
const BODY_BYTES = [CLAIM_BYTES, 200, 0]

/** The answer to a racer. `unclear`: one that says nothing about the outcome. `lost`: none. */
export type RacerEnd = 'created' | 'exists' | 'unclear' | 'lost'

/** One race for one key. */
export interface Heat {
  readonly key: string
  /** By token. */
  readonly ends: ReadonlyMap<string, RacerEnd>
}

export interface RaceOptions {
  /** How many run in each race. */
  readonly racers: readonly number[]
  /** The key of the race of this number. */
  readonly keyOf: (index: number) => string
  /** Called for each racer that won, with the version that its answer names, if any. */
  readonly won: (versionId: string | undefined) => void
}

interface Start {
  readonly key: string
  readonly bytes: number
  readonly tokens: readonly string[]
}

/**
 * Runs racers for one key after another by PUT If-None-Match: *.
 *
 * @returns the keys that exist now; others may, of races that were lost on the network
 * @throws StoreLie when more than one racer won; SluiceError as for any request
 */
export async function race(store: S3Store, { racers, keyOf, won }: RaceOptions): Promise<string[]> {
  const track = new RaceTrack({ runtime: store.runtime })
  const client = store.sender.clientOver(track.requestHandler)
  const heats: Heat[] = []
  let patience = store.patience()
  try {
    for (let index = 0; heats.length < racers.length; index++) {
      const start = startOf(index, keyOf(index), racers[heats.length] ?? 0)
      const heat = await run({ store, client, track, patience, won }, start)
      if (heat === undefined) continue
      heats.push(heat)
      patience = store.patience()
    }
  } finally {
    track.close()
    client.destroy()
  }
  return (await Promise.all(heats.map((heat) => keptOf(store, heat)))).flat()
}

function startOf(index: number, key: string, count: number): Start {
  const bytes = BODY_BYTES[index % BODY_BYTES.length] ?? 0
  return { key, bytes, tokens: Array.from({ length: count }, (_, racer) => `racer${racer}`) }
}

interface Running {
  readonly store: S3Store
  readonly client: S3Client
  readonly track: RaceTrack
  readonly patience: Patience
  readonly won: RaceOptions['won']
}

/** `undefined` when too many got no answer for a race. */
async function run(
  { store, client, track, patience, won }: Running,
  { key, bytes, tokens }: Start,
): Promise<Heat | undefined> {
  let last: unknown
  const put = async (token: string): Promise<readonly [string, RacerEnd]> => {
    try {
      const output = await client.send(
        new PutObjectCommand({
          Bucket: store.place.bucket,
          Key: key,
          Body: Buffer.alloc(bytes, ' '),
          ContentType: 'application/json',
          Metadata: { token },
          IfNoneMatch: '*',
        }),
        { abortSignal: store.sender.deadline() },
      )
      won(versionOf(output).versionId)
      return [token, 'created']
    } catch (error) {
      last = error
      return [token, endOf(error, store)]
    }
  }
  const heat = { key, ends: new Map(await track.run(tokens, put)) }
  const lie = wrongOf(heat) ?? knownLie(track.servers)
  if (lie !== undefined) throw new StoreLie(lie)
  // Ceph 16 answers the losers with 500.
  const clear = count(heat, 'created') + count(heat, 'exists')
  if (clear > 0 && count(heat, 'lost') <= tokens.length / 2) return heat
  await store.sender.waitAfter(last, { kind: 'write', on: key }, patience)
  return undefined
}

/**
 * What is known of a server that identifies itself, where races are too rarely decisive: moto's window is
 * some hundredths of a millisecond, and about one race in a hundred hits it. Its web server, Werkzeug's, is
 * made for development only.
 *
 * @see https://werkzeug.palletsprojects.com/en/stable/serving/
 */
export function knownLie(servers: readonly string[]): Lie | undefined {
  const name = servers.find((server) => /^Werkzeug\b/u.test(server))
  if (name === undefined) return undefined
  return {
    about: 'condition',
    seen: `its answers are from ${JSON.stringify(name.slice(0, 80))}, like those of moto, which checks first and writes later and is made for tests`,
  }
}

function endOf(error: unknown, store: S3Store): RacerEnd {
  const failure = failureOf(error)
  if (failure === 'exists') return 'exists'
  if (failure !== 'retry' && failure !== 'slow-down') throw s3Error(error, 'write', store.place)
  return error instanceof S3ServiceException ? 'unclear' : 'lost'
}

async function keptOf(store: S3Store, heat: Heat): Promise<string[]> {
  const { object } = await store.send({ do: 'head', key: heat.key }, store.patience())
  const lie = wrongOf(heat, { kept: object?.meta['token'] })
  if (lie !== undefined) throw new StoreLie(lie)
  return object === undefined ? [] : [heat.key]
}

/**
 * What a race shows to be wrong with the store, if anything.
 *
 * @param after with the token of the object that existed afterwards
 */
export function wrongOf(heat: Heat, after?: { readonly kept: string | undefined }): Lie | undefined {
  const winners = [...heat.ends].flatMap(([token, end]) => (end === 'created' ? [token] : []))
  if (winners.length > 1) {
    return {
      about: 'condition',
      seen: `of ${heat.ends.size} concurrent PUT If-None-Match: * of one key ${winners.length} won instead of one: the store checks first and writes later`,
    }
  }
  if (after === undefined) return undefined
  const [winner] = winners
  if (winner !== undefined && winner !== after.kept) {
    return {
      about: 'condition',
      seen: 'of concurrent PUT If-None-Match: * of one key one won, and another one is what was kept',
    }
  }
  if (after.kept === undefined && count(heat, 'unclear') + count(heat, 'lost') === 0) {
    return {
      about: 'condition',
      seen: 'all PUT If-None-Match: * of a key that was never written were refused',
    }
  }
  return undefined
}

function count({ ends }: Heat, wanted: RacerEnd): number {
  return [...ends.values()].filter((end) => end === wanted).length
}
