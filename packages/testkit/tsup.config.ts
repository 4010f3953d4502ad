import { packageBuild } from '../../tsup.base.ts'

export default packageBuild({
  index: 'src/index.ts',
  vitest: 'src/vitest.ts',
  node: 'src/node.ts',
  link: 'src/link/index.ts',
  server: 'src/server/index.ts',
  cli: 'src/cli/index.ts',
})
