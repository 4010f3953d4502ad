import type { Output } from '../../output/output.js'
import { TerminalText } from '../../output/terminal-text.js'

/** Streams a log to stdout, with back-pressure. */
export interface LogWriter {
  /** Bytes of the log written so far. */
  readonly bytes: number
  write(chunk: Uint8Array): Promise<void>
  end(): Promise<void>
}

export interface LogWriterOptions {
  readonly output: Output
  readonly attempt: number
  /** Control sequences go to a terminal too. */
  readonly raw: boolean
  /** Ends the wait for the reader. */
  readonly signal: AbortSignal
}

/**
 * With `--json` one line per chunk, whose texts together are the log; on a terminal without control
 * sequences; else the bytes unchanged.
 */
export function logWriter({ output, attempt, raw, signal }: LogWriterOptions): LogWriter {
  const write = (piece: string | Uint8Array) =>
    piece.length === 0 ? Promise.resolve() : output.write(piece, signal)
  if (output.json) {
    const decoder = new TextDecoder()
    const line = (text: string) => (text === '' ? '' : `${JSON.stringify({ attempt, text })}\n`)
    return counting(
      (chunk) => write(line(decoder.decode(chunk, { stream: true }))),
      () => write(line(decoder.decode())),
    )
  }
  if (raw || !output.live) return counting(write, () => Promise.resolve())
  const terminal = new TerminalText()
  return counting(
    (chunk) => write(terminal.push(chunk)),
    () => write(terminal.end()),
  )
}

function counting(write: (chunk: Uint8Array) => Promise<void>, end: () => Promise<void>): LogWriter {
  let bytes = 0
  return {
    get bytes() {
      return bytes
    },
    write: async (chunk) => {
      bytes += chunk.length
      await write(chunk)
    },
    end,
  }
}
