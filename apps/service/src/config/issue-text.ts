const KINDS: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  null: 'null',
  number: 'a number',
  object: 'settings by name',
  record: 'settings by name',
  string: 'text',
}

const PLAIN: readonly (readonly [RegExp, (...parts: readonly string[]) => string])[] = [
  [/^Too (?:small|big): expected (?:number|int) to be ([<>]=?)(\S+)$/u, boundText],
  [/^Too (?:small|big): expected (?:string|array) to have ([<>]=?)(\d+) (\w+)$/u, lengthText],
  [/^Invalid input: expected (\w+), received (\w+)$/u, kindText],
  [
    /^Invalid option: expected one of (.+)$/u,
    (options = '') => `must be one of ${options.replaceAll('"', '').replaceAll('|', ', ')}`,
  ],
]

/** The message of an issue in the words of whoever writes a configuration; what zod didn't word itself stays as it is. */
export function issueText(message: string): string {
  for (const [pattern, text] of PLAIN) {
    const parts = pattern.exec(message)
    if (parts !== null) return text(...parts.slice(1))
  }
  return message
}

function boundText(sign = '', bound = ''): string {
  return (
    {
      '>=': `must be ${bound} or more`,
      '>': `must be more than ${bound}`,
      '<=': `must be ${bound} or less`,
      '<': `must be less than ${bound}`,
    }[sign] ?? ''
  )
}

function lengthText(sign = '', count = '', unit = ''): string {
  if (sign === '>=' && count === '1') return 'must not be empty'
  return `must have ${sign.startsWith('>') ? 'at least' : 'at most'} ${count} ${unit}`
}

function kindText(expected = '', received = ''): string {
  if (received === 'undefined') return 'is missing'
  const kind = KINDS[expected] ?? expected
  // An `int` that got a `number` is a number that isn't whole: that says it.
  return expected === 'int' && received === 'number'
    ? `must be ${kind}`
    : `must be ${kind}, not ${KINDS[received] ?? received}`
}
