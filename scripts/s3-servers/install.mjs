// Installs a pinned server from a package registry, with that registry's own client, into
// node_modules/.cache/sluice/s3-servers. What is there already is not installed again.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../setup.mjs'

const run = promisify(execFile)
const cache = join(root, 'node_modules', '.cache', 'sluice', 's3-servers')
const MAVEN_COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.11.0:copy'

/** Packages of PyPI in a virtual environment of their own. @returns its folder of programs */
export async function installPython(name, packages) {
  const folder = await once(name, async (target) => {
    await run('python3', ['-m', 'venv', target])
    await run(join(target, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', ...packages])
  })
  return join(folder, 'bin')
}

/** One jar of Maven Central. @param artifact group:name:version:packaging[:classifier] @returns the file */
export async function installJar(name, artifact) {
  const [, id, version, , classifier] = artifact.split(':')
  const file = [id, version, ...(classifier === undefined ? [] : [classifier])].join('-')
  const folder = await once(name, (target) =>
    run('mvn', ['-q', '-B', MAVEN_COPY, `-Dartifact=${artifact}`, `-DoutputDirectory=${target}`]),
  )
  return join(folder, `${file}.jar`)
}

/**
 * A command of a Go module.
 *
 * @param target package@version
 * @param {{ asMain?: boolean }} [options] `asMain`: its module replaces others, which `go install` refuses
 * @returns the program
 */
export async function installGo(name, target, { asMain = false } = {}) {
  const [path, version] = target.split('@')
  const command = path.split('/').at(-1)
  const folder = await once(name, async (bin) => {
    const options = { env: { ...process.env, GOBIN: bin }, maxBuffer: 2 ** 26 }
    if (!asMain) return run('go', ['install', target], options)
    const module = path.slice(0, -command.length - 1)
    const { stdout } = await run('go', ['mod', 'download', '-json', `${module}@${version}`], options)
    return run(
      'go',
      ['build', '-C', JSON.parse(stdout).Dir, '-o', join(bin, command), `./${command}`],
      options,
    )
  })
  return join(folder, command)
}

/** A folder that is there whole or not at all. */
async function once(name, fill) {
  const folder = join(cache, name)
  if (existsSync(join(folder, '.complete'))) return folder
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await fill(folder)
  mkdirSync(join(folder, '.complete'))
  return folder
}
