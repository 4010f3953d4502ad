import { ArgoRefusal } from '../server/answer.js'

/** One condition of a label selector. */
export interface Requirement {
  readonly key: string
  readonly operator: 'in' | 'notin' | 'exists' | 'absent' | 'above' | 'below'
  readonly values: readonly string[]
}

/** A label selector: every requirement holds. */
export type LabelSelector = readonly Requirement[]

type Labels = Readonly<Record<string, string>>

const SET = /^([^\s!=<>(),]+)\s+(in|notin)\s*\(([^()]*)\)$/
const COMPARED = /^([^\s!=<>(),]+)\s*(==|=|!=|>|<)\s*([^\s!=<>(),]*)$/
const EXISTS = /^(!?)\s*([^\s!=<>(),]+)$/

/**
 * Reads a label selector of Kubernetes.
 *
 * @throws ArgoRefusal 400 when it is none
 */
export function parseLabelSelector(text: string): LabelSelector {
  if (text.trim() === '') return []
  // A comma within parentheses parts values, not requirements.
  return text.split(/,(?![^(]*\))/).map((part) => requirement(part.trim(), text))
}

function requirement(text: string, whole: string): Requirement {
  const set = SET.exec(text)
  if (set !== null) {
    const [, key = '', operator, values = ''] = set
    return {
      key,
      operator: operator === 'in' ? 'in' : 'notin',
      values: values.split(',').map((one) => one.trim()),
    }
  }
  const compared = COMPARED.exec(text)
  if (compared !== null) {
    const [, key = '', sign = '', value = ''] = compared
    return { key, operator: COMPARISONS[sign] ?? 'in', values: [value] }
  }
  const exists = EXISTS.exec(text)
  if (exists !== null) {
    const [, not, key = ''] = exists
    return { key, operator: not === '!' ? 'absent' : 'exists', values: [] }
  }
  throw new ArgoRefusal(3, `unable to parse requirement: found '${text}', in selector '${whole}'`)
}

const COMPARISONS: Readonly<Record<string, Requirement['operator']>> = {
  '=': 'in',
  '==': 'in',
  '!=': 'notin',
  '>': 'above',
  '<': 'below',
}

/** Whether labels are selected. */
export function selects(selector: LabelSelector, labels: Labels): boolean {
  return selector.every((one) => meets(one, labels))
}

/** Whether labels meet one requirement. A missing label meets `!=` and `notin`. */
export function meets({ key, operator, values }: Requirement, labels: Labels): boolean {
  return TESTS[operator](labels[key], values)
}

const TESTS: Readonly<
  Record<Requirement['operator'], (value: string | undefined, values: readonly string[]) => boolean>
> = {
  exists: (value) => value !== undefined,
  absent: (value) => value === undefined,
  in: (value, values) => value !== undefined && values.includes(value),
  notin: (value, values) => value === undefined || !values.includes(value),
  above: (value, [bound]) => value !== undefined && Number(value) > Number(bound),
  below: (value, [bound]) => value !== undefined && Number(value) < Number(bound),
}

/** The same text for the same requirement. */
export function requirementText({ key, operator, values }: Requirement): string {
  return `${key} ${operator} ${values.toSorted().join(',')}`
}
