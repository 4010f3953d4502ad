// Rules for oxlint that hold what CONTRIBUTING.md says of words, of time, and of the width of comments.
import { NAMES, WORDS } from './house-words.mjs'

const words = {
  meta: { type: 'suggestion', docs: { description: 'the standard term is used' }, schema: [] },
  create(context) {
    // Columns of tables that are stored keep their names.
    const allowed = new Set(/queue-sql|bench/u.test(context.filename) ? ['refunds'] : [])
    const check = (node, text) => {
      for (const [pattern, instead] of WORDS) {
        const [found] = pattern.exec(text) ?? []
        if (found !== undefined && !allowed.has(found))
          context.report({ node, message: `“${found}”: write ${instead}.` })
      }
    }
    return {
      Program() {
        for (const comment of context.sourceCode.getAllComments()) check(comment, comment.value)
      },
      Literal(node) {
        if (typeof node.value === 'string') check(node, node.value)
      },
      TemplateElement(node) {
        check(node, node.value.raw)
      },
      Identifier(node) {
        for (const [pattern, instead] of NAMES)
          if (pattern.test(node.name) && !allowed.has(node.name))
            context.report({ node, message: `\`${node.name}\`: name it by ${instead}.` })
      },
    }
  },
}

const GLOBALS = new Map([
  ['setTimeout', 'runtime.sleep or startTimer'],
  ['setInterval', 'a loop over runtime.sleep'],
  ['setImmediate', 'runtime.yield'],
  ['queueMicrotask', 'a promise'],
])
const MEMBERS = new Map([
  ['Date.now', 'runtime.now'],
  ['performance.now', 'runtime.monotonicMs'],
  ['performance.timeOrigin', 'runtime.now'],
  ['Math.random', 'runtime.random'],
  ['AbortSignal.timeout', 'timeoutSignal'],
  ['process.hrtime', 'runtime.monotonicMs'],
  ['process.nextTick', 'runtime.yield'],
  ['crypto.randomUUID', 'runtime.newId'],
  ['crypto.getRandomValues', 'runtime.random, or node:crypto for secrets'],
])
const IMPORTS = new Map([
  ['node:timers', 'runtime.sleep'],
  ['node:timers/promises', 'runtime.sleep and runtime.yield'],
  ['node:perf_hooks', 'runtime.monotonicMs'],
])

const runtime = {
  meta: { type: 'problem', docs: { description: 'time, chance and ids come from the Runtime' }, schema: [] },
  create(context) {
    const report = (node, found, instead) =>
      context.report({
        node,
        message: `${found}: use ${instead} of the injected Runtime, so that a run can be replayed.`,
      })
    return {
      CallExpression({ callee }) {
        if (callee.type === 'Identifier' && GLOBALS.has(callee.name))
          report(callee, callee.name, GLOBALS.get(callee.name))
      },
      MemberExpression(node) {
        if (node.object.type !== 'Identifier' || node.computed) return
        const name = `${node.object.name}.${node.property.name}`
        if (MEMBERS.has(name)) report(node, name, MEMBERS.get(name))
      },
      NewExpression(node) {
        if (node.callee.type === 'Identifier' && node.callee.name === 'Date' && node.arguments.length === 0)
          report(node, 'new Date()', 'runtime.now')
      },
      ImportDeclaration(node) {
        const from = node.source.value
        if (IMPORTS.has(from)) report(node, from, IMPORTS.get(from))
        if (from === 'node:crypto' || from === 'crypto')
          for (const { imported, type } of node.specifiers)
            if (type === 'ImportSpecifier' && imported.name === 'randomUUID')
              report(node, 'randomUUID', 'runtime.newId')
      },
    }
  },
}

const MAX_WIDTH = 110

/** A comment behind code moves with the code. */
function isBehindCode({ loc: { start } }, line, text) {
  return line === start.line && text.slice(0, start.column).trim() !== ''
}

/** Not a directive, a table, or a line that is laid out; nor one word that is too long for a line, such as an address. */
function canWrap(text) {
  const content = text.replace(/^\s*(?:\/\/|\/?\*+)/u, '')
  if (/^\s*(?:oxlint|eslint|@ts-|\|)/u.test(content) || /^\s{2,}\S/u.test(content)) return false
  return /\S\s+\S/u.test(content.trim().slice(0, MAX_WIDTH - (text.length - content.trim().length)))
}

const commentWidth = {
  meta: { type: 'layout', docs: { description: `comments wrap at ${MAX_WIDTH} columns` }, schema: [] },
  create(context) {
    return {
      Program() {
        const lines = context.sourceCode.getText().split('\n')
        for (const comment of context.sourceCode.getAllComments()) {
          const { start, end } = comment.loc
          for (let line = start.line; line <= end.line; line++) {
            const text = lines[line - 1] ?? ''
            if (text.length <= MAX_WIDTH || isBehindCode(comment, line, text) || !canWrap(text)) continue
            context.report({
              node: comment,
              message: `A comment line of ${text.length} columns: wrap it at ${MAX_WIDTH}.`,
            })
            break
          }
        }
      },
    }
  },
}

export default {
  meta: { name: 'house' },
  rules: { words, runtime, 'comment-width': commentWidth },
}
