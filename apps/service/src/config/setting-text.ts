/** The variable of a setting: `service.intervalMs` → `SLUICE_SERVICE_INTERVAL_MS`. */
export function variableOf(path: string): string {
  return `SLUICE_${path.replaceAll(/[A-Z]/g, '_$&').replaceAll('.', '_').toUpperCase()}`
}

/**
 * The JSON value where the text is JSON, else the text: `8`, `true`, `["sha256sum","{id}"]`,
 * `sqlite:queue.db`.
 */
export function parseText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON: plain text.
    return text
  }
}
