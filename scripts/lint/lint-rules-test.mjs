// Holds the rules against planted code: each line that ends in a mark such as `//! dropped` must be reported, and nothing else.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pinnedNode, root } from '../setup.mjs'

const DROPPED = `
async function dropping(work, stream, storing) {
  try { work() } catch {} //! dropped
  try { work() } catch { return undefined } //! dropped
  try { work() } catch (error) { if (storing) throw error } //! dropped
  await work().catch(() => undefined) //! dropped
  await work().catch(() => {}) //! dropped
  await work().catch(ignore) //! dropped
  await work().then(() => true, () => false) //! dropped
  await Promise.allSettled([work()]) //! dropped
  stream.on('error', () => {}) //! dropped
  stream.once('error', ignore) //! dropped
  // oxlint-disable-next-line no-unused-vars
  await storing?.catch((error) => undefined) //! dropped
}
function ignore() {}

async function handling(work, stream, log) {
  try { work() } catch (error) { log.warn(error) }
  try { work() } catch (error) { if (log.is(error)) throw error }
  try { work() } catch (error) { throw new Error('no', { cause: error }) }
  try { work() } catch { throw new Error('no') }
  try { work() } catch ({ code }) { log.warn(code) }
  await work().catch((error) => log.warn(error))
  await work().catch(note)
  await work().then(() => true, (error) => log.is(error))
  stream.on('error', (error) => log.warn(error))
  stream.on('data', () => {})

  // The caller has been told.
  await work().catch(() => undefined)

  await work().catch(() => {
    // The caller has been told.
  })

  try { work() } catch {
    // There is nothing to undo.
  }
}
function note(error) { console.error(error) }
async function reading(work) {
  for (const end of await Promise.allSettled([work()])) if (end.status === 'rejected') throw end.reason
}
export { dropping, handling, reading }
`

const WORDS = `
// It is mended by hand. //! found
// It is fixed manually.
const doorbell = 1 //! found
const wakeSignal = 'nobody is told' //! found
const mending = \`the dearest of \${wakeSignal}\` //! found
export { doorbell, mending, wakeSignal } //! found
`

const RUNTIME = `
import { randomUUID } from 'node:crypto' //! found
import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises' //! found
export async function late(runtime, socket) {
  const at = Date.now() //! found
  const day = new Date() //! found
  const then = new Date(at)
  setTimeout(() => {}, Math.random()) //! found
  socket.setTimeout(5)
  await pause(performance.now()) //! found
  await runtime.sleep(5, AbortSignal.timeout(3)) //! found
  return [day, then, randomUUID(), createHash, runtime.now()]
}
`

const WIDE = `
// ${'word '.repeat(15)}that is as wide as it may be
// ${'word '.repeat(21)}that is wider than it may be by some //! found
// https://example.com/${'a'.repeat(120)}
/**
 * Short.
 * ${'word '.repeat(22)}and more //! found
 */
export const code = '${'x'.repeat(150)}'
`

const rules = [
  { plugin: 'swallowed-errors.mjs', rule: 'sluice/explained-swallow', code: DROPPED },
  { plugin: 'house-rules.mjs', rule: 'house/words', code: WORDS },
  { plugin: 'house-rules.mjs', rule: 'house/runtime', code: RUNTIME },
  { plugin: 'house-rules.mjs', rule: 'house/comment-width', code: WIDE },
]
const directory = mkdtempSync(join(tmpdir(), 'sluice-lint-'))
try {
  for (const each of rules) check(each)
} finally {
  rmSync(directory, { recursive: true, force: true })
}

function check({ plugin, rule, code }) {
  // The mark would be a comment that says why, and would make a line wider.
  const mark = / \/\/! (?:dropped|found)$/u
  const lines = code.split('\n')
  writeFileSync(join(directory, 'planted.mjs'), lines.map((line) => line.replace(mark, '')).join('\n'))
  const config = {
    jsPlugins: [join(root, 'scripts/lint', plugin)],
    plugins: [],
    categories: { correctness: 'off' },
    rules: { [rule]: 'error' },
  }
  const configFile = join(directory, 'oxlintrc.json')
  writeFileSync(configFile, JSON.stringify(config))
  const oxlint = join(root, 'node_modules/oxlint/bin/oxlint')
  const args = [oxlint, '-c', configFile, '--format', 'json', join(directory, 'planted.mjs')]
  const { stdout, stderr } = spawnSync(pinnedNode, args, { encoding: 'utf8' })
  const { diagnostics } = JSON.parse(stdout || JSON.stringify({ diagnostics: stderr }))
  const wanted = lines.flatMap((line, index) => (mark.test(line) ? [index + 1] : []))
  const found = diagnostics.map(({ labels }) => labels[0].span.line)
  // A wide line in a block comment is reported at the comment.
  const isFound = (line) =>
    found.includes(line) || (rule === 'house/comment-width' && found.includes(line - 2))
  const missed = wanted.filter((line) => !isFound(line))
  const extra = found.filter(
    (line) => !wanted.includes(line) && !(rule === 'house/comment-width' && wanted.includes(line + 2)),
  )
  for (const line of missed) console.error(`${rule} does not find: ${lines[line - 1]}`)
  for (const line of extra) console.error(`${rule} finds what is right: ${lines[line - 1]}`)
  if (missed.length + extra.length > 0) process.exitCode = 1
  else console.log(`${rule}: ${wanted.length} found, nothing else`)
}
