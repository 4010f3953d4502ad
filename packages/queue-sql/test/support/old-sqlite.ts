import { DatabaseSync } from 'node:sqlite'
import { vi } from 'vitest'

/** Makes this process's SQLite say that it is of another version; `vi.restoreAllMocks` undoes it. */
export function pretendSqlite(version: string): void {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with the database below
  const prepare = DatabaseSync.prototype.prepare
  vi.spyOn(DatabaseSync.prototype, 'prepare').mockImplementation(function (this: DatabaseSync, text: string) {
    return prepare.call(this, text.replace('sqlite_version()', `'${version}'`))
  })
}
