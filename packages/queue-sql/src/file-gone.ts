/** A file is no longer the one that a connection has open. */
export class FileGoneError extends Error {
  override readonly name = 'FileGoneError'
}

/** The rows of the queue itself are no longer there: nobody would find what is put into it. */
export class QueueGoneError extends Error {
  override readonly name = 'QueueGoneError'

  constructor() {
    super(
      'the queue is no longer in the tables: it was dropped, or they were emptied, or restored from a backup without it',
    )
  }
}
