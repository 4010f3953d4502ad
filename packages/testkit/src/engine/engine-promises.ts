import type { ContractPromise } from '../promises.js'

/** What the engine promises, over any queue and worker that keep their promises. */
export const enginePromises: readonly ContractPromise[] = [
  {
    id: 'E-CAP-1',
    text: 'Unfinished jobs never exceed the limit, whatever crashes, restarts, or is moved by an operator: every one takes a place, including those of earlier attempts and those without an item. A process that stalls past its lease can exceed it by the sends that it had in flight.',
  },
  {
    id: 'E-CAP-2',
    text: 'Where attempt n did not end by a report, n+1 starts only after a look-up, or a poll begun after its claim, shows that n does not run; until then the item keeps its claim and counts once.',
  },
  {
    id: 'E-LIMIT-1',
    text: 'A live limit below what runs ends no job: as jobs end, none starts before fewer run than the limit.',
  },
  {
    id: 'E-RATE-1',
    text: 'With a rate of `count` claims per `perMs`, no window of `perMs` by the storage’s clock has more than `count` claims, across crashes, restarts and changes of dispatcher. After one of these fewer may be claimed for one window, and then as many as the rate allows.',
  },
  {
    id: 'E-BUDGET-1',
    text: 'With limits of resources, the unfinished jobs of items in PROCESSING never use more of one than its limit, across crashes, restarts and changes of dispatcher, as far as `update` changes no item meanwhile. Later items that fit pass one that does not, at most as often as configured for one dispatcher; an item that could not even start alone fails with the reason.',
  },
  {
    id: 'E-KEY-1',
    text: 'With a limit per key, no more items of one limit key have unfinished jobs; later items of other keys pass those that wait.',
  },
  {
    id: 'E-WINDOW-1',
    text: 'Outside of its time windows an engine starts no more than the policy for that allows, whatever the live limit; jobs that run go on, and what holds the queue back says when the next window opens.',
  },
  {
    id: 'E-MACHINE-1',
    text: 'While the machine is above its bound of load, or below that of available memory, no new job starts; jobs that run go on.',
  },
  {
    id: 'E-ONE-1',
    text: 'Of any number of engines on one queue one dispatches and the others stand by; when it dies another takes over within the ttl of the lease, and after a stop at once.',
  },
  {
    id: 'E-ONCE-1',
    text: 'There is one start for each (uid, attempt), through crashes, restarts and lost answers.',
  },
  {
    id: 'E-ONCE-2',
    text: 'A job that was seen running is known to have been sent, by every later engine too: if it disappears it is lost, and never sent again at that attempt.',
  },
  {
    id: 'E-ONCE-3',
    text: 'An engine that stalled or was suspended past its lease starts and claims nothing when it continues.',
  },
  {
    id: 'E-MANY-1',
    text: 'Where the worker has `sendMany`, jobs are started by calls for as many as it takes. Its outcomes count one by one, as those of single sends; a call that is rejected as a whole starts nothing twice, and fails no item but the one that it is rejected for.',
  },
  {
    id: 'E-ORPHAN-1',
    text: 'A job that runs without its item in PROCESSING is left alone and takes a place; it is cancelled only where an operator cancelled its item, or where it was created after its attempt had ended.',
  },
  {
    id: 'E-END-1',
    text: 'An item ends as its job did, with the result or the reason, the failure class, the exit code and the job’s own uid.',
  },
  {
    id: 'E-RETRY-1',
    text: 'A failed item is retried up to its maximum of attempts, across restarts; rejected and unsendable items, and those with an invalid body, never are.',
  },
  {
    id: 'E-RETRY-2',
    text: 'Of several retry rules the first that matches the failure’s class and exit code decides; without a match it is not retried. Uncounted attempts stay uncounted.',
  },
  {
    id: 'E-ESCALATE-1',
    text: 'The attempt after a failure whose rule escalates a parameter starts with its next larger value, up to the last; the first attempt has the first. One that is retried for another reason, or not sent, keeps its value; so does an attempt that is sent again. This outlives crashes, restarts and changes of the rules; a requeue begins at the first value.',
  },
  {
    id: 'E-DEADLINE-1',
    text: 'A job that has run for the deadline of an attempt is cancelled, and its end counts as class `timeout` under the retry rules, unless it ended well. The time goes on over restarts and changes of dispatcher, and so does the knowledge of a cancel.',
  },
  {
    id: 'E-DEADLINE-2',
    text: 'After the deadline of an item, counted from its first claim after it was put or requeued, none of its attempts starts; a job that runs is cancelled, and the item fails as `timeout` with the reason, unless its job ended well.',
  },
  {
    id: 'E-STRAGGLER-1',
    text: 'A job that has run for the configured multiple of the 95th percentile of the successful attempts, of which enough are known, is cancelled where that is configured, and its item retried at once, uncounted, with the same overrides; this happens once for each item, over restarts.',
  },
  {
    id: 'E-LOST-1',
    text: 'An item whose job was seen and has disappeared keeps its place for the grace; then the lost policy applies.',
  },
  {
    id: 'E-POLL-1',
    text: 'Nothing starts before one complete poll after each change of dispatcher, and absence from an incomplete one lets no grace pass.',
  },
  {
    id: 'E-OUT-1',
    text: 'An outage of the queue or the worker, in whatever words, fails no item; the work goes on by itself when it is over.',
  },
  {
    id: 'E-ITEM-1',
    text: 'One item’s trouble is one item’s: refused while others are accepted it takes no place, and fails as `unsendable`, with the worker’s message, after a configured number of tries. A try counts only if another item’s send succeeded since the one before.',
  },
  { id: 'E-ITEM-2', text: 'Its tries outlive restarts and changes of dispatcher.' },
  {
    id: 'E-ITEM-3',
    text: 'Where there is nothing else to send, a successful probe replaces another item’s send.',
  },
  {
    id: 'E-ROOM-1',
    text: 'A full worker is no outage: jobs are followed and settled at the interval, only sends slow down, and every place that becomes free is used.',
  },
  {
    id: 'E-TIME-1',
    text: 'A `Retry-After` of the worker is obeyed, up to a stated bound; the control is read meanwhile.',
  },
  {
    id: 'E-PRESS-1',
    text: 'While the worker pushes back, by sends that it refuses as overloaded or that take far longer than usual, or by jobs that it does not start, the limit on unfinished jobs is lowered: never below the configured minimum, never above what policy and live limits allow. Within a minute without pushback it is theirs again. A worker that never pushes back is never limited by it.',
  },
  {
    id: 'E-PRESS-2',
    text: 'What lowered the limit, from what and to what, is reported: as an event, in the log and as the holdup `backpressure`.',
  },
  {
    id: 'E-PRESS-3',
    text: 'The next dispatcher begins with the limit that the one before had lowered.',
  },
  {
    id: 'E-GUARD-1',
    text: 'The same rejection 20 times, without a successful send in between, pauses the queue, at the start or during a run, counted across restarts and failovers. At most 20 items and the sends in flight fail for it; the reason of the pause says why.',
  },
  {
    id: 'E-GUARD-2',
    text: 'So do 20 jobs that were accepted and end in an error at their start, with the same message, without a job that succeeds in between.',
  },
  {
    id: 'E-GUARD-3',
    text: 'Later engines too know a pause by the engine itself from an operator’s. It lasts until it is resumed; then the count starts again.',
  },
  {
    id: 'E-GUARD-4',
    text: 'With nothing configured, the first 20 ends after a put into an empty queue or a resume that are failures of one group, with no success among them, pause the queue. No more than 20 items are in flight until the first success, or for 60 s.',
  },
  {
    id: 'E-GUARD-5',
    text: 'No more items than the canary start after a put into an empty queue or a resume, until as many have ended.',
  },
  {
    id: 'E-GUARD-6',
    text: 'The queue is paused when the failures of the window reach the configured number or share. Until the window has passed for the first time, no more than canary and window are spent.',
  },
  {
    id: 'E-GUARD-7',
    text: 'It is paused when so many failures of a new failure group occur within its first minute. Groups that occurred before, or before a resume, are known, over restarts.',
  },
  {
    id: 'E-GUARD-8',
    text: 'After `halfOpenMs` a few items are tried: the first failure pauses the queue again, and if all succeed a new run begins.',
  },
  {
    id: 'E-GUARD-9',
    text: 'The counts and an open breaker go on over restarts and failovers, and the end of each attempt counts once.',
  },
  {
    id: 'E-CTRL-1',
    text: 'A pause and a lower limit hold within a second, also while jobs are being sent; what was claimed and not sent goes back to WAITING, uncounted, to its place.',
  },
  {
    id: 'E-CTRL-2',
    text: 'The caller of a sync learns when every send has ended that began before the engine could read what was stored by then.',
  },
  {
    id: 'E-STOP-1',
    text: 'After a stop no send begins, outcomes at hand are settled, unsent claims go back, and the lease is free at once.',
  },
  {
    id: 'E-STALL-1',
    text: 'An engine with a call of the queue or the worker that never ends reports it once and gives up, and another takes over within the ttl of the lease; a late answer changes nothing.',
  },
]
