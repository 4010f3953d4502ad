// How many openings let a store through, and how long one takes: of a racy store none should get through, of
// a sound one all.
//   node packages/queue-s3/scripts/probe-bench.mjs --endpoint http://127.0.0.1:9090 [--openings 300] [--probe thorough] [--bucket probe-bench]
// Without --endpoint: the testkit's server, sound, in a process of its own. Credentials from
// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. A bench, not a test: it prints what it measures, and judges
// nothing.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { openQueue } from '../dist/index.js'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string' },
    openings: { type: 'string', default: '300' },
    probe: { type: 'string', default: 'thorough' },
    bucket: { type: 'string', default: 'probe-bench' },
    region: { type: 'string', default: 'us-east-1' },
  },
})
const openings = Number(values.openings)
const server = values.endpoint === undefined ? await startServer() : undefined
const place = server?.place ?? (await givenPlace(values))

const through = []
const refusals = new Map()
const spans = []
for (let opening = 0; opening < openings; opening++) {
  const startMs = performance.now()
  try {
    const queue = await openQueue({ ...place, name: `bench-${process.pid}-${opening}`, ...memoryOf(opening) })
    await queue.close()
    through.push(opening)
  } catch (error) {
    const what = String(error.message).split(': ').slice(1).join(': ').slice(0, 200)
    refusals.set(what, (refusals.get(what) ?? 0) + 1)
  }
  spans.push(performance.now() - startMs)
}
spans.sort((a, b) => a - b)
console.log(
  JSON.stringify(
    {
      endpoint: place.endpoint,
      probe: values.probe,
      openings,
      through: through.length,
      share: through.length / openings,
      medianMs: Math.round(spans[Math.floor(spans.length / 2)] ?? 0),
      refusals: Object.fromEntries(refusals),
    },
    undefined,
    1,
  ),
)
server?.stop()

/** A process remembers by endpoint what passed there: one with a fragment, which is not sent, is another. */
function memoryOf(opening) {
  return { endpoint: `${place.endpoint.replace(/\/+$/, '')}#${opening}`, probe: values.probe }
}

async function givenPlace({ endpoint, bucket, region }) {
  const credentials = {
    accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? 'bench',
    secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? 'bench-secret',
  }
  const client = new S3Client({ endpoint, region, credentials: { ...credentials }, forcePathStyle: true })
  await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((error) => {
    if (!/Already/.test(error.name)) throw error
  })
  client.destroy()
  return { endpoint, region, bucket, credentials }
}

async function startServer() {
  const program = fileURLToPath(new URL('s3-server-process.mjs', import.meta.url))
  const child = fork(program, ['{}'])
  const [made] = await once(child, 'message')
  return { place: made, stop: () => child.disconnect() }
}
