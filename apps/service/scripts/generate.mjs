// What is generated from the schema and from --help: the JSON Schema for editors, the outlines of the
// commands that the list of `sluice --help` shows, and two tables of the README.
//   node scripts/generate.mjs           writes (after a build)
//   node scripts/generate.mjs --check   fails where something is out of date
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { configJsonSchema, listSettings, variableOf } from '../dist/index.js'

const check = process.argv.includes('--check')
const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url))
const readme = readFileSync(path('README.md'), 'utf8')

hold('resources/sluice.schema.json', `${JSON.stringify(configJsonSchema(), null, 2)}\n`)
const outlines = outlinesOfCommands()
hold('resources/commands.json', `${JSON.stringify(outlines, null, 2)}\n`)
hold('README.md', section(section(readme, 'commands', commands()), 'settings', settings()))

function hold(name, wanted) {
  if (existsSync(path(name)) && plain(readFileSync(path(name), 'utf8')) === plain(wanted)) return
  if (check) {
    console.error(`${name} is out of date: run \`node scripts/generate.mjs\` after a build`)
    process.exitCode = 1
    return
  }
  writeFileSync(path(name), wanted)
  const oxfmt = fileURLToPath(new URL('../../../node_modules/oxfmt/bin/oxfmt', import.meta.url))
  execFileSync(process.execPath, [oxfmt, '--write', path(name)], { stdio: 'ignore' })
}

/** Without what the formatter does to tables and lists. */
function plain(text) {
  return text.replaceAll(/-{3,}/gu, '---').replaceAll(/\s+/gu, '')
}

function section(text, name, content) {
  const [begin, end] = [`<!-- generated: ${name} -->`, `<!-- end: ${name} -->`]
  const [head, rest] = text.split(begin)
  const tail = rest?.split(end)[1]
  if (tail === undefined) throw new Error(`README.md has no section ${begin} … ${end}`)
  return `${head}${begin}\n\n${content}\n\n${end}${tail}`
}

/** The usage and the description that each command's --help begins with. */
function outlinesOfCommands() {
  const names = [...sluice('--help').matchAll(/^ {2}([a-z][a-z0-9-]*)\b/gmu)].map(([, name]) => name)
  return names
    .filter((name) => name !== 'help')
    .map((name) => {
      const help = sluice(name, '--help')
      const [, usage, description] = help.match(/^Usage: sluice (.*)\n\n([\s\S]*?)\n\n/u)
      // `-h` is an option of each.
      const [, options] = help.match(/^Options:\n([\s\S]*?)\n\n/mu)
      const hasOwn = options.match(/^ {2}-/gmu).length > 1
      return {
        usage: hasOwn ? usage : usage.replace(' [options]', ''),
        description: description.replaceAll(/\s*\n\s*/gu, ' '),
      }
    })
}

/** The table of the README. */
function commands() {
  const rows = outlines.map(({ usage, description }) => {
    const line = `sluice ${usage.replace(' [options]', '')}`
    return `| \`${line.replaceAll('|', '\\|')}\` | ${description} |`
  })
  return ['| command | what it does |', '|---|---|', ...rows].join('\n')
}

function sluice(...args) {
  const env = { ...process.env, NO_COLOR: '1' }
  return execFileSync(process.execPath, [path('dist/cli.js'), ...args], { encoding: 'utf8', env })
}

function settings() {
  const rows = listSettings()
    .filter((setting) => !setting.isSection)
    .map(({ path, type, description, ...more }) => {
      const usual = 'default' in more ? `\`${JSON.stringify(more.default).replaceAll('"', '')}\`` : ''
      const kind = type.replaceAll('|', '\\|')
      return `| \`${path}\` | \`${variableOf(path)}\` | ${kind} | ${usual} | ${description} |`
    })
  return ['| setting | variable | type | default | |', '|---|---|---|---|---|', ...rows].join('\n')
}
