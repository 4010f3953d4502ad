// What a store makes of `PUT If-None-Match: *`, found without a line of Sluice: is it honoured, and does one
// of several racers win.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { BUCKET, s3Client } from './loopback.mjs'

const RACERS = 8
/** Large bodies keep a server longer between its look and its write. */
const BODY_BYTES = [0, 200, 65_536, 1_048_576]
const ANSWER_WITHIN_MS = 30_000

/**
 * @param {string} endpoint
 * @param {number} rounds races, of eight requests each
 * @returns {Promise<{ condition: 'honoured' | 'ignored', rounds: number, shared: number }>} `shared`: the
 * rounds with several winners
 */
export async function measureConditions(endpoint, rounds) {
  const signer = new Signer(endpoint)
  const prefix = `conditions-${randomUUID()}`
  const first = await signer.put(`${prefix}-0`, 'first')
  const statuses = []
  for (let attempt = 0; attempt < 2; attempt++) statuses.push(...(await race(endpoint, [first])))
  if (statuses[0] !== 200) throw new Error(`a first PUT If-None-Match: * was answered with ${statuses[0]}`)
  if (statuses[1] < 300) return { condition: 'ignored', rounds: 0, shared: 0 }
  let shared = 0
  for (let round = 1; round <= rounds; round++) {
    const body = 'x'.repeat(BODY_BYTES[round % BODY_BYTES.length])
    const requests = []
    while (requests.length < RACERS) requests.push(await signer.put(`${prefix}-${round}`, body))
    const answers = await race(endpoint, requests)
    if (answers.filter((status) => status === 200).length > 1) shared += 1
  }
  return { condition: 'honoured', rounds, shared }
}

/** Has the SDK sign requests and sends none of them: they are released together, on sockets of ours. */
class Signer {
  #endpoint
  #client
  #sdk
  #signed

  constructor(endpoint) {
    this.#endpoint = new URL(endpoint)
    const { client, sdk } = s3Client(endpoint, {
      requestChecksumCalculation: 'WHEN_REQUIRED',
      requestHandler: {
        handle: (request) => {
          this.#signed(request)
          return new Promise(() => {})
        },
      },
    })
    this.#client = client
    this.#sdk = sdk
  }

  /** A whole request as it goes over the wire. */
  async put(key, body) {
    const signed = new Promise((resolve) => (this.#signed = resolve))
    const condition = { IfNoneMatch: '*', ContentLength: body.length }
    const command = new this.#sdk.PutObjectCommand({ Bucket: BUCKET, Key: key, Body: body, ...condition })
    void this.#client.send(command)
    const { path, query, headers } = await signed
    const search = new URLSearchParams(query).toString()
    const lines = Object.entries({
      ...headers,
      host: this.#endpoint.host,
      'content-length': `${body.length}`,
    })
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    return Buffer.from(`PUT ${path}?${search} HTTP/1.1\r\n${head}\r\n${body}`)
  }
}

/**
 * All but the last byte of each, and then the last bytes, so that the server has all of them at the same
 * time.
 */
async function race(endpoint, requests) {
  const { hostname, port } = new URL(endpoint)
  const sockets = requests.map(() => connect({ host: hostname, port: Number(port), noDelay: true }))
  try {
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    for (const [index, socket] of sockets.entries()) socket.write(requests[index].subarray(0, -1))
    const answers = sockets.map(statusOf)
    for (const [index, socket] of sockets.entries()) socket.write(requests[index].subarray(-1))
    return await Promise.all(answers)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

function statusOf(socket) {
  return new Promise((done, failed) => {
    let text = ''
    socket.setTimeout(ANSWER_WITHIN_MS, () => failed(new Error('the store did not answer')))
    socket.on('error', failed).on('close', () => failed(new Error('the store closed the connection')))
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      // A server may say first that it is ready for the body.
      const found = [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gmu)].map(([, code]) => Number(code))
      const status = found.find((code) => code >= 200)
      if (status !== undefined) done(status)
    })
  })
}
