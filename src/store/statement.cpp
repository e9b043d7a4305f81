#include "store/statement.hpp"

namespace refresh_mv::statement {

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

Values &Values::add(Oid type, Datum value, bool null)
{
    if (count == most)
        elog(ERROR, "too many parameters");
    types[count] = type;
    values[count] = value;
    nulls[count++] = null ? 'n' : ' ';
    return *this;
}

Values &Values::text(const char *value)
{
    return add(TEXTOID, value ? CStringGetTextDatum(value) : 0, value == nullptr);
}

Values &Values::texts(List *list)
{
    auto *elements = static_cast<Datum *>(palloc(sizeof(Datum) * (list_length(list) + 1)));
    ListCell *cell;
    foreach (cell, list)
        elements[foreach_current_index(cell)] = CStringGetTextDatum(static_cast<char *>(lfirst(cell)));
    return add(TEXTARRAYOID,
               PointerGetDatum(construct_array(elements, list_length(list), TEXTOID, -1, false, TYPALIGN_INT)));
}

Values &Values::oids(List *list)
{
    auto *elements = static_cast<Datum *>(palloc(sizeof(Datum) * (list_length(list) + 1)));
    ListCell *cell;
    foreach (cell, list)
        elements[foreach_current_index(cell)] = ObjectIdGetDatum(lfirst_oid(cell));
    return add(OIDARRAYOID, PointerGetDatum(construct_array(elements, list_length(list), OIDOID, sizeof(Oid), true,
                                                            TYPALIGN_INT)));
}

void execute(const char *sql, const Values &parameters, int expected)
{
    check(as_owner([&] {
              return SPI_execute_with_args(sql, parameters.count, const_cast<Oid *>(parameters.types),
                                           const_cast<Datum *>(parameters.values), parameters.nulls, false, 0);
          }),
          expected);
}

// Prepares a query, once.  What is prepared finds rows by their keys, whatever the parameters
// are: to plan it anew for these would take longer than to run it.
static void prepare(SPIPlanPtr *plan, const char *sql, const Values &parameters)
{
    if (*plan != nullptr)
        return;
    SPIPlanPtr fresh =
        SPI_prepare_cursor(sql, parameters.count, const_cast<Oid *>(parameters.types), CURSOR_OPT_GENERIC_PLAN);
    if (fresh == nullptr || SPI_keepplan(fresh) != 0)
        elog(ERROR, "could not prepare a statement on refresh_mv's tables: %s",
             SPI_result_code_string(SPI_result));
    *plan = fresh;
}

void read(SPIPlanPtr *plan, const char *sql, const Values &parameters)
{
    prepare(plan, sql, parameters);
    check(as_owner([&] { return SPI_execute_plan(*plan, const_cast<Datum *>(parameters.values), parameters.nulls, true, 0); }),
          SPI_OK_SELECT);
}

// ---- changing rows ----

Oid find_relation(const char *name)
{
    Oid schema = get_namespace_oid("refresh_mv", true);
    return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

Oid relation(const char *name)
{
    Oid oid = find_relation(name);
    if (!OidIsValid(oid))
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_TABLE),
                 errmsg("relation \"refresh_mv.%s\" does not exist", name),
                 errhint("If the extension has been dropped, CREATE EXTENSION refresh_mv makes it anew.")));
    return oid;
}

// Where another session has dropped the extension, the table has its name until that session's lock is waited for.
Relation open_table(const char *name, LOCKMODE lock)
{
    Relation table = nullptr;
    while (table == nullptr)
        table = try_table_open(relation(name), lock);
    return table;
}

void store(Relation table, HeapTuple row)
{
    heap_insert(table, row, GetCurrentCommandId(true), HEAP_INSERT_NO_LOGICAL, nullptr);
}

// Inserts the entry of a row just stored into an index.  A row that a transaction
// snapshot does not show and that is in the way has come since.
static void insert_entry(Relation table, Relation index, TupleTableSlot *row, EState *estate)
{
    Datum values[INDEX_MAX_KEYS];
    bool nulls[INDEX_MAX_KEYS];
    IndexInfo *info = BuildIndexInfo(index);
    IndexUniqueCheck check = !index->rd_index->indisunique   ? UNIQUE_CHECK_NO
                             : IsolationUsesXactSnapshot() ? UNIQUE_CHECK_PARTIAL
                                                             : UNIQUE_CHECK_YES;

    if (!info->ii_ReadyForInserts
        || !ExecQual(ExecPrepareQual(info->ii_Predicate, estate), GetPerTupleExprContext(estate)))
        return;
    FormIndexDatum(info, row, estate, values, nulls);
    bool unique = index_insert(index, values, nulls, &row->tts_tid, table, check, false, info);
    if (!unique && check == UNIQUE_CHECK_PARTIAL)
        ereport(ERROR,
                (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                 errmsg("could not serialize access due to concurrent update")));
}

