import type { Output } from '../../output/output.js'
import { TerminalText } from '../../output/terminal-text.js'

/** Writes a log to stdout as it comes, no faster than its reader takes it. */
export interface LogWriter {
  /** Bytes written so far, as they came. */
  readonly bytes: number
  write(chunk: Uint8Array): Promise<void>
  end(): Promise<void>
}

export interface LogWriterOptions {
  readonly output: Output
  readonly attempt: number
  /** A terminal gets it as it is, too. */
  readonly raw: boolean
  /** Nobody need wait for the reader any more. */
  readonly signal: AbortSignal
}

/** With `--json` a line for each piece, whose texts together are the log; on a terminal without its control sequences; else byte by byte. */
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
