import { utf8Bytes } from '@sluice/core'

/**
 * The UTF-8 bytes of a JSON text as Go writes it, as which Argo and Kubernetes keep it: `<`, `>`, `&` and the
 * separators U+2028 and U+2029 are escapes of six bytes there.
 *
 * @param json as `JSON.stringify` writes it
 */
export function goJsonBytes(json: string): number {
  let bytes = utf8Bytes(json)
  for (const character of json.match(/[<>&\u2028\u2029]/gu) ?? []) bytes += 6 - utf8Bytes(character)
  return bytes
}

/** The bytes of a text within a JSON string, without its quotes. */
export function goTextBytes(text: string): number {
  return goJsonBytes(JSON.stringify(text)) - 2
}
