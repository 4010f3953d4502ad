import type { ItemRecord } from '@sluice/core'

/** Since when an item is in its stage, epoch ms of the storage's clock; of one in WAITING since it was put. */
export function stageSince({ stage, putAt, claimedAt, finishedAt }: ItemRecord): number {
  if (stage === 'WAITING') return putAt
  return (stage === 'PROCESSING' ? claimedAt : (finishedAt ?? claimedAt)) ?? putAt
}

/** How long its latest job ran, in ms, or runs; `undefined` where there is none. */
export function tookMs({ stage, claimedAt, finishedAt }: ItemRecord, now: number): number | undefined {
  if (claimedAt === undefined || stage === 'WAITING') return undefined
  const endedAt = stage === 'PROCESSING' ? now : finishedAt
  return endedAt === undefined ? undefined : Math.max(0, endedAt - claimedAt)
}
