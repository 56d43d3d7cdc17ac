"""What DuckDB finds in the data lake in the folder given, in files of Parquet or, with `jsonl`, of JSON Lines: one JSON object."""

import json
import sys

import duckdb

folder, extension = sys.argv[1:]
read = {"parquet": "read_parquet", "jsonl": "read_json"}[extension]
lake = f"{read}('{folder}/*/*/*.{extension}', hive_partitioning = true, union_by_name = true)"
duckdb.sql("set TimeZone = 'UTC'")


def rows(query):
    return duckdb.sql(query).fetchall()


print(json.dumps({
    "ids": [row[0] for row in rows(f"select id::varchar from {lake}")],
    "types": {row[0]: row[1] for row in rows(f"describe select * from {lake}")},
    "detail_types": dict(rows(f"select detail_type, count(*) from {lake} group by all")),
    # What stands in the path, in a column and in the detail is the same.
    "wrong": rows(f"""select count(*) from {lake} where time::date <> date
        or "detail-type" <> detail_type or json_extract_string(detail, '$.trialId') <> trial_id::varchar""")[0][0],
    "plan": rows(f"""explain analyze select count(*) from {lake} where "detail-type" = 'TrialExpired'""")[0][1],
}))
