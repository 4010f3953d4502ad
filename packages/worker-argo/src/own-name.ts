/** What stands for the name of a job's workflow in a reason. */
const WORKFLOW = '<workflow>'

/**
 * Words about one workflow, without its name, which is also how the name of each of its pods begins: failures of one cause are to read alike, and part of the
 * name is made of the item's id.
 */
export function withoutOwnName(text: string, workflow: string): string {
  return text.replaceAll(workflow, WORKFLOW)
}
