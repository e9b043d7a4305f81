#include "tables.hpp"

namespace tables {

Oid owner()
{
    Oid schema = get_namespace_oid("refresh_mv", false);
    HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "schema refresh_mv does not exist");
    Oid role = reinterpret_cast<Form_pg_namespace>(GETSTRUCT(tuple))->nspowner;
    ReleaseSysCache(tuple);
    return role;
}

// Calls run() as the owner of the tables and returns its result.
template <class Run>
static auto as_owner(Run run)
{
    Oid saved_user;
    int saved_context;

    GetUserIdAndSecContext(&saved_user, &saved_context);
    SetUserIdAndSecContext(owner(), saved_context | SECURITY_LOCAL_USERID_CHANGE);
    auto result = run();
    SetUserIdAndSecContext(saved_user, saved_context);
    return result;
}

static void check(int result, int expected)
{
    if (result != expected)
        elog(ERROR, "unexpected result of a statement on refresh_mv's tables: %s",
             SPI_result_code_string(result));
}

void execute(const char *sql, Parameters parameters, int expected)
{
    check(as_owner([&] {
              return SPI_execute_with_args(sql, parameters.count, const_cast<Oid *>(parameters.types),
                                           parameters.values, parameters.nulls, false, 0);
          }),
          expected);
}

// Prepares a query, once.
static void prepare(SPIPlanPtr *plan, const char *sql, Parameters parameters)
{
    if (*plan != nullptr)
        return;
    SPIPlanPtr fresh = SPI_prepare(sql, parameters.count, const_cast<Oid *>(parameters.types));
    if (fresh == nullptr || SPI_keepplan(fresh) != 0)
        elog(ERROR, "could not prepare a statement on refresh_mv's tables: %s",
             SPI_result_code_string(SPI_result));
    *plan = fresh;
}

void read(SPIPlanPtr *plan, const char *sql, Parameters parameters)
{
    prepare(plan, sql, parameters);
    check(as_owner([&] { return SPI_execute_plan(*plan, parameters.values, parameters.nulls, true, 0); }),
          SPI_OK_SELECT);
}

Portal open(SPIPlanPtr *plan, const char *sql, Parameters parameters)
{
    prepare(plan, sql, parameters);
    return as_owner([&] { return SPI_cursor_open(nullptr, *plan, parameters.values, parameters.nulls, true); });
}

uint64 fetch(Portal cursor, long count)
{
    return as_owner([&] {
        SPI_cursor_fetch(cursor, true, count);
        return SPI_processed;
    });
}

Datum returned(uint64 row, int column, bool *null)
{
    return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, null);
}

char *returned_text(uint64 row, int column, MemoryContext memory)
{
    char *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
    return value ? MemoryContextStrdup(memory, value) : nullptr;
}

Datum text_array(List *names)
{
    auto *elements = static_cast<Datum *>(palloc(sizeof(Datum) * (list_length(names) + 1)));
    ListCell *cell;

    foreach (cell, names)
        elements[foreach_current_index(cell)] =
            CStringGetTextDatum(static_cast<char *>(lfirst(cell)));
    return PointerGetDatum(construct_array(elements, list_length(names), TEXTOID, -1, false,
                                           TYPALIGN_INT));
}

List *names_of(Datum array)
{
    Datum *elements;
    int count;
    List *names = NIL;

    deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements,
                      nullptr, &count);
    for (int i = 0; i < count; i++)
        names = lappend(names, TextDatumGetCString(elements[i]));
    return names;
}

bool contains(List *names, const char *name)
{
    ListCell *cell;
    foreach (cell, names)
        if (strcmp(static_cast<char *>(lfirst(cell)), name) == 0)
            return true;
    return false;
}

} // namespace tables
