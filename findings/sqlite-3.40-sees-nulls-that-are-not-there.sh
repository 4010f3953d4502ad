#!/usr/bin/env bash
# SQLite 3.40 calls a sound database damaged. PRAGMA integrity_check and quick_check report "NULL value in t.a" for each NOT NULL column outside of
# the primary key of a WITHOUT ROWID table whose last column belongs to that key, although no row has a NULL there; with another column at the end they
# say ok. 3.42 says ok of both. 3.40.1 is the SQLite of Debian 12, so the sqlite3 command of many servers reports damage in a backup that has none.
#
# It runs both tables on SQLite 3.40.0 and 3.42.0, as two releases of pysqlite3-binary bring them along. Needs Python 3.8 to 3.11 with venv, on Linux x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/check.py" <<'PY'
import pysqlite3 as sqlite3

TABLES = [
    "create table t (a integer not null, b integer primary key) without rowid",
    "create table t (b integer primary key, a integer not null) without rowid",
]
for text in TABLES:
    db = sqlite3.connect(":memory:")
    db.execute(text)
    db.execute("insert into t (a, b) values (1, 2)")
    ask = lambda query: db.execute(query).fetchall()[0][0]
    nulls = ask("select count(*) from t where typeof(a) = 'null'")
    print(f"{sqlite3.sqlite_version}: {text}: NULLs {nulls}, integrity_check: {ask('pragma integrity_check')}, quick_check: {ask('pragma quick_check')}")
PY

run() {
  python3 -m venv "$folder/$1"
  "$folder/$1/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "pysqlite3-binary==$1"
  "$folder/$1/bin/python" "$folder/check.py"
}

seen=$(run 0.5.0; run 0.5.1)
echo "$seen"

said='NULLs 0, integrity_check: NULL value in t.a, quick_check: NULL value in t.a'
ok='NULLs 0, integrity_check: ok, quick_check: ok'
key_last='create table t (a integer not null, b integer primary key) without rowid'
key_first='create table t (b integer primary key, a integer not null) without rowid'
expected="3.40.0: $key_last: $said
3.40.0: $key_first: $ok
3.42.0: $key_last: $ok
3.42.0: $key_first: $ok"
if [ "$seen" != "$expected" ]; then
  echo 'The behaviour has changed.' >&2
  exit 1
fi
