/** Shorter values are not searched for in free text: a token of two letters would blank out every message. */
export const MIN_SECRET_CHARS = 4
/**
 * A word or a number below this length is searched for as a whole word only: `data` is not blanked out in
 * `database`.
 */
const MIN_OPAQUE_CHARS = 12
/** Encoded forms that are shorter than this would match by chance. */
const MIN_CODE_CHARS = 6
/** A line of a multi-line secret, such as a PEM key, that is searched for by itself. */
const MIN_LINE_CHARS = 8

/** Whether a secret looks like an ordinary word or number, so that texts hold it by chance. */
export function isWordLike(value: string): boolean {
  return value.length < MIN_OPAQUE_CHARS && /^(?:\p{L}+|\p{Nd}+)$/u.test(value)
}

/**
 * The forms in which a secret can stand in a text: as it is, line by line, percent-encoded or decoded,
 * escaped as in JSON, XML or a quoted string, and in base64 and hexadecimal, alone or as a part of something
 * longer, such as the value of a Basic `Authorization` header.
 */
export function secretForms(value: string): readonly string[] {
  const raw = rawForms(value)
  const texts = raw.flatMap(textForms)
  const codes = raw
    .flatMap((each) => codeForms(bytesOf(each)))
    .filter((code) => code.length >= MIN_CODE_CHARS)
  return [...new Set([...texts, ...codes])].filter((form) => form.length >= MIN_SECRET_CHARS)
}

/** The values that a text is about: what was written, and what an URL or a trimming reader makes of it. */
function rawForms(value: string): readonly string[] {
  const trimmed = value.trim()
  const lines = trimmed.split(/[\r\n]+/u).map((line) => line.trim())
  const parts = lines.length > 1 ? lines.filter((line) => line.length >= MIN_LINE_CHARS) : []
  return [...new Set([value, trimmed, ...parts].flatMap((each) => [each, decoded(each)]))]
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    // It is no percent-encoded text, and so has no decoded form.
    return value
  }
}

function textForms(raw: string): readonly string[] {
  const escaped = escapedInJson(raw)
  const form = new URLSearchParams({ '': raw }).toString().slice(1)
  return [
    raw,
    escaped,
    escapedInJson(escaped),
    raw.replaceAll('\\', '\\\\'),
    raw.replaceAll(/['\\]/gu, String.raw`\$&`),
    raw.replaceAll(/[&<>"']/gu, (char) => ENTITIES[char] ?? char),
    encodeURIComponent(raw.toWellFormed()),
    encodeURI(raw.toWellFormed()),
    userinfoForm(raw),
    form,
  ]
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapedInJson(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

/** As the URL standard writes a password. */
function userinfoForm(raw: string): string {
  const url = new URL('http://host')
  url.password = raw
  return url.password
}

/**
 * Base64 depends on what stands before and behind: of each of the three alignments the characters that the
 * secret alone decides.
 */
function codeForms(bytes: Uint8Array): readonly string[] {
  const aligned = [0, 1, 2].map((before) => {
    const padded = new Uint8Array(before + bytes.length)
    padded.set(bytes, before)
    const code = btoa(Array.from(padded, (byte) => String.fromCharCode(byte)).join(''))
    return code.slice(before === 0 ? 0 : before + 1, Math.floor((padded.length * 4) / 3))
  })
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [...aligned, ...aligned.map((code) => code.replaceAll('+', '-').replaceAll('/', '_')), hex]
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
