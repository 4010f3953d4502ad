import { ArgoRefusal } from '../server/answer.js'
import type { ArgoWorkflow } from '../argo-workflow.js'
import { parseLabelSelector, type LabelSelector } from './label-selector.js'
import type { ArgoRules } from '../rules.js'

/** The parameters of a list. */
export interface ListQuery {
  readonly namespace: string
  readonly selector: LabelSelector
  readonly limit: number
  readonly offset: number
  readonly showRemaining: boolean
  /** The same text for the same conditions besides the selector. */
  readonly key: string
  /** Whether a workflow meets the conditions besides the selector. */
  readonly keeps: (workflow: ArgoWorkflow) => boolean
}

/**
 * Reads the query of a list of workflows, live or archived.
 *
 * @throws ArgoRefusal 400, or 500 for an instant that is none
 */
export function readListQuery(query: URLSearchParams, namespace: string, rules: ArgoRules): ListQuery {
  const fields = readFieldSelector(query.get('listOptions.fieldSelector') ?? '', rules)
  const selected = fields.namespace ?? ''
  if (namespace !== '' && selected !== '' && selected !== namespace) {
    throw new ArgoRefusal(
      3,
      `'namespace' query param ("${namespace}") and fieldselector 'metadata.namespace' ("${selected}") are both specified and contradict each other`,
    )
  }
  const wanted = namespace === '' ? selected : namespace
  const conditions: ((one: ArgoWorkflow) => boolean)[] = [
    ...fields.conditions,
    ...timeConditions(query, rules),
  ]
  if (wanted !== '') conditions.push(({ metadata }) => metadata.namespace === wanted)
  if (fields.name !== undefined) conditions.push(nameCondition(fields.name, query, rules))
  return {
    namespace: wanted,
    selector: parseLabelSelector(query.get('listOptions.labelSelector') ?? ''),
    limit: integer(query, 'listOptions.limit'),
    offset: offsetOf(query.get('listOptions.continue') ?? ''),
    showRemaining: fields.showRemaining,
    key: ['listOptions.fieldSelector', 'nameFilter', 'createdAfter', 'finishedBefore']
      .map((name) => query.get(name) ?? '')
      .concat(wanted)
      .join(' & '),
    keeps: (one) => conditions.every((condition) => condition(one)),
  }
}

interface FieldSelector {
  name?: string
  namespace?: string
  showRemaining: boolean
  readonly conditions: ((one: ArgoWorkflow) => boolean)[]
}

function readFieldSelector(text: string, rules: ArgoRules): FieldSelector {
  const read: FieldSelector = { showRemaining: false, conditions: [] }
  for (const part of text.split(',')) if (part !== '') readField(part, read, rules)
  return read
}

const FIELD =
  /^(metadata\.name|metadata\.namespace|spec\.startedAt|ext\.showRemainingItemCount)(==|!=|=|>|<)(.*)$/

function readField(part: string, read: FieldSelector, rules: ArgoRules): void {
  const [, field = '', sign = '', value = ''] = FIELD.exec(part) ?? []
  const unknown = new ArgoRefusal(3, `unsupported requirement ${part}`)
  switch (`${field} ${sign === '==' ? '=' : sign}`) {
    case 'metadata.name =':
      read.name = value
      return
    case 'metadata.namespace =':
      read.namespace = value
      return
    case 'metadata.name !=':
    case 'metadata.namespace !=': {
      if (!rules.fieldInequality) throw unknown
      const key = field === 'metadata.name' ? 'name' : 'namespace'
      read.conditions.push(({ metadata }) => metadata[key] !== value)
      return
    }
    case 'spec.startedAt >':
    case 'spec.startedAt <': {
      const at = instant(value)
      read.conditions.push(({ status }) =>
        sign === '>' ? startOf(status.startedAt) >= at : startOf(status.startedAt) <= at,
      )
      return
    }
    case 'ext.showRemainingItemCount =':
      read.showRemaining = boolean(value)
      return
    default:
      throw unknown
  }
}

/** What hasn't started has Go's zero time. */
function startOf(startedAt: string | null): number {
  return startedAt === null ? Number.NEGATIVE_INFINITY : Date.parse(startedAt)
}

function instant(text: string): number {
  const at = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) {
    throw new ArgoRefusal(
      13,
      `parsing time "${text}" as "2006-01-02T15:04:05Z07:00": cannot parse "${text}" as "2006"`,
    )
  }
  return at
}

function boolean(text: string): boolean {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false
  throw new ArgoRefusal(13, `strconv.ParseBool: parsing "${text}": invalid syntax`)
}

function nameCondition(
  wanted: string,
  query: URLSearchParams,
  rules: ArgoRules,
): (one: ArgoWorkflow) => boolean {
  const filter = rules.nameFilter ? (query.get('nameFilter') ?? '') : ''
  return ({ metadata: { name } }) => {
    switch (filter) {
      case 'Contains':
        return name.includes(wanted)
      case 'Prefix':
        return name.startsWith(wanted)
      case 'NotEquals':
        return name !== wanted
      default:
        return name === wanted
    }
  }
}

/** Compared as text; what is unfinished has the zero time, which is before everything. */
function timeConditions(query: URLSearchParams, rules: ArgoRules): ((one: ArgoWorkflow) => boolean)[] {
  if (!rules.timeFilters) return []
  const conditions: ((one: ArgoWorkflow) => boolean)[] = []
  const after = query.get('createdAfter') ?? ''
  const before = query.get('finishedBefore') ?? ''
  if (after !== '') {
    instant(after)
    conditions.push(({ metadata }) => metadata.creationTimestamp > after)
  }
  if (before !== '') {
    instant(before)
    conditions.push(({ status }) => (status.finishedAt ?? '') < before)
  }
  return conditions
}

function integer(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? ''
  if (text === '') return 0
  // The gateway passes the text of Go's parser on, which does not name the parameter.
  if (!/^[+-]?\d+$/.test(text)) {
    throw new ArgoRefusal(3, `strconv.ParseInt: parsing "${text}": invalid syntax`)
  }
  const value = Number(text)
  if (!Number.isSafeInteger(value)) {
    throw new ArgoRefusal(3, `strconv.ParseInt: parsing "${text}": value out of range`)
  }
  return Math.max(0, value)
}

function offsetOf(text: string): number {
  if (text === '') return 0
  if (!/^[+-]?\d+$/.test(text)) throw new ArgoRefusal(3, 'listOptions.continue must be int')
  const offset = Number(text)
  if (offset < 0) throw new ArgoRefusal(3, 'listOptions.continue must >= 0')
  return offset
}
