import { describe, expect, test } from 'vitest'
import { fitsArgument, fitsVariable, Kubelet } from '../../src/pods/kubelet.ts'

const KNOWN = new Map([
  ['HOME', '/root'],
  ['COST', '$$5 $(HOME)'],
])

describe('the kubelet', () => {
  test.each([
    ['a$$b', 'a$b'],
    ['$$(HOME)', '$(HOME)'],
    ['$(HOME)', '/root'],
    ['$(UNSET)', '$(UNSET)'],
    ['$(HOME', '$(HOME'],
    ['$$$(HOME)', '$/root'],
    ['$$$$', '$$'],
    ['$', '$'],
    ['a$', 'a$'],
    ['$a$$b', '$a$b'],
    ['$x$(HOME)', '$x/root'],
    ['${HOME} $HOME', '${HOME} $HOME'],
    // What a variable holds is not expanded again.
    ['$(COST)', '$$5 $(HOME)'],
    ['$($(HOME))', '$($(HOME))'],
    ['$()', '$()'],
    ['$é €$', '$é €$'],
  ])('makes of %s %s', (text, expanded) => {
    expect(new Kubelet('1.34.4').expand(text, KNOWN)).toBe(expanded)
  })

  test('up to 1.34.3 breaks a character beyond ASCII behind a dollar, unless the dollar is doubled', () => {
    const old = new Kubelet('1.34.3')
    expect(old.expand('$é', KNOWN)).toBe('$Ã\ufffd')
    expect(old.expand('$$é a$$b', KNOWN)).toBe('$é a$b')
  })
})

test('Linux takes 131,069 bytes in a variable of one letter, and 131,071 in an argument', () => {
  expect([131_069, 131_070].map((bytes) => fitsVariable('V', 'x'.repeat(bytes)))).toEqual([true, false])
  expect([131_071, 131_072].map((bytes) => fitsArgument('x'.repeat(bytes)))).toEqual([true, false])
})
