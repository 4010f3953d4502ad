import { once } from 'node:events'
import { resolve } from 'node:path'
import type { ArgoServer, ArgoTemplate, ArgoVersion } from '@sluice/fake-argo'
import type { CommandContext } from '../../cli/command.js'
import { LiveView } from '../../output/live-view.js'
import { loadArgoFake, type ArgoFake } from '../fake-package.js'
import { listenFailure } from '../listen-failure.js'
import { countText } from '../../output/amounts.js'
import { factsOf, introduction } from './introduction.js'
import { randomOutcome } from './random-outcome.js'
import { readTemplates } from './template-file.js'

/** The options of `sluice argo-fake`. */
export interface ArgoFakeFlags {
  readonly port: number
  readonly host: string
  readonly namespace: string
  readonly token: string
  readonly argoVersion: ArgoVersion
  readonly template?: string[]
  readonly parallelism?: number
  readonly failRate: number
  readonly archive?: true
}

const VIEW_GAP_MS = 200

/** Runs the fake until it is interrupted, and shows its state. */
export async function runArgoFake(flags: ArgoFakeFlags, context: CommandContext): Promise<void> {
  const fake = await loadArgoFake(context.cwd)
  const templates = (await templatesOf(flags, context)) ?? fake.testTemplates
  const signal = context.interrupted()
  const server = await start(fake, { ...flags, templates })
  try {
    const { namespace, token } = flags
    const facts = { url: server.url, namespace, token, templates }
    context.output.print(() => introduction(facts, context.cwd), factsOf(facts))
    await show(server, context, signal)
  } finally {
    await server.close()
  }
}

async function templatesOf(
  { template = [] }: ArgoFakeFlags,
  { cwd }: CommandContext,
): Promise<readonly ArgoTemplate[] | undefined> {
  if (template.length === 0) return undefined
  const all: ArgoTemplate[] = []
  for (const file of template) all.push(...(await readTemplates(resolve(cwd, file))))
  return all
}

async function start(
  { startArgoServer, outcomeByParameters }: ArgoFake,
  flags: ArgoFakeFlags & { readonly templates: readonly ArgoTemplate[] },
): Promise<ArgoServer> {
  const { port, host, namespace, token, argoVersion: version, templates, parallelism, failRate } = flags
  const controller = {
    outcome: randomOutcome(failRate, outcomeByParameters),
    ...(parallelism === undefined ? {} : { parallelism }),
  }
  try {
    return await startArgoServer({
      port,
      host,
      namespaces: [namespace],
      token,
      version,
      templates,
      controller,
      archive: flags.archive === true,
      // Its request log is not read here, and would only fill the memory.
      maxLogged: 0,
    })
  } catch (error) {
    throw listenFailure(error, { port, host })
  }
}

async function show(
  server: ArgoServer,
  { output, runtime }: CommandContext,
  signal: AbortSignal,
): Promise<void> {
  if (output.json) {
    if (!signal.aborted) await once(signal, 'abort')
    return
  }
  const view = new LiveView({ stream: output.stderr, runtime })
  let shown = ''
  while (!signal.aborted) {
    const text = stateText(server)
    // In a log a repeated line is noise.
    if (output.live || text !== shown) view.update({ picture: () => text, line: () => (shown = text) })
    await runtime.sleep(VIEW_GAP_MS, signal)
  }
  view.stop()
}

function stateText({ workflows }: ArgoServer): string {
  const { size, unfinished, maxUnfinished } = workflows
  const parts = [
    `unfinished ${countText(unfinished)}`,
    `most at once ${countText(maxUnfinished)}`,
    `finished ${countText(size - unfinished)}`,
  ]
  return parts.join(' · ')
}
