import { readFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { analyse } from 'scslre'
import { describe, expect, test } from 'vitest'
import { MAX_REASON_CHARS } from '../../src/index.js'
import {
  FAILURE_GROUP_ID_CHARS,
  FAILURE_RULES_VERSION,
  cutReason,
  failureGroupOf,
} from '../../src/backend/index.js'
import { MAX_TEMPLATE_CHARS } from '../../src/failure/message-template.js'
import { COMPILED_RULES } from '../../src/failure/template-rules.js'
import { SAMPLES } from './samples.js'

const ID = 'item-id'

function templateOf(reason: string, id = ID): string {
  return failureGroupOf({ id, reason }).template
}

test.each(SAMPLES)('$what', ({ reason, id, template }) => {
  expect(templateOf(reason, id)).toBe(template)
})

test.each(SAMPLES)('a template is its own template: $what', ({ template, id }) => {
  expect(templateOf(template, id)).toBe(template)
})

test('an id is of 64 bits, and stays the same for as long as the version of the rules does', () => {
  const failure = { id: 'tile-7', reason: 'exit code 3: bad tile 7', failureClass: 'failed', exitCode: 3 }
  expect(failureGroupOf(failure)).toEqual({
    id: 'e085fe2212352085',
    template: 'exit code 3: bad tile <n>',
    failureClass: 'failed',
    exitCode: 3,
  })
  expect(FAILURE_RULES_VERSION).toBe(2)
})

test('a hash behind the name of the item is one hash, whatever it begins with', () => {
  const hashes = ['5e4a1c9b', 'e54a1c9b', '55541c9b', '1e104a1c', '9b5e4a1c', '41254a1c']
  const groups = hashes.map((hash) =>
    failureGroupOf({ id: 'tile-7', reason: `pod run-tile-7-${hash} not found`, failureClass: 'error' }),
  )
  expect([...new Set(groups.map(({ template }) => template))]).toEqual(['pod run-<id>-<hex> not found'])
})

describe('what matters keeps groups apart', () => {
  test.each([
    ['exit code 3', 'exit code 127'],
    ['main: Error (exit code 1)', 'main: Error (exit code 2)'],
    ['exit code 3: boom', 'exit code 127: boom'],
    ['returned non-zero exit status 1.', 'returned non-zero exit status 2.'],
    ['Command exited with 1', 'Command exited with 2'],
    ['Exit Code: 1', 'Exit Code: 2'],
    ['exitCode=1', 'exitCode=2'],
    ['child ended, exit status: 101', 'child ended, exit status: 134'],
    ['process failed with return code -9', 'process failed with return code -11'],
    ['rc=1', 'rc=2'],
    ['HTTP 404', 'HTTP 503'],
    ['HTTP/1.1 404 Not Found', 'HTTP/1.1 403 Forbidden'],
    ['HTTP Error 403: Forbidden', 'HTTP Error 404: Not Found'],
    ['status code 429', 'status code 500'],
    ['Request failed with status code 400', 'Request failed with status code 401'],
    ['server responded with 502', 'server responded with 504'],
    ['{"code":404,"message":"x"}', '{"code":409,"message":"x"}'],
    ['An error occurred (403) when calling x', 'An error occurred (404) when calling x'],
    ['killed by signal 9', 'killed by signal 11'],
    ['signal: 9 (SIGKILL)', 'signal: 6 (SIGABRT)'],
    ['killed by SIGKILL', 'killed by SIGSEGV'],
    ['OSError: [Errno 28] x', 'OSError: [Errno 5] x'],
    ['Permission denied (os error 13)', 'Permission denied (os error 1)'],
    ['EACCES: x', 'ENOENT: x'],
    ['SQLSTATE 40001', 'SQLSTATE 23505'],
    ['ORA-00942: x', 'ORA-00001: x'],
    ['ERROR 1213 (40001): Deadlock', 'ERROR 1205 (HY000): Lock wait'],
    ['make: Error 1', 'make: Error 2'],
    ["KeyError: 'size'", "KeyError: 'name'"],
    ['expected int32', 'expected int64'],
    ['not UTF-8', 'not UTF-16'],
    ['/usr/bin/samtools: not found', '/usr/bin/bwa: not found'],
    ['Back-off pulling image "a/b:1.2"', 'Back-off pulling image "a/b:1.3"'],
    ['could not open the input', 'could not open the output'],
  ])('%s | %s', (one, other) => {
    expect(failureGroupOf({ id: ID, reason: one }).id).not.toBe(failureGroupOf({ id: ID, reason: other }).id)
  })

  test('failure class and exit code, whatever the words are', () => {
    const ids = [
      {},
      { failureClass: 'failed' },
      { failureClass: 'oom' },
      { exitCode: 3 },
      { exitCode: 127 },
      { failureClass: 'failed', exitCode: 3 },
      { failureClass: 'failed', exitCode: 127 },
    ].map((more) => failureGroupOf({ id: ID, reason: 'gone', ...more }).id)
    expect(new Set(ids).size).toBe(ids.length)
  })
})

describe('what is peculiar to an item does not', () => {
  test.each([
    ['exit code 1: tile 7 of 4000', 'exit code 1: tile 3999 of 4000'],
    ['took 1.5 s', 'took 312 ms'],
    ['took 1h2m3s', 'took 45s'],
    ['at 2026-11-24T03:56:57Z', 'at 2026-11-25 10:00:00,123'],
    ['Tue Nov 24 03:56:57 2026: x', 'Wed Nov 25 13:01:07 2026: x'],
    ['[24/Nov/2026:03:56:57 +0000] x', '[25/Nov/2026:13:56:57 +0100] x'],
    ['x at 03:56:57.120', 'x at 23:01:02'],
    ['reading /data/a/7.tif', 'reading /scratch/x/y/berlin.bam'],
    ['reading maps/7.tif', 'reading other/deep/berlin.tif'],
    ['reading sampleA.fastq.gz', 'reading other-sample.bam'],
    [String.raw`reading C:\data\a.csv`, String.raw`reading D:\b\c.csv`],
    ['reading s3://bucket/a/b.tif', 'reading s3://other/c.tif'],
    ['GET https://x.org/a?b=1', 'GET http://localhost:80/'],
    ['dial tcp 10.0.0.1:443', 'dial tcp 192.168.7.12:8443'],
    ['dial tcp [2001:db8::1]:443', 'dial tcp [fe80::aede:48ff:fe00:1122]:80'],
    ['on ip-10-0-0-1.ec2.internal', 'on ip-10-20-30-41.eu-west-1.compute.internal'],
    ['object at 0x7f3a', 'object at 0x55d0c8a1b2e0'],
    ['commit 3f2a9bc', 'commit 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567'],
    ['RequestId: 4442587FB7D0A2F9', 'RequestId: 0F9A6A2B1C3D4E5F'],
    ['pod digest-x2k4z gone', 'pod digest-b7q9w gone'],
    ['pod digest-5f7d8c9b6d-x2k4z gone', 'pod digest-7b9f6c8d5-q8w2z gone'],
    ['used 16 GB', 'used 512 MiB'],
    ['used 21034Mi', 'used 4Gi'],
    ['mail to a@example.org', 'mail to b.c@example.com'],
    ['sample12 is bad', 'sample3 is bad'],
    ['loss is 1.5e-7', 'loss is 12'],
    ['0/14 nodes', '0/3 nodes'],
  ])('%s | %s', (one, other) => {
    expect(templateOf(one)).toBe(templateOf(other))
  })

  test.each([
    ['maps/berlin.tif', 'could not open /data/maps/berlin.tif', 'could not open <path>'],
    ['maps/berlin.tif', 'could not open berlin.tif', 'could not open <id>'],
    ['maps/berlin.tif', 'tile berlin is empty', 'tile <id> is empty'],
    ['berlin', 'tile berlin of Berliner is empty', 'tile <id> of Berliner is empty'],
    ['a', 'item a of a batch, not (a+b)', 'item <id> of <id> batch, not (<id>+b)'],
    ['(a+b)?', 'bad (a+b)? no', 'bad <id> no'],
    ['[x]-{y}', 'bad [x]-{y}/|.', 'bad <id>/|.'],
    ['id', 'id <id> of <n>', '<id> <id> of <n>'],
    ['n', 'bad <n> of n', 'bad <n> of <id>'],
    ['two  words', 'bad two  words', 'bad <id>'],
    ['tile-0001', 'no prefix_tile-0001x', 'no prefix_<id>x'],
    ['3', 'exit code 3', 'exit code 3'],
    ['404', 'item 404: HTTP 404', 'item <n>: HTTP 404'],
    ['名前', '名前 は bad', '<id> は bad'],
  ])('the id %s in %s', (id, reason, template) => {
    expect(templateOf(reason, id)).toBe(template)
  })
})

test('what the queue keeps of a long reason has the beginning and the end, where a log has its cause', () => {
  const frames = Array.from({ length: 100 }, (_, n) => `  File "/app/a.py", line ${n}, in f\n    f()\n`).join(
    '',
  )
  const reason = `main: Error (exit code 1): Traceback (most recent call last):\n${frames}ValueError: bad tile 7`
  expect(reason.length).toBeGreaterThan(MAX_REASON_CHARS)
  expect(templateOf(reason)).toBe('Error (exit code 1): ValueError: bad tile <n>')
  expect(cutReason(reason)).toMatch(/^main: Error \(exit code 1\)[^]*…[^]*ValueError: bad tile 7$/u)
})

// What messages are made of, so that the rules meet each other, and text that nothing is known of.
const piece = fc.oneof(
  fc.constantFrom(
    ...SAMPLES.flatMap(({ reason }) => reason.split(/(?<=[ \n:])/u)),
    'exit code ',
    'HTTP ',
    'error ',
    'Caused by: ',
    'cancelled: ',
    '\r',
    '\u001B[31m',
    '<id>',
    '<n>',
    '<path>',
    '…',
    ...'/ - . : = ( ) " @ \\ _ % [ \n'.split(' '),
    ' ',
  ),
  fc.integer().map(String),
  fc.float().map(String),
  fc.uuid(),
  fc.ipV4(),
  fc.ipV6(),
  fc.webUrl(),
  fc.emailAddress(),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.stringMatching(/^[0-9a-f]{1,40}$/u),
  fc.stringMatching(/^[\w.-]{1,40}$/u),
)
const message = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''))
const id = fc.oneof(
  fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }),
  fc.stringMatching(/^[\w./-]{1,30}$/u),
  fc.constantFrom('n', 'path', '<n>', 'a', '7', 'x/y/z.tif'),
)

