// `node scripts/sluice.mjs status`: the command line out of this clone, set up and built if it isn't yet,
// with the clone's own Node: that of the machine may be too old for it. Not by `npm run`, which writes into
// stdout what it runs, and does not hand on the signals that end it.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { build, install, pinnedNode, root, run } from './setup.mjs'

const cli = join(root, 'apps/service/dist/cli.js')
if (!existsSync(cli) || !existsSync(pinnedNode)) {
  await install()
  await build()
}
process.exitCode = await run(pinnedNode, [cli, ...process.argv.slice(2)], {
  cwd: process.cwd(),
})
