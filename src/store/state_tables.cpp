#include "store/state_tables.hpp"

#include "store/statement.hpp"

#include <initializer_list>

namespace refresh_mv {

namespace {

// What tells the tables of a state from those of others.
const char *suffix(State state)
{
    return state.node == 0 ? psprintf("%u", state.view) : psprintf("%u_%d", state.view, state.node);
}

// Whether a publication sends all tables that are logged, these among them.
bool are_published()
{
    return GetAllTablesPublications() != NIL || GetSchemaPublications(get_namespace_oid("refresh_mv", false)) != NIL;
}

// Takes back what default privileges have granted: the state holds groups that the
// view does not show.
void keep_private(Oid table)
{
    Relation catalog = table_open(RelationRelationId, RowExclusiveLock);
    HeapTuple tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(table));
    Datum values[Natts_pg_class] = {};
    bool nulls[Natts_pg_class] = {};
    bool replaced[Natts_pg_class] = {};
    Oid *members;
    bool null;
    Datum acl = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &null);

    if (!null) {
        int count = aclmembers(DatumGetAclP(acl), &members);
        nulls[Anum_pg_class_relacl - 1] = replaced[Anum_pg_class_relacl - 1] = true;
        HeapTuple changed = heap_modify_tuple(tuple, RelationGetDescr(catalog), values, nulls, replaced);
        CatalogTupleUpdate(catalog, &tuple->t_self, changed);
        updateAclDependencies(RelationRelationId, table, 0, statement::owner(), count, members, 0, nullptr);
    }
    table_close(catalog, RowExclusiveLock);
}

// Drops a table that is a member of the extension.  Its row type and the array of that are
// members too after pg_upgrade: ALTER EXTENSION ADD adds them, from 17 on.
void drop_table(Oid table)
{
    ObjectAddress address;
    Oid type = get_rel_type_id(table);
    deleteDependencyRecordsForClass(RelationRelationId, table, ExtensionRelationId, DEPENDENCY_EXTENSION);
    for (Oid member : {type, get_array_type(type)})
        deleteDependencyRecordsForClass(TypeRelationId, member, ExtensionRelationId, DEPENDENCY_EXTENSION);
    CommandCounterIncrement();
    ObjectAddressSet(address, RelationRelationId, table);
    performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
    CommandCounterIncrement();
}

// Drops the state tables that a query names.
void drop_tables(const char *sql, Oid view)
{
    MemoryContext memory = CurrentMemoryContext;
    List *oids = NIL;
    ListCell *cell;
    bool null;

    SPI_connect();
    statement::execute(sql, statement::Values().oid(view), SPI_OK_SELECT);
    MemoryContext old = MemoryContextSwitchTo(memory);
    for (uint64 i = 0; i < SPI_processed; i++)
        oids = lappend_oid(oids, DatumGetObjectId(statement::returned(i, 1, &null)));
    MemoryContextSwitchTo(old);
    SPI_finish();
    foreach (cell, oids)
        if (OidIsValid(view) || ConditionalLockRelationOid(lfirst_oid(cell), AccessExclusiveLock))
            drop_table(lfirst_oid(cell));
}

} // namespace

