import { packageBuild } from '../../tsup.base.ts'

export default packageBuild({
  index: 'src/index.ts',
  vitest: 'src/vitest.ts',
  node: 'src/node.ts',
  s3: 'src/s3/index.ts',
  argo: 'src/argo/index.ts',
  link: 'src/link/index.ts',
})
