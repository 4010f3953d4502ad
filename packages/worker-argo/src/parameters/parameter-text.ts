import { utf8Bytes, type JsonValue } from '@sluice/core'
import { doubleDollars, hideDollars } from '../template/kubelet-dollars.js'

/** How a value becomes the text of a parameter. */
export const TEXT_FORMS = ['text', 'json', 'base64', 'kubernetes', 'verbatim'] as const
export type TextForm = (typeof TEXT_FORMS)[number]

/**
 * The text of a parameter. Argo evaluates what stands in `{{ }}` in it, and has no escape for `{{`. In JSON
 * text it is written `{\u007b`, which is the same JSON; any other text with it is refused: data must not run
 * as a template. In the same way JSON writes as `\u0024` each dollar that the kubelet would rewrite. JSON and
 * base64 hold NUL, too; as text it is refused.
 *
 * @param form `text`: a string as it is, anything else as JSON; `json`: JSON, a string with its quotes;
 * `base64`: the `text`, encoded; `kubernetes`: the `text` with every dollar doubled; `verbatim`: the `text`,
 * its dollars left to the user
 * @throws TypeError that says why there is no such text
 */
export function parameterText(value: JsonValue, form: TextForm, maxBytes = Number.POSITIVE_INFINITY): string {
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
  if (isJsonText(value, form)) {
    const json = JSON.stringify(value).replaceAll(/\{(?=\{)/gu, '\\u007b')
    return form === 'kubernetes' ? doubleDollars(json) : hideDollars(json)
  }
  const text = plainText(value)
  if (text.includes('\0')) {
    throw new TypeError(
      'has a NUL character, which no variable and no argument of a program can hold: map it with `as: base64` or `as: json`',
    )
  }
  if (text.includes('{{')) {
    throw new TypeError(
      'has "{{", which Argo would evaluate as a template: map it with `as: base64` or `as: json`',
    )
  }
  return form === 'kubernetes' ? doubleDollars(text) : text
}

/** Whether the text of a value is JSON, which has more than one way to write a character. */
export function isJsonText(value: JsonValue, form: TextForm): boolean {
  return form === 'json' || (form !== 'base64' && typeof value !== 'string')
}

function plainText(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
