#!/bin/bash
# Tests views whose result depends on a setting of an extension: pg_trgm's % and
# its like. They are tracked, and refreshed in full when the setting differs from
# that of the last refresh, whether the extension's library had been loaded by then
# or not.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"
need_extension pg_trgm

# Refreshes the view $1 in a session of its own, after the commands $2; prints the method.
refreshed() {
    psql -Atq -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'SET refresh_mv.exact_cost_limit = 1e9' ${2:+-c "$2"} \
        -c "SELECT FROM refresh_materialized_views_smart('{$1}') WHERE NOT success" \
        -c 'SELECT method FROM refresh_mv.journal ORDER BY id DESC LIMIT 1'
}

# Fails unless the view $1 holds what its query returns after the commands $2.
check() {
    expect 0 "$(psql -Atq -c 'SET client_min_messages = warning' ${2:+-c "$2"} -c "
        SELECT count(*) FROM ((TABLE $1 EXCEPT ALL SELECT * FROM ${1}_query) UNION ALL
                              (SELECT * FROM ${1}_query EXCEPT ALL TABLE $1)) d")" "the number of wrong rows of $1"
}

new_database trgm
query 'CREATE EXTENSION pg_trgm; CREATE TABLE t (id integer PRIMARY KEY, s text);
       INSERT INTO t SELECT i, left($$materialized views$$, i) FROM generate_series(1, 17) AS i'

# view, setting, condition
while IFS='|' read -r view setting condition; do
    query "CREATE VIEW ${view}_query AS SELECT id, s FROM t WHERE $condition;
           CREATE MATERIALIZED VIEW $view AS SELECT id, s FROM t WHERE $condition"
    expect t "$(query "SELECT tracked FROM refresh_mv.track('$view')")" "tracked, for $view"
    expect full "$(refreshed "$view")" "the first refresh of $view"
    expect skip "$(refreshed "$view")" "the second refresh of $view"
    # Set before anything has loaded the library, after that, and written otherwise.
    expect full "$(refreshed "$view" "SET $setting = 0.9")" "the refresh of $view under another setting"
    check "$view" "SET $setting = 0.9"
    expect skip "$(refreshed "$view" "SET $setting = '0.90'")" "the refresh of $view under the same setting"
    expect skip "$(refreshed "$view" "SELECT count(*) FROM t WHERE s % 'x' HAVING false; SET $setting = 0.9")" \
        "the refresh of $view under the same setting, with the library loaded"
    query "UPDATE t SET s = s || ' ' WHERE id = 16"
    expect keys "$(refreshed "$view" "SET $setting = 0.9")" "the refresh of $view after a change"
    check "$view" "SET $setting = 0.9"
    query "DELETE FROM t WHERE id = 14; INSERT INTO t VALUES (14, 'materialize')"
    expect full "$(refreshed "$view")" "the refresh of $view after a change, under another setting"
    check "$view" ''
    expect skip "$(refreshed "$view")" "the refresh of $view at last"
done <<'END'
alike|pg_trgm.similarity_threshold|s % 'materialized'
words|pg_trgm.word_similarity_threshold|s <% 'a materialized view'
words_turned|pg_trgm.word_similarity_threshold|'a materialized view' %> s
strict_words|pg_trgm.strict_word_similarity_threshold|s <<% 'a materialized view'
strict_words_turned|pg_trgm.strict_word_similarity_threshold|'a materialized view' %>> s
shown|pg_trgm.similarity_threshold|similarity(s, 'materialized') >= show_limit()
END

# A function of the same name that is not the extension's is a stable function.
query 'CREATE FUNCTION similarity_op(text) RETURNS boolean STABLE LANGUAGE sql AS $$SELECT true$$;
       CREATE MATERIALIZED VIEW other AS SELECT id FROM t WHERE similarity_op(s)'
expect_like '*stable function*' "$(query "SELECT reason FROM refresh_mv.explain('other') WHERE method = 'skip'")" 'the reason'

# Function and operator may be in any schema, and go with the extension.
query "CREATE SCHEMA elsewhere; ALTER EXTENSION pg_trgm SET SCHEMA elsewhere"
refreshed alike >/dev/null
expect skip "$(refreshed alike)" 'the refresh after the extension was moved'
