import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TerminalText } from '../../src/output/terminal-text.js'

function shown(...pieces: readonly (string | Uint8Array)[]): string {
  const text = new TerminalText()
  return pieces.map((piece) => text.push(Buffer.from(piece))).join('') + text.end()
}

test('removes sequences and other control characters, except line breaks and tabs', () => {
  expect(shown('\u001B[1;31mred\u001B[0m\ttab\nnext\r\u0007\u0000\u009B2J.')).toBe('red\ttab\nnext.')
  expect(shown('\u001B]0;a title\u0007shown')).toBe('shown')
})

test('whatever the chunks', () => {
  expect(shown('a\u001B', '[3', '1', 'mred')).toBe('ared')
  expect(shown(Buffer.from([0xc3]), Buffer.from([0xbc]), '!')).toBe('ü!')
  const bytes = Buffer.from(
    'one \u001B[31mtwo\u001B[0m ü🧪\n\u001B]8;;https://example.org\u0007link\u001B]8;;\u0007 end',
  )
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (cuts) => {
      const bounds = [0, ...cuts.toSorted((a, b) => a - b), bytes.length]
      const pieces = bounds.slice(1).map((end, index) => bytes.subarray(bounds[index], end))
      expect(shown(...pieces)).toBe('one two ü🧪\nlink end')
    }),
  )
})

test('an unterminated sequence holds back no line', () => {
  const text = new TerminalText()
  expect(text.push(Buffer.from('\u001B['))).toBe('')
  expect(text.push(Buffer.from('\nnext'))).toBe('[\nnext')
  expect(text.push(Buffer.from(`\u001B[${';'.repeat(1_000)}`))).toHaveLength(1_001)
})
