import { defineConfig, type Options } from 'tsup'

/** One build for every package: ESM only, types beside the code, nothing of the workspace bundled in. */
export function packageBuild(entry: Record<string, string> = { index: 'src/index.ts' }, more: Options = {}) {
  return defineConfig({
    entry,
    format: ['esm'],
    target: 'node22',
    platform: 'node',
    dts: true,
    clean: true,
    sourcemap: true,
    removeNodeProtocol: false,
    ...more,
  })
}
