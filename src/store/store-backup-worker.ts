/** Copies a SQLite database in a thread of its own: the copy is one statement that would hold up every listener. */

import { DatabaseSync } from 'node:sqlite';
import { workerData } from 'node:worker_threads';

const { from, to } = workerData as { from: string; to: string };
const database = new DatabaseSync(from, { readOnly: true, timeout: 5000 });
try {
  database.prepare('vacuum into ?').run(to);
} finally {
  database.close();
}
