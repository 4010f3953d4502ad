import { keyTooLong } from '../../format/key-limits.js'
import type { Layout } from '../../format/layout.js'
import { changeText } from './finish-update.js'
import { drop, tryCreate, type Protocol } from '../../store/storage-op.js'

/** An item in WAITING, by its name. */
interface Named {
  readonly id: string
  readonly name: string
}

/**
 * Makes sure that the store takes a name of an item that is longer than those before it: a decided update
 * whose next name the store refuses could never be finished. Each length is tried once in a process, by an
 * object under CHANGES, where `sweep` deletes what a process leaves that died here.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID; the item is unchanged
 */
export function* assertNameFits(
  layout: Layout,
  { id, name }: Named,
  next: { readonly name: string; readonly token: string },
): Protocol<void> {
  const key = layout.at('PROCESSING', next.name)
  layout.limits.assertFit(id, [key], 'update')
  if (layout.limits.isTaken(key)) return
  const trial = layout.trial(next.name)
  const made = yield* tryCreate(trial, changeText(name, 'null'), { token: next.token, name })
  if (made !== 'created' && made.is === 'refused') {
    layout.limits.refused(trial)
    throw keyTooLong(id, trial, { call: 'update', cause: made.cause })
  }
  layout.limits.taken(trial)
  yield* drop(trial)
}
