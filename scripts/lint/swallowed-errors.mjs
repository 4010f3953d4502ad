// A rule for oxlint: a failure that is dropped says why. It finds `catch` clauses, `.catch(…)`, second arguments of `.then(…)` and listeners of
// 'error' that look at no error, and `Promise.allSettled` whose reasons nobody reads. Each needs a comment in it, on its line, or just above.

const FUNCTIONS = new Set(['ArrowFunctionExpression', 'FunctionExpression', 'FunctionDeclaration'])
const MESSAGE = 'A failure is dropped here. Handle it, or say why it may be dropped in a comment beside it.'

const rule = {
  meta: { type: 'problem', docs: { description: 'a failure that is dropped says why' }, schema: [] },
  create(context) {
    const source = context.sourceCode
    const comments = source
      .getAllComments()
      .filter(({ value }) => /[a-z]{3}/iu.test(value) && !isDirective(value))
    // Of functions with a name, so that `.catch(ignore)` can be followed to what `ignore` does.
    const named = new Map()
    const waiting = []

    function isExplained(node) {
      const [start, end] = node.range
      const { line: first } = node.loc.start
      const { line: last } = node.loc.end
      return comments.some(
        ({ range, loc }) =>
          (range[0] > start && range[1] < end) || loc.end.line === first - 1 || loc.end.line === last,
      )
    }
    /** @param at where a comment may stand: the clause, the call, or its whole statement */
    function check(node, ...at) {
      if (![node, ...at].some((each) => isExplained(each))) context.report({ node, message: MESSAGE })
    }
    function checkHandler(handler, call) {
      if (handler === undefined) return
      if (handler.type === 'Identifier') waiting.push({ name: handler.name, call })
      else if (FUNCTIONS.has(handler.type) && isBlind(handler)) check(call, statementOf(call), handler)
    }
    return {
      CatchClause(node) {
        if (!readsError(node.param, node.body) && !throws(node.body)) check(node, node.parent)
      },
      FunctionDeclaration(node) {
        if (node.id !== null) named.set(node.id.name, node)
      },
      CallExpression(node) {
        const method = node.callee.type === 'MemberExpression' ? node.callee.property.name : undefined
        if (method === 'catch') checkHandler(node.arguments[0], node)
        if (method === 'then') checkHandler(node.arguments[1], node)
        const isListener = method === 'on' || method === 'once' || method === 'addListener'
        if (isListener && node.arguments[0]?.value === 'error') checkHandler(node.arguments[1], node)
        if (method === 'allSettled' && !readsReasons(node)) check(node, statementOf(node))
      },
      'Program:exit'() {
        for (const { name, call } of waiting) {
          const target = named.get(name)
          if (target !== undefined && isBlind(target)) check(call, statementOf(call), target)
        }
      },
    }

    function readsReasons(call) {
      let home = call
      while (home.parent && !FUNCTIONS.has(home.type)) home = home.parent
      return /\breason\b/u.test(source.getText(home))
    }
  },
}

/** Comments for tools are no reasons. */
function isDirective(text) {
  return /^\s*(?:oxlint|eslint|@ts-|prettier)/u.test(text)
}

/** A function that neither takes the error nor throws one of its own. */
function isBlind(handler) {
  return !readsError(handler.params[0], handler.body) && !throws(handler.body)
}

function readsError(param, body) {
  if (param === undefined || param === null) return false
  // What is taken apart is looked at.
  if (param.type !== 'Identifier') return true
  // Thrown on under a condition that doesn't look at it, it is dropped where the condition fails.
  return some(body, (node) => node.type === 'Identifier' && node.name === param.name, 'ThrowStatement')
}

function throws(body) {
  return body.type === 'BlockStatement' && body.body.some(({ type }) => type === 'ThrowStatement')
}

function statementOf(node) {
  let at = node
  while (at.parent && !/Statement$|Declaration$|^PropertyDefinition$/u.test(at.type)) at = at.parent
  return at
}

/** Whether one of a node and all in it is so, but for what is in nodes of the type `except`. */
function some(node, isSo, except) {
  if (node.type === except) return false
  if (isSo(node)) return true
  for (const [key, value] of Object.entries(node)) {
    if (key === 'parent') continue
    for (const child of Array.isArray(value) ? value : [value])
      if (
        child !== null &&
        typeof child === 'object' &&
        typeof child.type === 'string' &&
        some(child, isSo, except)
      )
        return true
  }
  return false
}

export default { meta: { name: 'sluice' }, rules: { 'explained-swallow': rule } }
