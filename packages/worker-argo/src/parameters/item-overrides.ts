import { bodyValueAt, type JsonValue } from '@sluice/core'
import { rejectedItem } from './job-parameters.js'
import { overridesSchema, submitProblems, type ArgoWorkerSettings, type Overrides } from '../options.js'
import { parsePath } from './parameter-source.js'

/**
 * What is set for one item's workflow: the options', and on top what its body says at `overridesFrom`.
 *
 * @throws SluiceError SLUICE_JOB_REJECTED when the body's are wrong
 */
export function overridesFor(
  settings: ArgoWorkerSettings,
  item: { readonly id: string; readonly body: JsonValue },
): Overrides {
  if (settings.overridesFrom === undefined) return settings
  const given = bodyValueAt(item.body, parsePath(settings.overridesFrom))
  if (given === undefined || given === null) return settings
  const parsed = overridesSchema.safeParse(given)
  const problems = parsed.success
    ? settings.via === 'submit'
      ? submitProblems(parsed.data)
      : []
    : parsed.error.issues.map(({ path, message }) => [path.join('.'), message] as const)
  if (!parsed.success || problems.length > 0) {
    const lines = problems.map(([field, message]) => `${field}: ${message}`)
    throw rejectedItem(
      item.id,
      `what its body has at ${settings.overridesFrom} is wrong: ${lines.join('; ')}`,
    )
  }
  return merged(settings, parsed.data)
}

function merged(all: Overrides, own: Overrides): Overrides {
  const { entrypoint, serviceAccount, priority, podPriorityClass } = { ...all, ...own }
  return {
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    ...(priority === undefined ? {} : { priority }),
    ...(podPriorityClass === undefined ? {} : { podPriorityClass }),
    labels: { ...all.labels, ...own.labels },
    annotations: { ...all.annotations, ...own.annotations },
    spec: { ...all.spec, ...own.spec },
  }
}
