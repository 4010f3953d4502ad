import { enginePromises } from './engine/engine-promises.js'

/** One promise of the contract, as the interfaces of `@sluice/core` cite it. */
export interface ContractPromise {
  readonly id: string
  readonly text: string
}

/** What every queue promises. */
export const queuePromises: readonly ContractPromise[] = [
  {
    id: 'Q-PUT-1',
    text: 'A new item is WAITING, held whole under any legal id, and a `get` that starts after `put` returned can receive it.',
  },
  {
    id: 'Q-PUT-2',
    text: '`put` of an id that exists in any stage rejects `SLUICE_ITEM_EXISTS` and leaves the stored item unchanged; of any number of concurrent puts of one id exactly one wins.',
  },
  {
    id: 'Q-PUT-3',
    text: '`putMany` is per item all or nothing; interrupted anywhere and run again it ends with each item exactly once, and it reports what it skipped.',
  },
  {
    id: 'Q-PUT-4',
    text: '`putMany` with `compare` says of each item that is there, in whatever stage, whether its body is deep-equal to the one given, and changes nothing of it.',
  },
  {
    id: 'Q-PUT-5',
    text: '`putMany` with `stage: SUCCESS` puts new items into SUCCESS: attempt 0, no history, never given out, finished at the instant of the call. Items that are there are skipped as ever, and stay in their stage. Interrupted anywhere and run again, it ends with each item exactly once, and at no time is one in WAITING.',
  },
  {
    id: 'Q-PUT-6',
    text: 'Where `supports.selection` is there, `resources` and `limitKey` of an item are part of its summary from its put on and survive every move; wrong ones are refused, and nothing is stored.',
  },
  {
    id: 'Q-BULK-1',
    text: 'A bulk call gives how many it did, and each item of the call that it did not, in the order of the call, with the reason; the two add up to the items of the call.',
  },
  {
    id: 'Q-UPDATE-1',
    text: '`update` changes the body, the priority or the delay of items that are WAITING; what it acknowledged is what the next claim gives, whatever claims are in flight.',
  },
  {
    id: 'Q-UPDATE-2',
    text: '`update` skips what is not WAITING, not there, or of another uid, and leaves it unchanged.',
  },
  {
    id: 'Q-UPDATE-3',
    text: '`update` raises no attempt, and keeps the item’s place unless a priority or `notBeforeAt` is given: in another priority it stands by when it became available, with a new instant as an item put then.',
  },
  {
    id: 'Q-UPDATE-4',
    text: 'Killed at any instruction inside `update`, each item is as it was or as changed, and the call can be repeated.',
  },
  {
    id: 'Q-UPDATE-5',
    text: '`update` replaces the resources and the limit key of an item that is WAITING, or takes them away; the item keeps its place, and is found under the key that it has.',
  },
  {
    id: 'Q-GET-1',
    text: '`get` returns at most `maxItems` items, by priority and then first come first served; each is PROCESSING, its attempt one more.',
  },
  {
    id: 'Q-GET-2',
    text: 'No two `get`s, in any number of processes, ever return the same (id, attempt), whatever they had read before.',
  },
  {
    id: 'Q-GET-3',
    text: '`get` never returns more than the items there are, and returns at once; it may give fewer than asked for and than there are, and only `[]` says that nothing can be given out now.',
  },
  {
    id: 'Q-GET-4',
    text: 'A process killed anywhere inside `get` loses nothing: each item is then WAITING, or PROCESSING with its attempt readable by `list`.',
  },
  {
    id: 'Q-GET-5',
    text: 'A `get` under a lease that was released, has run out, or is held by another holder or under another token rejects `SLUICE_LEASE_LOST` and claims nothing; without `supports.fencedClaims` what it had claimed is back in WAITING by then, uncounted and in its place.',
  },
  {
    id: 'Q-PEEK-1',
    text: '`peekSummaries` gives the summaries of what `get` would give out now, in the order of `get`, and moves nothing.',
  },
  {
    id: 'Q-PEEK-2',
    text: 'The cursor of `peekSummaries` goes on behind the last item that was looked at, whatever comes and goes: an item that lies behind it and can be given out throughout is given once.',
  },
  {
    id: 'Q-PEEK-3',
    text: 'With a limit key `peekSummaries` gives the items of that key and no other, in the order of `get`.',
  },
  {
    id: 'Q-GET-6',
    text: '`getItems` claims those of the items that it names which `get` could give out now, wherever they stand, each once and in the order of the call, its attempt one more; the others are left out and unchanged. It may give fewer than it could, and only `[]` says that it can give none.',
  },
  {
    id: 'Q-GET-7',
    text: 'No `get` and no `getItems`, in any number of processes, ever give the same (id, attempt); killed anywhere inside `getItems`, each item is WAITING, or PROCESSING with its attempt readable by `list`.',
  },
  {
    id: 'Q-GET-8',
    text: 'A `getItems` under a lease that was released, has run out, or is held by another holder or under another token rejects `SLUICE_LEASE_LOST` and claims nothing, as `get` does.',
  },
  {
    id: 'Q-MOVE-1',
    text: 'An item moves only along the table of moves, and only for the attempt and uid it is at; else `SLUICE_STAGE_CONFLICT` and nothing changed. A late `fail` never overwrites SUCCESS.',
  },
  {
    id: 'Q-MOVE-2',
    text: 'Repeating a move that already happened succeeds and changes nothing.',
  },
  { id: 'Q-MOVE-3', text: 'A move of an unknown id rejects `SLUICE_ITEM_NOT_FOUND`.' },
  {
    id: 'Q-MOVE-4',
    text: 'Killed anywhere inside a move, the item is afterwards in exactly one of the two stages, body and attempt intact, and the next call finishes the move.',
  },
  {
    id: 'Q-MOVE-5',
    text: 'What is given back with `keepPlace` is given out next in the place that it had before its claim.',
  },
  {
    id: 'Q-MOVE-6',
    text: 'The `retryState` of the latest release is part of the item’s summary and is given out with the next claim; a release without one and a `requeue` take it away.',
  },
  {
    id: 'Q-SIZE-1',
    text: '`size` counts each item once, in its one stage; with no writer running it is exact, and `sizes` adds up to the number of items.',
  },
  {
    id: 'Q-LOOK-1',
    text: '`lookupStatus` gives the one current stage, and shows a move right after it returned; an unknown id rejects `SLUICE_ITEM_NOT_FOUND`.',
  },
  {
    id: 'Q-LOOK-2',
    text: '`lookup` has the body, stage, attempt, priority, instants, last reason, result, details, and how the last job ended (failure class, exit code, job uid), and the history of attempts with the same of each, and whether it was sent at all.',
  },
  {
    id: 'Q-LIST-1',
    text: 'Paging gives every item of the stage once with no writer, and with writers every item that stayed in the stage throughout.',
  },
  {
    id: 'Q-TIME-1',
    text: 'An item with `notBeforeAt` in the future is WAITING, counted, listed, and not given out; instants are the storage’s.',
  },
  {
    id: 'Q-TIME-2',
    text: 'A clock of the storage that is set back holds up no item that was put, released or requeued without a delay, and changes no order.',
  },
  {
    id: 'Q-NAME-1',
    text: 'Queues with different names in one store never see each other’s items, controls, leases or documents.',
  },
  {
    id: 'Q-CTRL-1',
    text: 'Pause, resume and live limits are seen by every process on the storage; each call changes only its own part.',
  },
  {
    id: 'Q-CTRL-2',
    text: '`control.sync` gives a number that is one more each time, and every process on the storage reads it in `syncs`.',
  },
  {
    id: 'Q-LEASE-1',
    text: 'At most one holder at a time has a lease; it ends with its time or by `release`; its fencingToken grows with each change of holder and never shrinks.',
  },
  {
    id: 'Q-LEASE-2',
    text: 'A clock of the storage that is set back holds a lease whose holder is dead for no longer than its ttl once another has asked for it, and takes it from no holder that renews it.',
  },
  {
    id: 'Q-LEASE-3',
    text: '`readLease` tells who holds a lease and how much of its time is left by the clock of the storage, and changes nothing; of one that ran out, who held it last; of one that was given back or never taken, nothing.',
  },
  {
    id: 'Q-DOC-1',
    text: 'A document reads what was written last, by any process, whole and up to `maxBodyBytes`; none is an item.',
  },
  {
    id: 'Q-DOC-2',
    text: 'A document is changed by compare-and-set: of concurrent changes of one version exactly one is done; each write makes the version one more, and no version comes twice, over removals too.',
  },
  {
    id: 'Q-DOC-3',
    text: 'Under a lease that is lost a write or removal of a document rejects `SLUICE_LEASE_LOST` and changes nothing.',
  },
  {
    id: 'Q-DOC-4',
    text: '`documents` names those that exist and begin with a prefix, in the order of their UTF-8 bytes.',
  },
  {
    id: 'Q-SWEEP-1',
    text: '`sweep`, where there is one, may run at any time: no item changes by it, but those that have been in SUCCESS or FAIL for longer than `retentionMs` are gone.',
  },
  {
    id: 'Q-END-1',
    text: 'Every call ends within its documented time, whichever single operation of the storage fails, hangs or loses its answer, once or from there on: with its outcome, or with `SLUICE_QUEUE_UNAVAILABLE` that names the queue and may be tried again. What has no limit of its own, such as `sweep`, ends with `close`. Over a slow link, with bodies of any size that is allowed, every call succeeds within its documented time, and sends them about once.',
  },
  {
    id: 'Q-VERSION-1',
    text: 'Where a newer release has upgraded the storage, an object opened before rejects `SLUICE_QUEUE_CORRUPT`, not retryable, at the latest when it next takes or renews a lease, and from then on at every call; it moves nothing then, and cannot be opened again.',
  },
  {
    id: 'Q-ABORT-1',
    text: 'Lists, bulk calls, look-ups and sizes take a signal: an aborted call rejects with the reason of the signal, and what it had begun is as after a crash of the process.',
  },
  {
    id: 'Q-CLOSE-1',
    text: 'After `close` every call rejects `SLUICE_QUEUE_CLOSED`; `close` twice is fine; other Queue objects go on.',
  },
  {
    id: 'Q-DOWN-1',
    text: 'With the storage out of reach every call rejects `SLUICE_QUEUE_UNAVAILABLE`, which is retryable, in bounded time.',
  },
]

