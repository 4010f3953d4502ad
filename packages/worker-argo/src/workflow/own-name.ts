/** What stands for the name of a job's workflow in a reason. */
const WORKFLOW = '<workflow>'

/**
 * Words about one workflow, without its name, with which those of its pods begin too. Part of it is made of
 * the item's id: failures of one cause are to read alike, and no word of an id is to pass for one of the
 * failure's.
 */
export function withoutOwnName<T extends string | undefined>(text: T, workflow: string): T | string {
  return text === undefined ? text : text.replaceAll(workflow, WORKFLOW)
}
