/** The variable of a setting: `service.intervalMs` → `SLUICE_SERVICE_INTERVAL_MS`. */
export function variableOf(path: string): string {
  return `SLUICE_${path.replaceAll(/[A-Z]/g, '_$&').replaceAll('.', '_').toUpperCase()}`
}

/** JSON when it is JSON, else the text itself: `8`, `true`, `["sha256sum","{id}"]`, `sqlite:queue.db`. */
export function parseText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Text that is no JSON is what it is.
    return text
  }
}
