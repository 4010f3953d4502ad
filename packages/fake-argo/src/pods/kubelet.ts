/**
 * The kubelets that differ here: those of Kubernetes 1.34.3 and older read what follows a `$` byte by byte,
 * and so break a character beyond ASCII.
 */
export type KubeletVersion = '1.34.3' | '1.34.4'

/** What a program of a pod gets, by the rules of the kubelet and of Linux. */
export class Kubelet {
  readonly #byBytes: boolean

  constructor(version: KubeletVersion) {
    this.#byBytes = version === '1.34.3'
  }

  /**
   * Expands dollars as the kubelet does in `env`, `args` and `command`: `$$` is `$`, `$(NAME)` is what NAME
   * is if it is known, and all else stays as it is.
   */
  expand(text: string, known: ReadonlyMap<string, string>): string {
    const parts: string[] = []
    let kept = 0
    for (let at = text.indexOf('$'); at !== -1 && at + 1 < text.length; at = text.indexOf('$', kept)) {
      parts.push(text.slice(kept, at))
      const { part, end } = this.#read(text, at, known)
      parts.push(part)
      kept = end
    }
    parts.push(text.slice(kept))
    return parts.join('')
  }

  #read(text: string, at: number, known: ReadonlyMap<string, string>): { part: string; end: number } {
    const next = text.codePointAt(at + 1) ?? 0
    if (next === DOLLAR) return { part: '$', end: at + 2 }
    if (next === OPENER) {
      const close = text.indexOf(')', at + 2)
      if (close === -1) return { part: '$(', end: at + 2 }
      const name = text.slice(at + 2, close)
      return { part: known.get(name) ?? `$(${name})`, end: close + 1 }
    }
    const character = String.fromCodePoint(next)
    const end = at + 1 + character.length
    return { part: `$${this.#byBytes ? brokenUp(character) : character}`, end }
  }
}

const DOLLAR = 0x24
const OPENER = 0x28

/** The first byte taken for a character by itself; what is left of the bytes is no UTF-8 any more. */
function brokenUp(character: string): string {
  const [first = 0, ...rest] = Buffer.from(character, 'utf8')
  return rest.length === 0
    ? character
    : Buffer.from([...Buffer.from(String.fromCodePoint(first)), ...rest]).toString('utf8')
}

/** The most bytes of one `NAME=value` or one argument with the NUL that ends it. */
const MAX_STRING_BYTES = 131_072

/** Whether Linux starts a program with a variable. */
export function fitsVariable(name: string, value: string): boolean {
  return fitsArgument(`${name}=${value}`)
}

/** Whether Linux starts a program with an argument. */
export function fitsArgument(text: string): boolean {
  return Buffer.byteLength(text, 'utf8') + 1 <= MAX_STRING_BYTES
}
