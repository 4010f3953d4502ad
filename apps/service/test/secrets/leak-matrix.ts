import { randomBytes } from 'node:crypto'

/**
 * A secret that nothing else looks like, with the characters that stand for something in JSON, URLs, shells
 * and XML.
 */
export function canary(kind: 'plain' | 'odd' | 'password' = 'plain'): string {
  const [a, b, c] = [word(), word(), word()]
  if (kind === 'plain') return `${a}${b}${c}`
  return kind === 'odd' ? `${a}"${b}\\${c}'&<` : `${a}!${b}*${c}~`
}

/** Letters and digits, and never a number. */
function word(): string {
  return `q${randomBytes(6).toString('base64url').replaceAll(/[-_]/gu, 'x')}7z`
}

/** Passwords that are not percent-encoded, each of parts that nothing else looks like. */
export function unencodedPasswords(): readonly (readonly [name: string, password: string])[] {
  const joined = (...joints: readonly string[]) =>
    [word(), ...joints.flatMap((joint) => [joint, word()])].join('')
  return [
    ['an @', joined('@')],
    ['two @', joined('@', '@')],
    ['a /', joined('/')],
    ['a # ', joined('#')],
    ['a ?', joined('?')],
    ['a % that is no code', joined('%z')],
    ['a % that is half a character', joined('%c3')],
    ['a blank', joined(' ')],
    ['a line end', joined('\n')],
    ['a tab', joined('\t')],
    ['digits and a /', `4217/${word()}`],
    ['digits and a #', `4217#${word()}`],
    ['digits and a ?', `4217?${word()}`],
    ['digits, a ? and a parameter', `4217?${word()}=1&${word()}`],
    ['an @ and a /', joined('@', '/')],
    ['an @ and a ?', joined('@', '?')],
    ['an @ and a #', joined('@', '#')],
    ['a : and a /', joined(':', '/')],
    ['all of them', joined('@', '/', '#', '%', '?', ':', ' ')],
  ]
}

/** Commands that read a configuration and use what it says, and the input that some need. */
export const COMMANDS: readonly (readonly string[])[] = [
  ['check'],
  ['status'],
  ['ls'],
  ['show', 'a'],
  ['logs', 'a'],
  ['put', 'a', '{}'],
  ['load', '-'],
  ['requeue', '--all'],
  ['cancel', 'a', '--yes'],
  ['release', 'a'],
  ['rm', 'a', '--yes'],
  ['sweep'],
  ['report', '--summary'],
  ['pause'],
  ['limit', '3'],
  ['queues'],
  ['drop', '--yes'],
]

/** Some of them, where each has to wait for a storage that does not answer. */
export const FEW: readonly (readonly string[])[] = [['check'], ['status'], ['put', 'a', '{}']]

/** The service, telling all it can, in both forms. */
export const RUNS: readonly (readonly string[])[] = ['json', 'pretty'].map((format) => [
  'run',
  '--log-level',
  'debug',
  '--log-format',
  format,
])
