/** The XML of S3: flat documents are written, and one shape of document is read. */

const ESCAPES: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' }
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

/** What needs no escaping: a fast check, since a page of a listing has thousands of texts. */
const SAFE = /^[\w ./:%+-]*$/

/** Escaped text. Control characters become references, as AWS writes them: XML 1.0 readers refuse most,
 * hence `EncodingType: url`.
 */
function escaped(text: string): string {
  if (SAFE.test(text)) return text
  return text.replaceAll(/[<>&"]|\p{Cc}/gu, (one) => ESCAPES[one] ?? `&#x${one.charCodeAt(0).toString(16)};`)
}

/** `<name>text</name>` */
export function element(name: string, text: string): string {
  return `<${name}>${escaped(text)}</${name}>`
}

/** The content with the declaration in front. */
export function xmlDocument(content: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${content}`
}

/** The contents of every `<name>` in a text, unread. */
export function contentsOf(text: string, name: string): string[] {
  return [...text.matchAll(new RegExp(`<${name}>([\\s\\S]*?)</${name}>`, 'g'))].map((match) => match[1] ?? '')
}

/** The text of the first `<name>`. */
export function textOf(text: string, name: string): string | undefined {
  const [content] = contentsOf(text, name)
  return content === undefined ? undefined : unescaped(content)
}

function unescaped(text: string): string {
  return text.replaceAll(/&(#x?[0-9a-fA-F]+|[a-z]+);/g, (whole: string, name: string) => {
    if (name.startsWith('#x')) return String.fromCodePoint(Number.parseInt(name.slice(2), 16))
    if (name.startsWith('#')) return String.fromCodePoint(Number(name.slice(1)))
    return ENTITIES[name] ?? whole
  })
}
