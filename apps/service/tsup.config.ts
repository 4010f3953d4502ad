import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { packageBuild } from '../../tsup.base.ts'

const { resolve } = createRequire(import.meta.url)

/** Bundled dependencies that are CommonJS call `require` for Node's own modules. */
const REQUIRE = `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);`

export default [
  packageBuild(
    { index: 'src/index.ts', cli: 'src/cli.ts' },
    {
      clean: ['!digest.cjs*'],
      banner: { js: REQUIRE },
      esbuildOptions: (options) => {
        // Its ES modules, of which only the used ones are bundled.
        options.alias = { yaml: join(dirname(resolve('yaml/package.json')), 'browser/index.js') }
      },
    },
  ),
  // Started once for each item of the demo: CommonJS is there a fifth sooner.
  packageBuild({ digest: 'src/demo/digest.ts' }, { format: ['cjs'], dts: false, clean: false }),
]
