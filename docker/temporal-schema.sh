#!/bin/sh
# Brings Temporal's two databases to the schema of this image. May be run again: what is there already stays.
set -eu

bring_up() {
    database=$1
    folder=$2
    # Sets the version of an empty database alone; update-schema goes on from the version that it finds.
    sql_tool "$database" setup-schema -v 0.0
    sql_tool "$database" update-schema -d "/etc/temporal/schema/postgresql/v12/$folder/versioned"
}

sql_tool() {
    database=$1
    shift
    temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_SEEDS" -p "$DB_PORT" -u "$POSTGRES_USER" --db "$database" "$@"
}

bring_up temporal temporal
bring_up temporal_visibility visibility
