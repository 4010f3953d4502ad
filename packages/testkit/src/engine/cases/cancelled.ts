/** What `sluice cancel` leaves with an item: an engine knows by the details that an operator did it. */
export const CANCELLED = { reason: 'not wanted', details: { cancelled: true } }