describe('for whatever text', () => {
  test('normalising what is normalised changes nothing', () => {
    fc.assert(
      fc.property(message, id, (reason, itemId) => {
        const once = templateOf(reason, itemId)
        expect(templateOf(once, itemId)).toBe(once)
      }),
      { numRuns: 3_000 },
    )
  })

  test('a template is one short line of well-formed text without control characters', () => {
    fc.assert(
      fc.property(
        fc.oneof(message, fc.string({ unit: 'binary', maxLength: 4_000 })),
        id,
        (reason, itemId) => {
          const { template, id: group } = failureGroupOf({ id: itemId, reason })
          expect(template).toMatch(/^[^\p{Cc}]+$/u)
          expect(template.length).toBeLessThanOrEqual(MAX_TEMPLATE_CHARS)
          expect(template.isWellFormed()).toBe(true)
          expect(group).toMatch(new RegExp(`^[0-9a-f]{${FAILURE_GROUP_ID_CHARS}}$`, 'u'))
        },
      ),
    )
  })

  test('the id and the numbers of items never split a group', () => {
    const names = fc.stringMatching(/^[a-z]{8,12}-\d{1,6}$/u)
    const word = fc.constantFrom('could', 'not', 'read', 'the', 'block', 'tile', 'after', 'tries', 'of')
    const sentence = fc.array(fc.oneof(word, fc.constantFrom('ID', 'NUMBER')), {
      minLength: 1,
      maxLength: 12,
    })
    const number = fc.integer({ min: 0, max: 99_999_999 })
    fc.assert(
      fc.property(sentence, names, names, number, number, (words, one, other, n, m) => {
        const of = (itemId: string, value: number) =>
          failureGroupOf({
            id: itemId,
            reason: words
              .map((each) => (each === 'ID' ? itemId : each === 'NUMBER' ? String(value) : each))
              .join(' '),
          }).id
        expect(of(one, n)).toBe(of(other, m))
      }),
    )
  })

  test('what a queue stores of a reason gives the group that the whole of it gave', () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 30 }), (parts) => {
        const reason = parts.join('\n')
        const stored = cutReason(reason)
        expect(cutReason(stored)).toBe(stored)
        expect(failureGroupOf({ id: ID, reason: stored })).toEqual(failureGroupOf({ id: ID, reason }))
      }),
    )
  })
})

