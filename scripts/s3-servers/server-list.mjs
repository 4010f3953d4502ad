// The S3 servers that package registries and Debian serve, each with the version that is run and how it is
// started.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { installGo, installJar, installPython } from './install.mjs'
import { startRadosgw, whyNoRadosgw } from '../radosgw.mjs'
import { ACCESS_KEY, SECRET_KEY, startOnLoopback } from './loopback.mjs'

/**
 * @typedef {object} Server
 * @property {string} id
 * @property {string} title
 * @property {string} version
 * @property {'ignored' | 'racing'} [unsafe] what it makes of the condition, where no queue is safe on it
 * @property {string} [store] its name in `s3Stores` of the fake
 * @property {string} notes what else a user should know, for the table
 * @property {readonly string[]} tools programs without which it can't be installed
 * @property {() => string | undefined} [whyNot] more reasons why it can't be started here
 * @property {() => Promise<import('./loopback.mjs').RunningStore>} [start] where it is more than one program;
 * else:
 * @property {(place: { port: number, dir: string, freePort: () => Promise<number> }) => Promise<{ line:
 * string[], env?: Record<string, string> }>} [command]
 */

/** The machine code of a server that runs for a minute is worth little of the time in which it is made. */
const QUICK_JAVA = ['-XX:TieredStopAtLevel=1', '-Xmx1g']
/** Its releases have no tags that Go knows: this commit calls itself so. */
const SEAWEEDFS = { release: '4.53', commit: 'v0.0.0-20261109003541-7506e5f91cd6' }

