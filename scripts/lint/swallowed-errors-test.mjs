// Holds the rule against planted code: each line that ends in `// dropped` must be reported, and nothing else.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pinnedNode, root } from '../setup.mjs'

const PLANTED = `
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

const directory = mkdtempSync(join(tmpdir(), 'sluice-lint-'))
try {
  // The mark would be a comment that says why.
  const lines = PLANTED.split('\n')
  const code = lines.map((line) => line.replace(/ \/\/! dropped$/u, ''))
  writeFileSync(join(directory, 'planted.mjs'), code.join('\n'))
  const config = {
    jsPlugins: [join(root, 'scripts/lint/swallowed-errors.mjs')],
    plugins: [],
    categories: { correctness: 'off' },
    rules: { 'sluice/explained-swallow': 'error' },
  }
  const configFile = join(directory, 'oxlintrc.json')
  writeFileSync(configFile, JSON.stringify(config))
  const oxlint = join(root, 'node_modules/oxlint/bin/oxlint')
  const args = [oxlint, '-c', configFile, '--format', 'json', join(directory, 'planted.mjs')]
  const { stdout, stderr } = spawnSync(pinnedNode, args, { encoding: 'utf8' })
  const { diagnostics } = JSON.parse(stdout || `{"diagnostics":"${stderr}"}`)
  const found = diagnostics.map(({ labels }) => labels[0].span.line)
  const wanted = lines.flatMap((line, index) => (line.endsWith('//! dropped') ? [index + 1] : []))
  const missed = wanted.filter((line) => !found.includes(line))
  const extra = found.filter((line) => !wanted.includes(line))
  for (const line of missed) console.error(`not found: ${lines[line - 1]}`)
  for (const line of extra) console.error(`found, and is right: ${lines[line - 1]}`)
  if (missed.length + extra.length > 0) process.exitCode = 1
  else console.log(`lint rules: ${wanted.length} dropped failures found, nothing else`)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
