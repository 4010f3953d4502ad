/** Steps of a path that a message shows. */
const SHOWN_STEPS = 20

/** Where something is in a JSON value, such as `$.a[0]["odd key"]`. */
export function jsonPath(steps: readonly (string | number)[]): string {
  const shown = steps
    .slice(0, SHOWN_STEPS)
    .map((step) => (typeof step === 'number' ? `[${step}]` : dotted(step)))
  return `$${shown.join('')}${steps.length > SHOWN_STEPS ? '…' : ''}`
}

function dotted(key: string): string {
  return /^[A-Za-z_$][\w$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key.slice(0, 40))}]`
}