/** @type {readonly Server[]} */
export const servers = [
  {
    id: 'moto',
    title: 'moto',
    notes:
      'it checks first and writes later: two racers may win, though seldom; refused by the name of its web server; for tests of requests',
    version: '5.2.5',
    store: 'moto',
    unsafe: 'racing',
    tools: ['python3'],
    async command({ port }) {
      const bin = await installPython(`moto-${this.version}`, [
        `moto[s3]==${this.version}`,
        'flask',
        'flask-cors',
      ])
      return { line: [join(bin, 'moto_server'), '-H', '127.0.0.1', '-p', `${port}`] }
    },
  },
  {
    id: 's3mock',
    title: 'Adobe S3Mock',
    notes:
      'it checks first and writes later: several racers win in many races; gives pages of more than 1,000 keys',
    version: '5.2.0',
    unsafe: 'racing',
    tools: ['java', 'mvn'],
    async command({ port, dir }) {
      const artifact = `com.adobe.testing:s3mock:${this.version}:jar:exec`
      const jar = await installJar(`s3mock-${this.version}`, artifact)
      // It has no setting for the address of its plain port: only the TLS port is on the loopback alone.
      const settings = [`--http.port=${port}`, '--server.address=127.0.0.1', '--server.port=0']
      const root = `--com.adobe.testing.s3mock.store.root=${join(dir, 'data')}`
      return { line: ['java', ...QUICK_JAVA, '-jar', jar, ...settings, root] }
    },
  },
  {
    id: 's3proxy',
    title: 'S3Proxy',
    notes:
      'lists in the order of UTF-16; refuses deletions of many keys without Content-MD5; ignores the condition of DELETE and COPY',
    version: '4.1.0',
    tools: ['java', 'mvn'],
    async command({ port, dir }) {
      const artifact = `org.gaul:s3proxy:${this.version}:jar:jar-with-dependencies`
      const jar = await installJar(`s3proxy-${this.version}`, artifact)
      const settings = {
        's3proxy.endpoint': `http://127.0.0.1:${port}`,
        's3proxy.authorization': 'aws-v2-or-v4',
        's3proxy.identity': ACCESS_KEY,
        's3proxy.credential': SECRET_KEY,
        'jclouds.provider': 'filesystem-nio2',
        'jclouds.filesystem.basedir': folder(dir, 'data'),
      }
      const file = join(dir, 's3proxy.conf')
      writeFileSync(
        file,
        Object.entries(settings)
          .map((pair) => `${pair.join('=')}\n`)
          .join(''),
      )
      return { line: ['java', ...QUICK_JAVA, '-jar', jar, '--properties', file] }
    },
  },
  {
    id: 'rclone',
    title: 'rclone serve s3',
    notes: '1.75 answers as if there were no condition, and is refused',
    version: '1.76.0',
    tools: ['go'],
    async command({ port, dir }) {
      const program = await installGo(`rclone-${this.version}`, `github.com/rclone/rclone@v${this.version}`)
      const settings = ['--addr', `127.0.0.1:${port}`, '--auth-key', `${ACCESS_KEY},${SECRET_KEY}`]
      return { line: [program, 'serve', 's3', ...settings, folder(dir, 'data')] }
    },
  },
  {
    id: 'versitygw',
    title: 'Versity S3 Gateway (posix)',
    notes: '1.7 let several win; never says that a listing is URL-encoded; a `Date` up to a second old',
    version: '1.8.0',
    tools: ['go'],
    async command({ port, dir }) {
      const target = `github.com/versity/versitygw/cmd/versitygw@v${this.version}`
      const program = await installGo(`versitygw-${this.version}`, target)
      const settings = ['--access', ACCESS_KEY, '--secret', SECRET_KEY, '--port', `127.0.0.1:${port}`]
      return { line: [program, ...settings, 'posix', folder(dir, 'data')] }
    },
  },
  {
    id: 'gofakes3',
    title: 'gofakes3 (bolt)',
    notes: 'for tests; with its backend `fs` it ignores `start-after`, and is refused',
    version: '1.2.0',
    tools: ['go'],
    async command({ port, dir }) {
      const target = `github.com/johannesboyne/gofakes3/cmd/gofakes3@v${this.version}`
      const program = await installGo(`gofakes3-${this.version}`, target)
      const data = ['-backend', 'bolt', '-bolt.db', join(dir, 'data.db')]
      return { line: [program, '-host', `127.0.0.1:${port}`, ...data] }
    },
  },
  {
    id: 'seaweedfs',
    title: 'SeaweedFS',
    notes: '4.16 and before let several win; slow in a race: 8 racers take about a second',
    version: SEAWEEDFS.release,
    tools: ['go'],
    async command({ port, dir, freePort }) {
      const target = `github.com/seaweedfs/seaweedfs/weed@${SEAWEEDFS.commit}`
      const program = await installGo(`seaweedfs-${SEAWEEDFS.commit}`, target, { asMain: true })
      const config = join(dir, 's3.json')
      const credentials = [{ accessKey: ACCESS_KEY, secretKey: SECRET_KEY }]
      const identity = { name: 'sluice', credentials, actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'] }
      writeFileSync(config, JSON.stringify({ identities: [identity] }))
      const settings = {
        dir: folder(dir, 'data'),
        ip: '127.0.0.1',
        'ip.bind': '127.0.0.1',
        s3: true,
        's3.port': port,
        's3.config': config,
      }
      for (const part of ['master', 'volume', 'filer']) settings[`${part}.port`] = await freePort()
      for (const part of ['master', 'volume', 'filer', 's3']) settings[`${part}.port.grpc`] = await freePort()
      return {
        line: [program, 'server', ...Object.entries(settings).map(([key, value]) => `-${key}=${value}`)],
      }
    },
  },
  {
    id: 'radosgw',
    title: 'Ceph radosgw (Debian)',
    notes: 'losers may be told 500; with versioning on the condition is void: keep it off',
    version: '16.2.15',
    tools: [],
    whyNot: whyNoRadosgw,
    start: startRadosgw,
  },
]

/** Starts the server of that name, and installs it first if need be. */
export function startServer(id) {
  const server = serverOf(id)
  return server.start === undefined ? startOnLoopback(server) : server.start()
}

export function serverOf(id) {
  const server = servers.find((each) => each.id === id)
  if (server === undefined)
    throw new Error(`no server ${id}; there are ${servers.map((each) => each.id).join(', ')}`)
  return server
}

function folder(...parts) {
  const path = join(...parts)
  mkdirSync(path, { recursive: true })
  return path
}

/** Why it can't be started here, or `undefined` where it can. */
export function whyNot({ tools, whyNot: more = () => undefined }) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const missing = tools.filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))))
  return missing.length === 0 ? more() : `${missing.join(', ')} not found`
}
