import { SluiceError } from '@sluice/core'
import { placeText, type S3Place } from './s3-errors.js'

/**
 * SLUICE_QUEUE_UNAVAILABLE while no creation begins, since the store may not honour the condition any more. A store that is found to be so at the opening
 * is a wrong setting; later it is one that somebody has changed and can change back.
 *
 * @param reason why no probe has passed; absent while one is under way
 */
export function movesStopped(place: S3Place, reason: SluiceError | undefined): SluiceError {
  if (reason?.code === 'SLUICE_QUEUE_CLOSED') return reason
  const why = reason?.message ?? `the probe of ${placeText(place)} has not ended in time`
  return new SluiceError(
    'SLUICE_QUEUE_UNAVAILABLE',
    `${MOVES_STOPPED}: ${why}. Moves go on by themselves once a probe passes, which is tried every few seconds`,
    { cause: reason },
  )
}

const MOVES_STOPPED = 'Moves are stopped, since the store may give one thing to two processes'

/** SLUICE_QUEUE_UNAVAILABLE for an object that was created while the condition may have been void. */
export function versionUntrusted(place: S3Place, key: string, reason: SluiceError | undefined): SluiceError {
  if (reason?.code === 'SLUICE_QUEUE_CLOSED') return reason
  const seen = reason === undefined ? '' : ` (${reason.message})`
  return new SluiceError(
    'SLUICE_QUEUE_UNAVAILABLE',
    `Cannot rely on the creation of ${JSON.stringify(key)} in ${placeText(place)}: its answer has an x-amz-version-id, as no answer had before, and ` +
      `no probe has shown that If-None-Match is honoured while versioning is enabled on the bucket${seen}. Suspend versioning of the bucket: moves go on by ` +
      'themselves once a probe passes. The object may be there: look it up before the call is repeated',
    { cause: reason },
  )
}
