import { cutReason } from '../../checks/input.js'
import type { QueueControl } from '../../items/control.js'
import type { ControlBackend } from './queue-backend.js'

/** The control of a queue over its backend. */
export function frontControl(control: ControlBackend, assertUsable: () => void): QueueControl {
  return {
    read: async () => {
      assertUsable()
      return control.read()
    },
    pause: async (reason) => {
      assertUsable()
      await control.pause(cutReason(reason))
    },
    resume: async () => {
      assertUsable()
      await control.resume()
    },
    sync: async () => {
      assertUsable()
      return control.sync()
    },
    setLimits: async (limits) => {
      assertUsable()
      await control.setLimits(checkLimits(limits))
    },
  }
}

function checkLimits(limits: Readonly<Record<string, unknown>>): (readonly [string, number | null])[] {
  return Object.entries(limits)
    .map(([name, limit]): readonly [string, number | null] => {
      const isName = !name.includes('\0') && name.isWellFormed()
      if (isName && limit === null) return [name, null]
      if (isName && typeof limit === 'number' && Number.isFinite(limit) && limit >= 0) return [name, limit]
      const shown = JSON.stringify(name.slice(0, 60))
      throw new TypeError(`limit ${shown} must be a number of 0 or more, or null to take it away`)
    })
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
}
