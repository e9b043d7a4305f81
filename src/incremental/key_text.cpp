#include "incremental/key_text.hpp"

#include "incremental/row_names.hpp"
#include "query/sql_template.hpp"

namespace refresh_mv::key_text {

char *list(const GroupShape &shape, const char *prefix)
{
    return sql_template::number_all(psprintf("%sk#, ", prefix), shape.nkeys);
}

char *hash(const GroupShape &shape, const char *prefix)
{
    if (shape.nkeys == 0)
        return pstrdup("0::pg_catalog.int8");
    char *keys = list(shape, prefix);
    keys[strlen(keys) - 2] = '\0';
    return psprintf("pg_catalog.hash_record_extended(ROW(%s), 0)", keys);
}

char *value_hash(const GroupShape &shape, const char *prefix)
{
    return psprintf("pg_catalog.hash_record_extended(ROW(%s%sv), 0)", list(shape, prefix), prefix);
}

char *same(const GroupShape &shape, const char *a, const char *b)
{
    StringInfoData text;
    initStringInfo(&text);
    for (int i = 0; i < shape.nkeys; i++)
        appendStringInfo(&text, " AND %s.k%d %s %s.k%d", a, i + 1,
                         shape.keys[i].not_null ? "=" : "IS NOT DISTINCT FROM", b, i + 1);
    return text.data;
}

char *same_by_hash(const GroupShape &shape, const char *a, const char *b)
{
    bool nulls = false;
    for (int i = 0; i < shape.nkeys; i++)
        nulls |= !shape.keys[i].not_null;
    return nulls ? psprintf(" AND %s = %s%s", hash(shape, psprintf("%s.", a)), hash(shape, psprintf("%s.", b)),
                            same(shape, a, b))
                 : same(shape, a, b);
}

char *group_by(const GroupShape &shape, const char *more)
{
    char *keys = list(shape, "u.");
    if (*more == '\0' && shape.nkeys > 0)
        keys[strlen(keys) - 2] = '\0';
    return shape.nkeys == 0 && *more == '\0' ? pstrdup("") : psprintf(" GROUP BY %s%s", keys, more);
}

} // namespace refresh_mv::key_text
