import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { SecretRegistry } from '@sluice/core'
import { answerWithStatus } from '@sluice/fake-argo'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openWorker, type ArgoWorkerOptions } from '../../src/index.js'
import { ArgoBench, jobOf, send } from '../argo-bench.js'

const TOKEN = 'q1w2e3r4t5y6-u7i8o9p0'

let bench: ArgoBench
let folder: string

beforeEach(async () => {
  bench = await ArgoBench.start({ token: TOKEN })
  folder = await mkdtemp(join(tmpdir(), 'argo-token-'))
})

afterEach(async () => {
  await bench.close()
  await rm(folder, { recursive: true })
})

async function refusal(options: Partial<ArgoWorkerOptions>): Promise<unknown> {
  const opened = await openWorker(bench.options(options), { placeOf: ([option]) => `here:${option}` }).catch(
    (error: unknown) => error,
  )
  if (opened instanceof Error) return opened
  const worker = await bench.open(options)
  return send(worker, jobOf('a')).catch((error: unknown) => error)
}

describe('a token that no header can have', () => {
  const unfit: readonly (readonly [string, RegExp])[] = [
    ['q1w2e3r4t5\ny6-u7i8o9p0', /has a line end in it/u],
    ['q1w2e3r4t5\ry6-u7i8o9p0', /has a line end in it/u],
    ['q1w2e3r4t5\0y6-u7i8o9p0', /printable ASCII/u],
    ['q1w2e3r4t5\u007fy6-u7i8o9p0', /printable ASCII/u],
    ['q1w2e3r4t5éy6-u7i8o9p0', /printable ASCII/u],
    ['“q1w2e3r4t5y6-u7i8o9p0”', /printable ASCII/u],
    ['q1w2e3r4t5\u200by6-u7i8o9p0', /printable ASCII/u],
  ]
  test.each(unfit)(
    'is denied before anything is sent, and no piece of it is shown: %j',
    async (token, why) => {
      await writeFile(join(folder, 'file'), token)
      for (const [options, where] of [
        [{ token }, /of worker\.token \(here:token\)/u],
        [{ token: undefined, tokenFile: join(folder, 'file') }, /in the token file .*file/u],
        [{ token: undefined, tokenCommand: ['cat', join(folder, 'file')] }, /of the token command cat/u],
      ] satisfies readonly (readonly [Partial<ArgoWorkerOptions>, RegExp])[]) {
        const error = await refusal(options)
        expect(error).toMatchObject({ code: 'SLUICE_WORKER_DENIED', message: expect.stringMatching(why) })
        expect(error).toMatchObject({ message: expect.stringMatching(where) })
        expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/1w2e3|u7i8o/u)
      }
      expect(bench.server.workflows.size).toBe(0)
    },
  )

  test('is one with a line end behind it, but for files and commands, whose line ends are no part of it', async () => {
    for (const end of ['\n', '\r\n', '\n\n', ' \n']) {
      await writeFile(join(folder, 'file'), TOKEN + end)
      const read = [{ tokenFile: join(folder, 'file') }, { tokenCommand: ['cat', join(folder, 'file')] }]
      for (const options of read)
        await send(await bench.open({ token: undefined, ...options }), jobOf(JSON.stringify([end, options])))
      expect(await refusal({ token: TOKEN + end })).toMatchObject({
        code: 'SLUICE_WORKER_DENIED',
        message: expect.stringContaining('name a file with `tokenFile`'),
      })
    }
    await send(await bench.open({ token: `  Bearer ${TOKEN} ` }), jobOf('blanks'))
  })
})

describe('a server that quotes the token', () => {
  test.each(['token', 'tokenFile', 'tokenCommand'])(
    'by %s: no error has it, and the caller of openWorker knows it',
    async (option) => {
      await writeFile(join(folder, 'file'), `${TOKEN}\n`)
      const given = {
        token: TOKEN,
        tokenFile: join(folder, 'file'),
        tokenCommand: ['cat', join(folder, 'file')],
      }
      const options = bench.options({ token: undefined, [option]: Reflect.get(given, option) })
      const basic = Buffer.from(`me:${TOKEN}`).toString('base64')
      const endpoint = await bench.addEndpoint({
        onRequest: () => answerWithStatus(403, JSON.stringify({ code: 7, message: `no ${TOKEN}, ${basic}` })),
      })
      const secrets = new SecretRegistry()
      for (const context of [{}, { secrets }]) {
        const worker = await openWorker({ ...options, baseUrl: endpoint.url }, context)
        const error = await send(worker, jobOf('a')).catch((reason: unknown) => reason)
        await worker.close()
        expect(error).toMatchObject({ message: expect.stringContaining('no [secret],') })
        expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/1w2e3|u7i8o|cTF3Mm/u)
      }
      expect(secrets.redact(`x ${TOKEN}`)).toBe('x [secret]')
    },
  )
})

test.each([
  ['baseUrl', 'http://me:12/hunter2@argo.example.org'],
  ['baseUrl', 'http://me:hunter2@argo.example.org'],
  ['baseUrl', 'http://me:hun@ter2#x@argo.example.org'],
  ['uiUrl', 'https://me:hunter2@argo.example.org/ui'],
])('%s with a password is refused, whatever characters it has', async (option, url) => {
  const error = await openWorker(bench.options({ [option]: url })).catch((reason: unknown) => reason)
  expect(error).toMatchObject({
    code: 'SLUICE_CONFIG_INVALID',
    message: expect.stringContaining(`${option}: must have no password`),
  })
  expect(String(error)).not.toContain('ter2')
})
