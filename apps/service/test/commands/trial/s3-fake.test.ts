import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox } from '../../fixtures/sandbox.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
})
afterEach(() => box.close())

/** The words of a line, as a shell takes them apart; the printed ones have single quotes only. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}

async function printed(stream: NodeJS.ReadableStream, until: string): Promise<string> {
  let text = ''
  while (!text.includes(until)) {
    const [chunk]: unknown[] = await once(stream, 'data')
    text += String(chunk)
  }
  return text
}

test('what it prints works unchanged: the configuration, and each command up to a result', async () => {
  const child = box.start(['s3-fake', '--port', '0', '--latency', '1ms'])
  const text = await printed(child.stdout, ' queues --sizes\n')
  const config = /\n(queue:\n[^]*?)\n\n/.exec(text)?.[1] ?? ''
  await writeFile(join(box.dir, 'sluice.config.yaml'), config)
  const commands = [...text.matchAll(/^ {2}\$ node \S+ (.+)$/gm)].map(([, line]) => wordsOf(line ?? ''))
  expect(commands.map(([name]) => name)).toEqual(['put', 'run', 'show', 'queues'])
  const ends = []
  for (const command of commands) ends.push(await box.spawn(command))
  expect(ends.map(({ code }) => code)).toEqual([0, 0, 0, 0])
  expect(ends[2]?.out).toMatch(/SUCCESS[^]*hello world/)
  expect(ends[3]?.out).toMatch(/default +ready +0 +0 +1 +0/)
  child.kill('SIGINT')
  expect(await child).toMatchObject({ exitCode: 0, stderr: '' })
})

test('it accepts the given bucket and keys, and no others', async () => {
  const child = box.start([
    's3-fake',
    '--port',
    '0',
    '--bucket',
    'tiles',
    '--access-key',
    'me',
    '--secret-key',
    's',
    '--json',
  ])
  const facts: unknown = JSON.parse(await printed(child.stdout, '\n'))
  expect(facts).toMatchObject({ bucket: 'tiles', credentials: { accessKeyId: 'me', secretAccessKey: 's' } })
  const queue = { package: 's3', name: 'q', ...Object(facts) }
  await writeFile(join(box.dir, 'good.json'), JSON.stringify({ queue }))
  await writeFile(
    join(box.dir, 'bad.json'),
    JSON.stringify({ queue: { ...queue, credentials: { accessKeyId: 'me', secretAccessKey: 'x' } } }),
  )
  expect(await box.run(['put', 'a', '1', '-c', 'good.json'])).toMatchObject({ code: 0 })
  expect(await box.run(['put', 'b', '1', '-c', 'bad.json'])).toMatchObject({ code: 5 })
  child.kill('SIGINT')
  await child
})

test('a port in use is reported, with what to do', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const { code, err } = await box.run(['s3-fake', '--port', String(port)])
  other.close()
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('--port 0') })
})
