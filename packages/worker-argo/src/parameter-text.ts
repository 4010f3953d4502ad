import { utf8Bytes, type JsonValue } from '@sluice/core'

/** How a value becomes the text of a parameter. */
export const TEXT_FORMS = ['text', 'json', 'base64'] as const
export type TextForm = (typeof TEXT_FORMS)[number]

/**
 * The text of a parameter. Argo evaluates whatever stands in `{{ }}` in it, and has no way to write a plain `{{`. In JSON text it is
 * written `{\u007b`, which is the same JSON; any other text with it is refused: nobody's data is run as a template.
 *
 * @param form `text`: a string as it is, anything else as JSON; `json`: JSON, a string with its quotes; `base64`: the `text`, encoded
 * @throws TypeError that says why there is no such text
 */
export function parameterText(value: JsonValue, form: TextForm, maxBytes: number): string {
  const text = encoded(value, form)
  const bytes = utf8Bytes(text)
  if (bytes > maxBytes) {
    throw new TypeError(
      `is ${bytes} bytes, and at most ${maxBytes} (maxParameterBytes) are allowed: put the data elsewhere and its address into the body`,
    )
  }
  return text
}

function encoded(value: JsonValue, form: TextForm): string {
  if (form === 'base64') return Buffer.from(plainText(value), 'utf8').toString('base64')
  if (form === 'json' || typeof value !== 'string')
    return JSON.stringify(value).replaceAll(/\{(?=\{)/gu, '\\u007b')
  if (value.includes('{{')) {
    throw new TypeError(
      'has "{{", which Argo would evaluate as a template: map it with `as: base64` or `as: json`',
    )
  }
  return value
}

function plainText(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