void insert(Relation table, HeapTuple row)
{
    EState *estate = CreateExecutorState();
    TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(table), &TTSOpsHeapTuple);
    ListCell *cell;

    store(table, row);
    ExecStoreHeapTuple(row, slot, false);
    GetPerTupleExprContext(estate)->ecxt_scantuple = slot;
    foreach (cell, RelationGetIndexList(table)) {
        Relation index = index_open(lfirst_oid(cell), RowExclusiveLock);
        insert_entry(table, index, slot, estate);
        index_close(index, NoLock);
    }
    ExecDropSingleTupleTableSlot(slot);
    FreeExecutorState(estate);
}

// The row of a table that a row just returned stands for: the columns returned, and
// others as in the old row, if there is one, or null.
static HeapTuple row_for(Relation table, uint64 returned_row)
{
    TupleDesc desc = RelationGetDescr(table);
    TupleTableSlot *old = table_slot_create(table, nullptr);
    bool null;
    Datum tid = returned(returned_row, 1, &null);

    if (null)
        ExecStoreAllNullTuple(old);
    else if (!table_tuple_fetch_row_version(table, DatumGetItemPointer(tid), SnapshotAny, old))
        elog(ERROR, "a row of refresh_mv.%s is gone", RelationGetRelationName(table));
    slot_getallattrs(old);
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute column = TupleDescAttr(desc, i);
        int given = SPI_fnumber(SPI_tuptable->tupdesc, NameStr(column->attname));
        if (given > 1) {
            if (SPI_gettypeid(SPI_tuptable->tupdesc, given) != column->atttypid)
                elog(ERROR, "column %s is of another type", NameStr(column->attname));
            old->tts_values[i] = returned(returned_row, given, &old->tts_isnull[i]);
        }
        if (old->tts_isnull[i] && column->attnotnull && !column->attisdropped)
            elog(ERROR, "column %s of refresh_mv.%s must not be null", NameStr(column->attname),
                 RelationGetRelationName(table));
    }
    HeapTuple row = heap_form_tuple(desc, old->tts_values, old->tts_isnull);
    ExecDropSingleTupleTableSlot(old);
    return row;
}

// Changes rows of a table as the rows that SPI has just returned say.
static uint64 change_returned(Relation table)
{
    uint64 rows = SPI_processed;
    for (uint64 i = 0; i < rows; i++) {
        bool null;
        CHECK_FOR_INTERRUPTS();
        Datum tid = returned(i, 1, &null);
        if (!null)
            simple_heap_delete(table, DatumGetItemPointer(tid));
    }
    for (uint64 i = 0; i < rows && SPI_tuptable->tupdesc->natts > 1; i++)
        insert(table, row_for(table, i));
    table_close(table, NoLock);
    CommandCounterIncrement();
    return rows;
}

uint64 change(const char *name, const char *sql, const Values &values)
{
    Relation table = open_table(name);
    execute(sql, values, SPI_OK_SELECT);
    return change_returned(table);
}

uint64 change(SPIPlanPtr *plan, const char *name, const char *sql, const Values &parameters)
{
    Relation table = open_table(name);
    prepare(plan, sql, parameters);
    check(as_owner([&] { return SPI_execute_plan(*plan, const_cast<Datum *>(parameters.values), parameters.nulls, false, 0); }),
          SPI_OK_SELECT);
    return change_returned(table);
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

int64 returned_int64(uint64 row, int column)
{
    bool null;
    Datum value = returned(row, column, &null);
    return null ? 0 : DatumGetInt64(value);
}

Oid returned_oid(uint64 row, int column)
{
    bool null;
    return DatumGetObjectId(returned(row, column, &null));
}

bool returned_bool(uint64 row, int column)
{
    bool null;
    Datum value = returned(row, column, &null);
    return !null && DatumGetBool(value);
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

} // namespace refresh_mv::statement
