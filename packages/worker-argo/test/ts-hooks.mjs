// Lets a plain Node process of a test run the sources: imports of './x.js' in src go to './x.ts'.
import { registerHooks } from 'node:module'

registerHooks({
  resolve(specifier, context, next) {
    const own = context.parentURL?.includes('/worker-argo/') && !context.parentURL.includes('/node_modules/')
    return next(
      own && /^\.{1,2}\/.*\.js$/u.test(specifier) ? specifier.replace(/\.js$/u, '.ts') : specifier,
      context,
    )
  },
})
