import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TerminalTail, terminalText } from '../../src/backend/index.js'

const E = '\u001B'

/** 300 updates of 60 characters, as tqdm writes them. */
const BAR = Array.from(
  { length: 300 },
  (_, at) => `\r ${String(Math.floor(at / 3)).padStart(3)}%|####      | ${at}/300 [00:01<00:02, 99.5it/s]`,
).join('')

describe('what a terminal would leave', () => {
  test.each([
    ['nothing', '', ''],
    ['lines', 'a\nb\r\nc\n', 'a\nb\nc'],
    ['a carriage return', 'old\rnew', 'new'],
    ['of a longer text that was written over, nothing', 'Downloading  99%\rValueError: x', 'ValueError: x'],
    ['the same in colors', `Downloading  99%\r${E}[31mE${E}[0m${E}[1mrror${E}[0m`, 'Error'],
    ['what a spinner stands before', '  Loading\r|\r/\r-', '- Loading'],
    ['what is erased from the cursor on', `Downloading\rdone${E}[K`, 'done'],
    ['what is erased up to the cursor', `abcdef${E}[3D${E}[1Kx`, '   xef'],
    ['a line that is erased', `Downloading${E}[2K\rdone`, 'done'],
    ['backspaces', '10%\b\b\b20%\b\b\b30%', '30%'],
    ['more backspaces than there are characters', 'a\b\b\b\bb', 'b'],
    ['a spinner', 'Solving /\b-\b\\\b|\bdone', 'Solving done'],
    ['a bar of several lines, by the cursor', `a 1\nb 1\n${E}[2A\ra 2\nb 2\n${E}[2Aa 3\nb 3\n`, 'a 3\nb 3'],
    ['a bar of several lines, erased', `x\na 1\nb 1\n${E}[2F${E}[Jdone`, 'x\ndone'],
    ['a column', `abc${E}[2GX`, 'aXc'],
    ['a column far to the right', `a${E}[4Cb`, 'a    b'],
    ['colors', `${E}[1;31mred${E}[0m \u009B32mgreen\u009Bm`, 'red green'],
    ['titles and links', `${E}]0;title\u0007a${E}]8;;http://x${E}\\b`, 'ab'],
    ['bells and other control characters', 'a\u0007\u0000\u007Fb\u0085', 'ab'],
    ['tabs', 'a\tb', 'a\tb'],
    ['a screen that is cleared', `ValueError: x\n${E}[2J${E}[Hbye`, 'ValueError: x\nbye'],
    ['blank lines in between', '\n\na\n\nb\n\n', 'a\n\nb'],
    ['half of a wide character', '🧪b\rx', 'x b'],
    [
      'a bar behind the error',
      `ValueError: no such chromosome\n${BAR}`,
      'ValueError: no such chromosome\n  99%|####      | 299/300 [00:01<00:02, 99.5it/s]',
    ],
  ])('%s', (_, written, left) => {
    expect(terminalText(written)).toBe(left)
  })

  test('no sequence makes it large', () => {
    const written = `a${E}[999999999Cb${E}[999999999Bc${E}[999999999Gd${E}[999999999A`
    expect(terminalText(written).length).toBeLessThan(2_000)
  })

  test('in whatever pieces it comes', () => {
    const whole = `one ${E}[31mtwo${E}[0m\n🧪 bar${BAR}\rdone ${E}[31mso${E}[m far${E}]0;t\u0007\nlast\b\b${E}[K`
    fc.assert(
      fc.property(fc.array(fc.nat(whole.length), { maxLength: 8 }), (cuts) => {
        const bounds = [0, ...cuts.toSorted((a, b) => a - b), whole.length]
        const tail = new TerminalTail()
        for (const [index, end] of bounds.slice(1).entries()) tail.write(whole.slice(bounds[index], end))
        expect(tail.text).toBe(terminalText(whole))
      }),
    )
  })

  test('what it left stays as it is', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '\r',
        '\b',
        '\n',
        `${E}[K`,
        `${E}[2K`,
        `${E}[A`,
        `${E}[J`,
        `${E}[3D`,
        `${E}[5G`,
        `${E}[H`,
        '🧪',
        E,
        '\u009B',
      ),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const left = terminalText(pieces.join(''))
        expect(terminalText(left)).toBe(left)
        expect(left).not.toMatch(/[^\P{Cc}\n\t]/u)
      }),
    )
  })
})

describe('a bounded tail', () => {
  test('an update without end does not displace the line before it', () => {
    const tail = new TerminalTail(200)
    tail.write('ValueError: no such chromosome\n')
    for (let at = 0; at < 1_000; at++) tail.write(BAR)
    expect(tail.text).toMatch(/^ValueError: no such chromosome\n {2}99%/)
  })

  test('of many lines the last ones stay, as many as it was told', () => {
    const tail = new TerminalTail(50)
    for (let at = 0; at < 10_000; at++) tail.write(`line ${at}\n`)
    expect(tail.text).toMatch(/line 9997\nline 9998\nline 9999$/)
    expect(tail.text.length).toBeGreaterThanOrEqual(48)
    expect(tail.text.length).toBeLessThan(120)
  })

  test('of a line without end its end stays', () => {
    const tail = new TerminalTail(50)
    for (let at = 0; at < 10_000; at++) tail.write(`${at} `)
    expect(tail.text).toMatch(/9997 9998 9999$/)
    expect(tail.text.length).toBeLessThanOrEqual(100)
  })
})
