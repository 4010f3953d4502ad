import { randomUUID } from 'node:crypto'
import type pg from 'pg'

export interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly Plans?: readonly PlanNode[]
}

/**
 * The plan that a connection keeps of a statement: every node of it. EXPLAIN (GENERIC_PLAN) would say the
 * same, and is only there from PostgreSQL 16 on.
 *
 * @param client of a connection that plans as ours do
 */
export async function genericPlan(client: pg.Client, text: string): Promise<PlanNode[]> {
  const name = `plan_${randomUUID().replaceAll('-', '')}`
  const count = Math.max(0, ...[...text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)))
  const values = count === 0 ? '' : `(${Array.from({ length: count }, () => 'null').join(', ')})`
  await client.query('set plan_cache_mode = force_generic_plan')
  await client.query(`prepare ${name} as ${text}`)
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
    `explain (format json) execute ${name}${values}`,
  )
  await client.query(`deallocate ${name}`)
  return rows.flatMap(({ 'QUERY PLAN': plans }) => plans.flatMap(({ Plan }) => withChildren(Plan)))
}

function withChildren(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(withChildren)]
}
