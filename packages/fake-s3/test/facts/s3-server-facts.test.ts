import { afterAll, describe, expect, test } from 'vitest'
import {
  runS3Fact,
  s3ServerFacts,
  s3Stores,
  startS3Server,
  type S3ClientOptions,
  type S3Store,
} from '../../src/index.ts'
import { targetOf } from './target.ts'

const { SLUICE_TEST_S3_ENDPOINT: givenEndpoint, SLUICE_TEST_S3_STORE: givenStore = 'aws' } = process.env
const server = await startS3Server()
afterAll(() => server.close())

/** Every fact on a store, by the real SDK, the store's known ways taken into account. */
function testFacts(
  title: string,
  options: S3ClientOptions,
  { bucket, store }: { bucket: string; store: S3Store },
) {
  describe(`the facts of S3: ${title}`, () => {
    const target = targetOf(options, bucket)
    for (const fact of s3ServerFacts) {
      test(`${fact.id} ${fact.title}`, { timeout: 60_000 }, async () => {
        expect(await runS3Fact(fact, target, store.deviations)).not.toBe('skipped')
      })
    }
  })
}

testFacts('the server of this package, as AWS', server.clientOptions(), {
  bucket: server.bucket,
  store: s3Stores.aws,
})

if (givenEndpoint !== undefined) {
  const { SLUICE_TEST_S3_ACCESS_KEY: accessKeyId = '', SLUICE_TEST_S3_SECRET_KEY: secretAccessKey = '' } =
    process.env
  const { SLUICE_TEST_S3_BUCKET: bucket = 'sluice-test', SLUICE_TEST_S3_REGION: region = 'us-east-1' } =
    process.env
  const credentials = { accessKeyId, secretAccessKey }
  const options = { endpoint: givenEndpoint, region, credentials, forcePathStyle: true } as const
  const store: S3Store | undefined = Object.entries(s3Stores).find(([name]) => name === givenStore)?.[1]
  if (store === undefined)
    throw new Error(`SLUICE_TEST_S3_STORE is none of ${Object.keys(s3Stores).join(', ')}`)
  testFacts(`the endpoint given, as ${store.title}`, options, { bucket, store })
}

/** What the rules of stores are about; the rest is the same for all. */
const ABOUT_RULES = /^S3-(?:INM|IM|DEL|COPY|BATCH|KEY|LIST-[12]$)/

describe.each(Object.entries(s3Stores))('the server acting as %s', (_, store: S3Store) => {
  test('deviates where the store is known to, and nowhere else', { timeout: 60_000 }, async () => {
    // With latency, racers are sure to be under way together.
    const acting = await startS3Server({ rules: store.rules, latencyMs: 3 })
    const target = targetOf(acting.clientOptions(), acting.bucket)
    const deviations = store.deviations.filter(({ onlyReal }) => onlyReal === undefined)
    const facts = s3ServerFacts.filter(({ id, heavy }) => ABOUT_RULES.test(id) && heavy === undefined)
    const ends = await Promise.all(
      facts.map(async (fact) => ({ id: fact.id, outcome: await runS3Fact(fact, target, deviations) })),
    )
    await acting.close()
    const shown = ends.filter(({ outcome }) => outcome === 'known deviation').map(({ id }) => id)
    const expected = deviations.map(({ fact }) => fact).filter((id) => facts.some((fact) => fact.id === id))
    expect(shown.toSorted()).toEqual(expected.toSorted())
  })
})
