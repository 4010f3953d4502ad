import { cutSecretsOf, type SecretText } from './cut-secrets.js'
import { isWordLike, MIN_SECRET_CHARS, secretForms } from './secret-forms.js'

/** What stands in a text in place of a secret. */
export const SECRET_MARK = '[secret]'

/** The secrets that a program knows, and the way to leave them out of texts. */
export interface Secrets {
  /** Takes a value that no text may show from now on. Adding a value twice changes nothing. */
  add(value: string): void
  /** The text with `[secret]` in place of each secret in it. */
  redact(text: string): string
}

/**
 * The secrets of one program. {@link SecretRegistry.redact} finds each of them as it is and encoded
 * (percent-encoding, JSON, XML, base64, hexadecimal), and the credentials in any URL. Values below 4
 * characters are left out of URLs alone; a word or number below 12 characters is found where it stands as a
 * whole word.
 *
 * @example
 * ```ts
 * import { SecretRegistry } from '@sluice/core/backend'
 *
 * const secrets = new SecretRegistry()
 * secrets.add('p@ssw0rd')
 * secrets.redact('login of ada with p%40ssw0rd failed') // login of ada with [secret] failed
 * ```
 */
export class SecretRegistry implements Secrets {
  readonly #values = new Set<string>()
  readonly #public = new Set<string>()
  #search: Search | undefined

  add(value: string): void {
    if (value.trim().length < MIN_SECRET_CHARS || this.#values.has(value)) return
    this.#values.add(value)
    this.#search = undefined
  }

  /**
   * Says that a value is shown openly, such as the name of a user or of a database. A secret that is the same
   * word is then no longer searched for in free text: that would blank out the open one.
   */
  addPublic(value: string): void {
    if (!isWordLike(value) || this.#public.has(value)) return
    this.#public.add(value)
    this.#search = undefined
  }

  redact(text: string): string {
    const { words, opaque, cut } = (this.#search ??= this.#makeSearch())
    // Reports of all running jobs come through here at each poll: what a text surely lacks isn't searched
    // for.
    let rest = text.includes('@') ? text.replace(URL_CREDENTIALS, `${SECRET_MARK}@`) : text
    if (rest.includes('=')) rest = rest.replace(URL_PARAMETERS, `$1${SECRET_MARK}`)
    if (hasAny(rest, opaque)) rest = rest.replace(opaque.pattern, SECRET_MARK)
    if (hasAny(rest, words)) rest = rest.replace(words.pattern, SECRET_MARK)
    return cut.redact(rest, SECRET_MARK)
  }

  #makeSearch(): Search {
    const values = [...this.#values].filter((value) => !this.#public.has(value))
    const words = values.filter(isWordLike)
    const others = values.filter((value) => !isWordLike(value))
    const codes = words.flatMap((word) => secretForms(word).filter((form) => form !== word))
    const forms = [...others.flatMap(secretForms), ...codes]
    return {
      words: {
        forms: lowered(words),
        pattern: new RegExp(`${WORD_START}(?:${anyOf(words)})${WORD_END}`, 'gu'),
      },
      // The host of a URL is in lower case, and so are the digits of some encodings.
      opaque: { forms: lowered(forms), pattern: new RegExp(anyOf(forms), 'giu') },
      cut: cutSecretsOf(others),
    }
  }
}

interface Forms {
  /** Each as it is, and in lower case. */
  readonly forms: readonly (readonly [string, string])[]
  readonly pattern: RegExp
}

interface Search {
  readonly words: Forms
  readonly opaque: Forms
  readonly cut: SecretText
}

function lowered(forms: readonly string[]): Forms['forms'] {
  return [...new Set(forms)].map((form) => [form, form.toLowerCase()])
}

/** Nearly no text has a secret in it, and to find that out by the pattern takes a hundred times as long. */
function hasAny(text: string, { forms }: Forms): boolean {
  if (forms.length === 0) return false
  const lower = text.toLowerCase()
  return forms.some(([form, lowerForm]) => lower.includes(lowerForm) || text.includes(form))
}

/** At the start of a word; a letter behind a backslash is an escape, as in the JSON of a text. */
const WORD_START = String.raw`(?:(?<![\p{L}\p{Nd}])|(?<=\\[bfnrt]))`
const WORD_END = String.raw`(?![\p{L}\p{Nd}])`

/** `scheme://user:password@`, and `https://token@`. What documentation writes as an example is no secret. */
const URL_CREDENTIALS =
  /(?<=[a-z0-9+.-]:\/\/)(?!user:password@)(?:[^\s/?#@:"'<>]*:[^\s/?#"'<>]*|(?<=https?:\/\/)[^\s/?#"'<>]+)@/giu
/** Parameters of a URL that are secrets wherever they stand. */
const URL_PARAMETERS =
  /([?&](?:password|sslpassword|passwd|token|access_token|api_?key|x-amz-security-token|x-amz-signature)=)[^&#\s"'<>]+/giu

/** Longest first, or a part of one would be replaced and its rest left. */
function anyOf(forms: readonly string[]): string {
  const sorted = [...new Set(forms)].toSorted((a, b) => b.length - a.length)
  return sorted.map((form) => form.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, String.raw`\$&`)).join('|')
}
