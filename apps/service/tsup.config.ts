import { packageBuild } from '../../tsup.base.ts'

export default [
  packageBuild({ index: 'src/index.ts', cli: 'src/cli.ts' }, { clean: ['!digest.cjs*'] }),
  // Started once for each item of the demo: CommonJS is there a fifth sooner.
  packageBuild({ digest: 'src/demo/digest.ts' }, { format: ['cjs'], dts: false, clean: false }),
]
