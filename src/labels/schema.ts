import { UserError } from '../graph/errors.ts'
import type { Database } from './connection.ts'

/** The version of the tables; a store of a newer one is refused. */
export const storeVersion = 1

/** What tells a store of labels from other SQLite files: `Inna` as a number. */
const applicationId = 0x496e6e61

const tables = `
  CREATE TABLE pair (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    prompt TEXT NOT NULL,
    a TEXT NOT NULL,
    b TEXT NOT NULL,
    source TEXT NOT NULL,
    priority REAL NOT NULL DEFAULT 0
  );
  CREATE TABLE label (
    id INTEGER PRIMARY KEY,
    pair INTEGER NOT NULL REFERENCES pair (id),
    rater TEXT NOT NULL,
    choice TEXT NOT NULL CHECK (choice IN ('a', 'b', 'tie', 'none', 'skip')),
    first TEXT CHECK (first IN ('a', 'b')),
    confidence INTEGER CHECK (confidence IN (1, 2, 3)),
    note TEXT,
    at TEXT NOT NULL,
    UNIQUE (pair, rater)
  );
  CREATE INDEX label_rater ON label (rater, id);
`

/**
 * Makes the tables of a new store, or checks that an old one is one that this version reads.
 *
 * throws  UserError for another program's database, or a store of a newer version
 */
export function prepareStore(file: string, db: Database): void {
  const version = Number(db.get('PRAGMA user_version')!.user_version)
  const application = Number(db.get('PRAGMA application_id')!.application_id)
  const empty = Number(db.get('SELECT count(*) AS n FROM sqlite_schema')!.n) === 0
  if (empty && version === 0) {
    db.exec(`BEGIN IMMEDIATE; ${tables} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${storeVersion}; COMMIT`)
    return
  }
  if (application !== applicationId)
    throw new UserError(`${file}: must be a store of labels, got a database of another program; name another file`)
  if (version > storeVersion)
    throw new UserError(
      `${file}: must be a store of version ${storeVersion} or older, got version ${version}; it was written by a newer innate: update this one`,
    )
}
