/**
 * One table, as programs wrote it that no test can start: DuckDB 2.0.1, polars 2.1.0, pandas 3.1.1, MariaDB
 * 10.11, PostgreSQL 18.4 and Spark 4.3.0. It has what their dialects differ in.
 */
export const WRITTEN_ROWS: readonly (readonly (string | null)[])[] = [
  ['1', 'plain', 'x'],
  ['2', 'a,b', 'say "hi"'],
  ['3', 'two\nlines', null],
  ['4', '', '#no comment'],
  ['5', ' blanks ', 'tab\there'],
  ['6', null, 'back\\slash'],
  ['#7', 'é😀', 'a\r\nb'],
  ['8', '\\N', 'NULL'],
  ['9', ";|'", "it's"],
]

export interface WriterSample {
  /** As in docs/manifests.md. */
  readonly name: string
  /** In samples/writers. */
  readonly file: string
  /** As in docs/manifests.md. */
  readonly flags: readonly string[]
  /** Those that only this sample needs: its names, where it has no header. */
  readonly columns?: true
  /** What a null and an empty string are read as; `undefined`: the field is absent. */
  readonly reads: { readonly null: string | null | undefined; readonly empty: string | undefined }
}

const ABSENT = { null: undefined, empty: '' }
const BOTH_ABSENT = { null: undefined, empty: undefined }
const NULL = { null: null, empty: '' }

export const WRITER_SAMPLES: readonly WriterSample[] = [
  { name: 'DuckDB `COPY … TO` CSV', file: 'duckdb.csv', flags: ['--blank', 'absent'], reads: ABSENT },
  {
    name: "DuckDB `COPY … TO` with `DELIMITER '\\t'`",
    file: 'duckdb.tsv',
    flags: ['--quote', '"', '--blank', 'absent'],
    reads: ABSENT,
  },
  { name: 'DuckDB `COPY … TO` with `FORMAT json`', file: 'duckdb.jsonl', flags: [], reads: NULL },
  { name: 'polars `write_csv`', file: 'polars.csv', flags: ['--blank', 'absent'], reads: ABSENT },
  {
    name: 'polars `write_csv`, `separator="\\t"`',
    file: 'polars.tsv',
    flags: ['--quote', '"', '--blank', 'absent'],
    reads: ABSENT,
  },
  { name: 'polars `write_ndjson`', file: 'polars.jsonl', flags: [], reads: NULL },
  {
    name: 'pandas `to_csv`',
    file: 'pandas.csv',
    flags: ['--blank', 'absent', '--line-ends', 'lf'],
    reads: BOTH_ABSENT,
  },
  {
    name: 'pandas `to_csv`, `sep="\\t"`',
    file: 'pandas.tsv',
    flags: ['--quote', '"', '--blank', 'absent', '--line-ends', 'lf'],
    reads: BOTH_ABSENT,
  },
  { name: 'pandas `to_json`, `orient="records", lines=True`', file: 'pandas.jsonl', flags: [], reads: NULL },
  {
    name: 'Spark `write.csv`, `ignoreLeadingWhiteSpace` and `ignoreTrailingWhiteSpace` false',
    file: 'spark.csv',
    flags: ['--escape', '\\', '--escape-in', 'quotes', '--blank', 'absent'],
    reads: ABSENT,
  },
  { name: 'Spark `write.json`', file: 'spark.json', flags: [], reads: ABSENT },
  { name: 'psql `\\copy` CSV', file: 'psql.csv', flags: ['--blank', 'absent'], reads: ABSENT },
  {
    name: 'psql `\\copy`, text',
    file: 'psql.txt',
    flags: ['--format', 'tsv', '--escape', '\\'],
    columns: true,
    reads: NULL,
  },
  {
    name: 'MySQL, MariaDB `INTO OUTFILE`',
    file: 'mariadb.tsv',
    flags: ['--escape', '\\'],
    columns: true,
    reads: NULL,
  },
  {
    name: "MySQL, MariaDB `INTO OUTFILE` with `FIELDS TERMINATED BY ',' ENCLOSED BY '\"'`",
    file: 'mariadb-enclosed.csv',
    flags: ['--escape', '\\', '--null-value', '\\N'],
    columns: true,
    reads: NULL,
  },
  {
    name: 'MySQL, MariaDB `mysql --batch`',
    file: 'mariadb-batch.tsv',
    flags: ['--escape', '\\'],
    reads: { null: 'NULL', empty: '' },
  },
]
