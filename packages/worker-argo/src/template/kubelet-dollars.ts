/**
 * What the kubelet makes of dollars. It expands the texts of a container's `env`, `args` and `command`: `$$`
 * becomes `$`, `$(NAME)` the value of a variable that is known there, and everything else stays.
 *
 * @see https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
 */

/** One run of characters that the kubelet reads as one. */
export interface DollarToken {
  readonly start: number
  readonly end: number
  /** `plain`: it stays as it is, as in `$5`. */
  readonly kind: 'escape' | 'reference' | 'plain'
}

/**
 * Every `$` of a text with what the kubelet reads together with it, from left to right. A `$` at the end is a
 * token by itself.
 */
export function dollarTokens(text: string): readonly DollarToken[] {
  const tokens: DollarToken[] = []
  // Without this, a text of many `$(` and no `)` would be searched to its end for each of them.
  const lastCloser = text.lastIndexOf(')')
  for (let start = text.indexOf('$'); start !== -1;) {
    const token = tokenAt(text, start, lastCloser)
    tokens.push(token)
    start = text.indexOf('$', token.end)
  }
  return tokens
}

function tokenAt(text: string, start: number, lastCloser: number): DollarToken {
  const next = text[start + 1]
  if (next === '$') return { start, end: start + 2, kind: 'escape' }
  if (next === '(' && lastCloser > start)
    return { start, end: text.indexOf(')', start) + 1, kind: 'reference' }
  return { start, end: Math.min(text.length, start + 2), kind: 'plain' }
}

/**
 * Whether the kubelet could change the text, with any text behind it and any known names: it has `$$` or
 * `$(`, or `$` at its end. Kubelets up to Kubernetes 1.34.3 also break a character beyond ASCII that follows
 * a `$`.
 */
export function hasRiskyDollar(text: string): boolean {
  return /\$(?:[$(]|[^\0-\u{7f}]|$)/u.test(text)
}

/** Whether a text has a `$(` without a `)` behind it: put in front of another text it would go on there. */
export function opensReference(text: string): boolean {
  return (
    text.includes('$(') &&
    dollarTokens(text).some(({ end, kind }) => kind === 'plain' && text[end - 1] === '(')
  )
}

/** The text that the kubelet turns into this one. */
export function doubleDollars(text: string): string {
  return text.replaceAll('$', '$$$$')
}

/** A backslash with what it escapes, or a dollar. */
const JSON_DOLLARS = /\\u0024|\\[\s\S]|\$/giu

/** As {@link hasRiskyDollar}, of the strings that a JSON text has once it is parsed. */
export function hasRiskyDollarInJson(json: string): boolean {
  const plain = json.replaceAll(JSON_DOLLARS, (token) => (isEscapedDollar(token) ? '$' : token))
  // What follows a dollar may be written as an escape too, and its string may end there.
  return hasRiskyDollar(plain) || /\$["\\]/u.test(plain)
}

/**
 * Whether a JSON text has `{{` once it is parsed: as a text of its own Argo would evaluate it as a template.
 */
export function hasBracesInJson(json: string): boolean {
  const plain = json.replaceAll(/\\u007b|\\[\s\S]/giu, (token) => (token.length > 2 ? '{' : token))
  return plain.includes('{{')
}

/** A JSON text whose strings have each dollar twice. */
export function doubleDollarsInJson(json: string): string {
  return json.replaceAll(JSON_DOLLARS, (token) =>
    token === '$' || isEscapedDollar(token) ? `${token}${token}` : token,
  )
}

/** Whether a JSON text writes dollars as escapes: then they are dollars only for who parses it. */
export function hasEscapedDollar(json: string): boolean {
  return (json.match(JSON_DOLLARS) ?? []).some(isEscapedDollar)
}

function isEscapedDollar(token: string): boolean {
  return token.length > 2
}

/**
 * The same JSON, with a dollar as `\u0024` wherever the kubelet might read it together with what follows.
 *
 * @param json as `JSON.stringify` writes it
 */
export function hideDollars(json: string): string {
  return json.replaceAll(/\$(?=[$("]|[^\0-\u{7f}])/gu, '\\u0024')
}