namespace state_tables {

bool logged = false;

bool may_change(State state)
{
    Oid table = groups_oid(state);
    return !OidIsValid(table) || get_rel_persistence(table) != RELPERSISTENCE_PERMANENT || !are_published();
}

const char *groups(State state)
{
    return psprintf("refresh_mv.group_state_%s", suffix(state));
}

const char *values(State state, int partial)
{
    return psprintf("refresh_mv.group_values_%s_%d", suffix(state), partial + 1);
}

// The table of a qualified name; InvalidOid if there is none.
static Oid table_named(const char *name)
{
    return get_relname_relid(strchr(name, '.') + 1, get_namespace_oid("refresh_mv", false));
}

Oid groups_oid(State state)
{
    return table_named(groups(state));
}

bool lock_if_free(State state, int partials)
{
    Oid table = groups_oid(state);
    if (!OidIsValid(table) || !ConditionalLockRelationOid(table, AccessShareLock) || table != groups_oid(state))
        return false;
    for (int i = 0; i < partials; i++) {
        table = table_named(values(state, i));
        if (OidIsValid(table) && !ConditionalLockRelationOid(table, AccessShareLock))
            return false;
    }
    return true;
}

void create(const char *name, List *columns)
{
    CreateStmt *statement = makeNode(CreateStmt);
    ObjectAddress extension;
    Oid user;
    int context;

    statement->relation = makeRangeVar(pstrdup("refresh_mv"), pstrdup(strchr(name, '.') + 1), -1);
    statement->relation->relpersistence = logged && !are_published() ? RELPERSISTENCE_PERMANENT : RELPERSISTENCE_UNLOGGED;
    statement->tableElts = columns;
    statement->oncommit = ONCOMMIT_NOOP;
    // Room to change rows in their page: no index has to be touched then.
    statement->options = list_make1(makeDefElem(pstrdup("fillfactor"),
                                                reinterpret_cast<Node *>(makeInteger(85)), -1));
    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(statement::owner(), context | SECURITY_LOCAL_USERID_CHANGE);
    ObjectAddress table = DefineRelation(statement, RELKIND_RELATION, statement::owner(), nullptr, "");
    CommandCounterIncrement();
    NewRelationCreateToastTable(table.objectId, 0);
    SetUserIdAndSecContext(user, context);
    ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid("refresh_mv", false));
    recordDependencyOn(&table, &extension, DEPENDENCY_EXTENSION);
    keep_private(table.objectId);
    CommandCounterIncrement();
}

void create_index(const char *name)
{
    IndexStmt *statement = makeNode(IndexStmt);
    IndexElem *column = makeNode(IndexElem);
    Oid user;
    int context;

    column->name = pstrdup("h");
    statement->relation = makeRangeVar(pstrdup("refresh_mv"), pstrdup(strchr(name, '.') + 1), -1);
    statement->accessMethod = pstrdup("btree");
    statement->indexParams = list_make1(column);
    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(statement::owner(), context | SECURITY_LOCAL_USERID_CHANGE);
    pg::define_index(RangeVarGetRelid(statement->relation, ShareLock, false), statement);
    SetUserIdAndSecContext(user, context);
    CommandCounterIncrement();
    SPI_connect();
    statement::execute(psprintf("ANALYZE %s (h)", name), statement::Values(), SPI_OK_UTILITY);
    SPI_finish();
}

void drop(Oid view)
{
    // catalog lookups are cheaper than the query below
    if (!OidIsValid(groups_oid({view, 0})) && !OidIsValid(groups_oid({view, 1})))
        return;
    drop_tables("SELECT c.oid FROM pg_catalog.pg_class c"
                " WHERE c.relnamespace OPERATOR(pg_catalog.=) 'refresh_mv'::pg_catalog.regnamespace"
                " AND c.relname OPERATOR(pg_catalog.~)"
                " pg_catalog.concat('^group_(state_', $1, '(_[0-9]+)?|values_', $1, '(_[0-9]+)?_[0-9]+)$')"
                " AND c.relkind OPERATOR(pg_catalog.=) 'r'",
                view);
}

void drop_one(State state)
{
    drop_tables(psprintf("SELECT c.oid FROM pg_catalog.pg_class c"
                         " WHERE c.relnamespace OPERATOR(pg_catalog.=) 'refresh_mv'::pg_catalog.regnamespace"
                         " AND c.relname OPERATOR(pg_catalog.~) '^group_(state_%s|values_%s_[0-9]+)$'"
                         " AND c.relkind OPERATOR(pg_catalog.=) 'r' AND $1 OPERATOR(pg_catalog.<>) 0",
                         suffix(state), suffix(state)),
                state.view);
}

void drop_orphans()
{
    drop_tables("SELECT c.oid FROM pg_catalog.pg_class c"
                " WHERE c.relnamespace OPERATOR(pg_catalog.=) 'refresh_mv'::pg_catalog.regnamespace"
                " AND c.relname OPERATOR(pg_catalog.~) '^group_(state|values)_[0-9]+'"
                " AND c.relkind OPERATOR(pg_catalog.=) 'r' AND $1 OPERATOR(pg_catalog.=) 0"
                " AND NOT EXISTS (SELECT FROM refresh_mv.tracked t WHERE t.view::pg_catalog.text"
                " OPERATOR(pg_catalog.=) pg_catalog.\"substring\"(c.relname::pg_catalog.text, '[0-9]+'))",
                InvalidOid);
}

} // namespace state_tables

} // namespace refresh_mv
