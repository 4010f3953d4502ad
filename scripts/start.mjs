// `npm start`: set up, then the main job on the embedded default. Arguments after `--` go to `sluice demo`.
import { join } from 'node:path'
import { build, install, pinnedNode, root, run } from './setup.mjs'

await install()
await build(['--filter=@sluice/service', '--filter=@sluice/queue-sql', '--filter=@sluice/worker-process'])
process.exitCode = await run(pinnedNode, [
  join(root, 'apps/service/dist/cli.js'),
  'demo',
  ...process.argv.slice(2),
])
