// The S3 servers that package registries serve, each with the version that is run and how it is started.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { installJar, installPython } from './install.mjs'
import { startOnLoopback } from './loopback.mjs'

/**
 * @typedef {object} Server
 * @property {string} id
 * @property {string} title
 * @property {string} version
 * @property {readonly string[]} tools programs without which it can't be installed
 * @property {(place: { port: number, dir: string, freePort: () => Promise<number> }) => Promise<{ line: string[], env?: Record<string, string> }>} command
 */

/** @type {readonly Server[]} */
export const servers = [
  {
    id: 'moto',
    title: 'moto',
    version: '5.2.5',
    store: 'moto',
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
    version: '5.2.0',
    tools: ['java', 'mvn'],
    async command({ port, dir }) {
      const artifact = `com.adobe.testing:s3mock:${this.version}:jar:exec`
      const jar = await installJar(`s3mock-${this.version}`, artifact)
      // It has no setting for the address of its plain port: only the TLS port is on the loopback alone.
      const settings = [`--http.port=${port}`, '--server.address=127.0.0.1', '--server.port=0']
      const root = `--com.adobe.testing.s3mock.store.root=${join(dir, 'data')}`
      return { line: ['java', '-XX:TieredStopAtLevel=1', '-jar', jar, ...settings, root] }
    },
  },
]

/** Starts the server of that name, and installs it first if need be. */
export function startServer(id) {
  return startOnLoopback(serverOf(id))
}

export function serverOf(id) {
  const server = servers.find((each) => each.id === id)
  if (server === undefined)
    throw new Error(`no server ${id}; there are ${servers.map((each) => each.id).join(', ')}`)
  return server
}

/** The programs that it needs and this machine lacks. */
export function missingTools({ tools }) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return tools.filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))))
}
