import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Plugin, RolldownOptions } from 'rolldown'

/** Licences that may be in a package under Apache-2.0. Another one is a decision of its own. */
const ALLOWED = ['0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT']

/** The name of the file with the licences of what is bundled, beside the code. */
const LICENSES = 'THIRD-PARTY-LICENSES.txt'

/**
 * The build of a package with its devDependencies in it; `dependencies` stay outside, and so do our own
 * packages, of which there must be one instance each. One file for a part that is loaded on demand.
 */
export function bundle(
  input: Record<string, string> = { index: 'src/index.ts' },
  { alias = {}, groups = [] }: BundleOptions = {},
): RolldownOptions {
  const { dependencies = {} } = manifestOf(process.cwd())
  const outside = Object.keys(dependencies)
  return {
    input,
    platform: 'node',
    external: (id) => /^(?:node:|@sluice\/)/u.test(id) || outside.some((name) => isIn(name, id)),
    resolve: { alias },
    plugins: [ascii(), licenses()],
    output: {
      dir: 'dist',
      cleanDir: true,
      format: 'esm',
      sourcemap: true,
      chunkFileNames: '[name]-[hash].js',
      // Names and lines stay, for stack traces; comments would be read at each start.
      minify: false,
      comments: false,
      ...(groups.length === 0 ? {} : { codeSplitting: { groups: [...groups] } }),
    },
  }
}

interface BundleOptions {
  readonly alias?: Record<string, string>
  /** Modules that are loaded together, in one file. */
  readonly groups?: readonly { readonly name: string; readonly test: RegExp }[]
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
  readonly dependencies?: Record<string, string>
}

function isIn(name: string, id: string): boolean {
  return id === name || id.startsWith(`${name}/`)
}

/**
 * Writes other characters as escapes: V8 keeps the text of a file with a single `…` at twice its size.
 * Without comments there are none but in literals.
 */
function ascii(): Plugin {
  return {
    name: 'ascii',
    renderChunk: (code) => ({
      code: code.replaceAll(/[^\p{ASCII}]+/gu, (text) =>
        Array.from({ length: text.length }, (_, at) => escaped(text.charCodeAt(at))).join(''),
      ),
      map: null,
    }),
  }
}

function escaped(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`
}

/** Writes the licences of what is bundled; fails for one that is not allowed, or has no text. */
function licenses(): Plugin {
  return {
    name: 'licenses',
    generateBundle(_, files) {
      const folders = new Set<string>()
      for (const file of Object.values(files))
        if (file.type === 'chunk')
          for (const [id, { renderedLength }] of Object.entries(file.modules))
            if (renderedLength > 0 && id.includes('/node_modules/')) folders.add(packageOf(id))
      const texts = [...folders].map(licenseOf).toSorted()
      this.emitFile({ type: 'asset', fileName: LICENSES, source: [...new Set(texts)].join('\n') })
    },
  }
}

/** The folder of the package that a module is in. */
function packageOf(id: string): string {
  for (let folder = dirname(id); folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'package.json')
    // Some have further ones inside, which say what kind of modules these are.
    if (existsSync(file) && manifestOf(folder).name !== undefined) return folder
  }
  throw new Error(`no package has ${id}`)
}

function licenseOf(folder: string): string {
  const { name, version, license = '' } = manifestOf(folder)
  if (!ALLOWED.includes(license)) throw new Error(`${name} is under ${license || 'no licence'}: see ALLOWED`)
  const file = readdirSync(folder).find((each) => /^licen[cs]e/iu.test(each))
  if (file === undefined) throw new Error(`${name} has no text of its licence`)
  const text = readFileSync(join(folder, file), 'utf8').trim()
  return `${'-'.repeat(80)}\n${name} ${version} (${license})\n\n${text}\n`
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}