/** What every worker promises. */
export const workerPromises: readonly ContractPromise[] = [
  {
    id: 'W-SEND-1',
    text: 'Sends of the same (queue, uid, attempt) twice, by `sendJob`, `sendMany` or both, concurrently, after a crash, or after a lost answer, make one job.',
  },
  {
    id: 'W-SEND-2',
    text: '`sendJob` rejects `SLUICE_JOB_REJECTED` only for an item that can never be accepted, `SLUICE_WORKER_UNAVAILABLE` when it cannot be sent now, `SLUICE_WORKER_DENIED` for credentials; `concerns` says whether the trouble is the item’s, the worker’s, or that there is no room, and after a refusal there is no job; any legal id is accepted.',
  },
  {
    id: 'W-SEND-3',
    text: '`sendMany` sends each of its jobs as `sendJob` does, and gives the outcomes in order: an error at one place says nothing about the others. It rejects as a whole only if no job is known to have been sent.',
  },
  {
    id: 'W-OVERRIDE-1',
    text: 'A job starts with the overrides of the send that made it; sent again with others it stays the one job with the first ones. Polls and look-ups report those that the job was started with, to every object on its place.',
  },
  {
    id: 'W-PROBE-1',
    text: '`probeSend` resolves only if a job could be sent now, and rejects as `sendJob` would; it starts nothing.',
  },
  {
    id: 'W-CHECK-1',
    text: '`checkItem` rejects `SLUICE_JOB_REJECTED` for an item that `sendJob` would reject so, and for no other, whatever trouble the worker is in; it starts nothing.',
  },
  {
    id: 'W-POLL-1',
    text: 'A poll reports every job of this queue that is not finished, and every finished one not yet acknowledged; of several jobs of one id one report has, as `earlier`, all others that are unfinished. `jobUid` and `exitCode`, where a report has them, are the job’s own and stay.',
  },
  {
    id: 'W-POLL-2',
    text: 'Absence from a poll is never a failure, and an outage never looks like absence; a poll that could not ask for everything says so, and gives what it could not ask for as last known.',
  },
  { id: 'W-POLL-3', text: 'Two workers under different queue names never see each other’s jobs.' },
  {
    id: 'W-LOOK-1',
    text: '`lookupJob` gives the one authoritative answer about one job: another uid or attempt is another job.',
  },
  {
    id: 'W-PEND-1',
    text: 'Of a job that was accepted and of which nothing runs yet the report says `pending: true`, with a message that says what holds it up; once something of it runs it never does again.',
  },
  {
    id: 'W-STOP-1',
    text: '`cancelJob` ends one job that runs or is pending, which then reports an end: FAIL, or, where its program ended well all the same, SUCCESS with a note in the details; one that has ended or is unknown is left alone.',
  },
  {
    id: 'W-CLOSE-1',
    text: 'After `close` every call rejects `SLUICE_WORKER_CLOSED`; twice is fine; jobs that run go on; `watch` ends with its signal.',
  },
  {
    id: 'W-SIGNAL-1',
    text: 'A poll or a look-up whose `signal` aborts rejects with the signal’s reason, before it begins and while it does not end; other calls are not affected.',
  },
  {
    id: 'W-LOG-1',
    text: '`readLog` gives what a job’s program wrote, in order, none twice and none left out, while it runs and once it has ended; `tailBytes` limits it to the last bytes of what is there, and with `follow` it ends once the job has ended and all was given. An unknown job, and one whose log is gone, reject `SLUICE_ITEM_NOT_FOUND`; one that has not begun has an empty log. Its signal ends it with the signal’s reason.',
  },
  {
    id: 'W-ID-1',
    text: '`identity`, where a worker has one, is the same for all objects on one place, across restarts, and another on another place; it is known after a poll.',
  },
]

/** The promise that a case id such as `Q-GET-2/b` belongs to. */
export function promiseOf(caseId: string): ContractPromise | undefined {
  const id = caseId.split('/')[0]
  return [...queuePromises, ...workerPromises, ...enginePromises].find((promise) => promise.id === id)
}