describe('its time is linear in its input', () => {
  test('no rule can go back over what it read again and again', () => {
    expect(analyse(COMPILED_RULES.expression).reports).toEqual([])
    const source = readFileSync(new URL('../../src/failure/cause-line.ts', import.meta.url), 'utf8')
    const literals = [...source.matchAll(/(?<=[(\s])\/((?:[^/\\\n[]|\\.|\[(?:[^\]\\]|\\.)*\])+)\/u\b/gu)]
    expect(literals.length).toBeGreaterThan(20)
    for (const [, literal = ''] of literals)
      expect([literal, analyse(new RegExp(literal, 'u')).reports]).toEqual([literal, []])
  })

  test('of a reason of any length only what a queue stores is read', () => {
    const huge = `boom ${'a1/'.repeat(3_000_000)} end 7`
    expect(failureGroupOf({ id: ID, reason: huge })).toEqual(
      failureGroupOf({ id: ID, reason: cutReason(huge) }),
    )
  })
})

test('it is the same in every process, whatever its locale and time zone are', () => {
  const script = `import { failureGroupOf } from ${JSON.stringify(new URL('../../dist/backend.js', import.meta.url).href)}
    const chunks = []
    for await (const chunk of process.stdin) chunks.push(chunk)
    console.log(JSON.stringify(JSON.parse(Buffer.concat(chunks)).map((one) => failureGroupOf(one))))`
  const failures = SAMPLES.map(({ reason, id: itemId = ID }) => ({ id: itemId, reason, exitCode: 1 }))
  const inLocale = (locale: string): unknown =>
    JSON.parse(
      execFileSync(process.execPath, ['--input-type=module', '-e', script], {
        input: JSON.stringify(failures),
        env: { LC_ALL: locale, LANG: locale, TZ: 'Asia/Kathmandu' },
        encoding: 'utf8',
      }),
    )
  const here = failures.map((failure) => failureGroupOf(failure))
  expect(inLocale('tr_TR.UTF-8')).toEqual(here)
  expect(inLocale('C')).toEqual(here)
})
