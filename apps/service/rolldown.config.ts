import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { bundle } from '../../rolldown.base.ts'

const { resolve } = createRequire(import.meta.url)

export default bundle(
  { index: 'src/index.ts', cli: 'src/cli.ts' },
  {
    // Its ES modules: of its CommonJS everything would be bundled.
    groups: [
      { name: 'main', test: /\/src\/(?:cli|output)\/(?!live-view|progress|rate-meter|replaceable|whole)/u },
      { name: 'open', test: /\/src\/(?:config\/(?!setting-tree)|packages|secrets)/u },
    ],
    alias: { yaml: join(dirname(resolve('yaml/package.json')), 'browser/index.js') },
  },
)
