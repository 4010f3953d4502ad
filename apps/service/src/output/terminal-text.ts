/** Longer than any terminal sequence without a text. */
const MAX_SEQUENCE_CHARS = 256

/**
 * Control sequences by ECMA-48: CSI with parameters, OSC with its text, and others of two or three
 * characters.
 */
const SEQUENCE =
  // oxlint-disable-next-line no-control-regex -- they are what it is about
  /(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]|\u001B\][^\u0007\u001B]*(?:\u0007|\u001B\\)|\u001B[ -/]*[0-Z\\^-~]/gu

/**
 * Makes a log safe for a terminal, chunk by chunk: removes control sequences, and all control characters but
 * line breaks and tabs. Invalid UTF-8 becomes U+FFFD.
 */
export class TerminalText {
  readonly #decoder = new TextDecoder()
  /** The beginning of an incomplete sequence. */
  #held = ''

  push(bytes: Uint8Array): string {
    const text = this.#held + this.#decoder.decode(bytes, { stream: true })
    const at = unfinishedAt(text)
    this.#held = text.slice(at)
    return plain(text.slice(0, at))
  }

  /** The buffered rest. */
  end(): string {
    return plain(this.#held + this.#decoder.decode())
  }
}

function unfinishedAt(text: string): number {
  // The same length, without the complete sequences.
  const rest = text.replaceAll(SEQUENCE, (sequence) => ' '.repeat(sequence.length))
  // oxlint-disable-next-line no-control-regex -- they are what it is about
  const at = rest.search(/[\u001B\u009B][^\n]*$/u)
  return at < 0 || text.length - at > MAX_SEQUENCE_CHARS ? text.length : at
}

function plain(text: string): string {
  return text.replaceAll(SEQUENCE, '').replaceAll(/[^\P{Cc}\n\t]/gu, '')
}
