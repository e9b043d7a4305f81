#include "tracking/source.hpp"

#include "store/extension.hpp"
#include "tracking/distributed.hpp"
#include "tracking/hypertable.hpp"
#include "tracking/logged_relation.hpp"

namespace refresh_mv {

namespace {

// Whether a column is generated when it is read: transition tables lack it.
bool is_virtual(Relation relation, AttrNumber column)
{
    return TupleDescAttr(RelationGetDescr(relation), column - 1)->attgenerated == 'v';
}

void refuse(Source *source, const char *obstacle, const char *hint, SourceRemedy remedy = SourceRemedy::words)
{
    if (source->obstacle != nullptr)
        return; // the first reason stays
    source->obstacle = obstacle;
    source->hint = hint;
    source->remedy = remedy;
}

// Refuses a table whose rows change in ways that no trigger or log can tell.
void check_storage(Source *source, Oid table)
{
    const char *name = source::name(table);

    if (get_rel_relkind(table) == RELKIND_FOREIGN_TABLE)
        refuse(source, psprintf("%s is a foreign table: others change it", name),
               "Copy it into a table, or leave the view untracked");
    else if (get_rel_persistence(table) == RELPERSISTENCE_UNLOGGED)
        refuse(source, psprintf("Table %s is unlogged: a crash empties it without a trace", name),
               psprintf("ALTER TABLE %s SET LOGGED", name), SourceRemedy::statement);
    else if (distributed::is(table))
        refuse(source, psprintf("%s is a table of Citus: its rows change in shards, of which no statement on it tells", name),
               "Leave the view untracked, and refresh it by its window, or in full: the workers do the work then");
}

// Finds out how changes of a table can be logged.
void analyze_table(Source *source, Relation table)
{
    const char *name = source::name(RelationGetRelid(table));
    ListCell *cell;

    foreach (cell, find_all_inheritors(RelationGetRelid(table), AccessShareLock, nullptr))
        check_storage(source, lfirst_oid(cell));
    if (source->obstacle != nullptr || !source->exact)
        return;
    source->key = source::tracking_key(table);
    source->exact = OidIsValid(source->key.index) || !source::is_inherited(RelationGetRelid(table));
    if (OidIsValid(source->key.index) || !source->exact)
        return;
    bool immediate = false;
    const char *primary = source::primary_key(table, &immediate);
    if (primary != nullptr)
        refuse(source,
               psprintf("The primary key of table %s %s", name,
                        immediate ? "is by another equality than the = of its columns" : "is deferrable"),
               psprintf("ALTER TABLE %s ADD UNIQUE (%s)", name, primary), SourceRemedy::key);
    else
        refuse(source,
               psprintf("Table %s has no primary key, nor an immediate unique index over columns that are NOT NULL",
                        name),
               psprintf("ALTER TABLE %s ADD PRIMARY KEY (...), or ADD UNIQUE (...)", name), SourceRemedy::key);
}

void analyze(Source *source)
{
    Relation relation = relation_open(source->relation, AccessShareLock);
    const char *name = source::name(source->relation);
    Oid hypertable = hypertable::of_chunk(source->relation);

    if (extension::is_member(source->relation))
        refuse(source, psprintf("%s belongs to refresh_mv itself, whose refreshes change it", name),
               "Leave the view untracked");
    if (OidIsValid(hypertable))
        refuse(source, psprintf("%s is a chunk of hypertable %s, where statements do not tell of its changes", name,
                                source::name(hypertable)),
               psprintf("Have the view read %s", source::name(hypertable)));
    switch (relation->rd_rel->relkind) {
    case RELKIND_RELATION:
    case RELKIND_PARTITIONED_TABLE:
    case RELKIND_FOREIGN_TABLE:
        analyze_table(source, relation);
        break;
    case RELKIND_MATVIEW:
        break;
    default:
        refuse(source, psprintf("Changes of %s cannot be logged", name),
               "Leave the view untracked");
        break;
    }
    relation_close(relation, NoLock);
}

// The parents of a table.
List *parents_of(Oid table)
{
    Relation inherits = table_open(InheritsRelationId, AccessShareLock);
    ScanKeyData key;
    HeapTuple tuple;
    List *parents = NIL;
    ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
    SysScanDesc scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, nullptr, 1, &key);
    while (HeapTupleIsValid(tuple = systable_getnext(scan)))
        parents = lappend_oid(parents, reinterpret_cast<Form_pg_inherits>(GETSTRUCT(tuple))->inhparent);
    systable_endscan(scan);
    table_close(inherits, AccessShareLock);
    return parents;
}

// The tables above a table in its inheritance trees, itself included, that have
// no parents.
List *tops(Oid table)
{
    List *todo = list_make1_oid(table);
    List *found = NIL;
    ListCell *cell;

    foreach (cell, todo) { // grows meanwhile
        List *parents = parents_of(lfirst_oid(cell));
        todo = list_concat_unique_oid(todo, parents);
        if (parents == NIL)
            found = lappend_oid(found, lfirst_oid(cell));
    }
    return found;
}

// Whether no table of an inheritance tree has several parents, so that there is one top.
bool is_plain_tree(Oid table)
{
    List *top = tops(table);
    ListCell *cell;
    foreach (cell, list_length(top) == 1 ? find_all_inheritors(linitial_oid(top), AccessShareLock, nullptr) : NIL)
        if (list_length(parents_of(lfirst_oid(cell))) > 1)
            return false;
    return list_length(top) == 1;
}

bool has_virtual_column(Relation table)
{
    for (int i = 1; i <= RelationGetDescr(table)->natts; i++)
        if (!TupleDescAttr(RelationGetDescr(table), i - 1)->attisdropped && is_virtual(table, static_cast<AttrNumber>(i)))
            return true;
    return false;
}

// Adds a source, or the columns that are used to one that is there already.
void add(List **sources, Oid relation, bool exact, Bitmapset *columns)
{
    Source *source = source::find<Source>(*sources, relation);
    if (source == nullptr) {
        source = static_cast<Source *>(palloc0(sizeof(Source)));
        source->relation = relation;
        source->exact = exact;
        analyze(source);
        *sources = lappend(*sources, source);
    }
    source->columns = bms_add_members(source->columns, columns);
}

// Whether a column is among those that a query has selected.
bool is_used(Form_pg_attribute attribute, Bitmapset *selected)
{
    return !attribute->attisdropped
           && (bms_is_member(InvalidAttrNumber - FirstLowInvalidHeapAttributeNumber, selected)
               || bms_is_member(attribute->attnum - FirstLowInvalidHeapAttributeNumber, selected));
}

// A column that is used and generated when it is read; null if there is none.
const char *used_virtual_column(Relation relation, Bitmapset *selected)
{
    for (int i = 1; i <= RelationGetDescr(relation)->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), i - 1);
        if (is_used(attribute, selected) && is_virtual(relation, static_cast<AttrNumber>(i)))
            return NameStr(attribute->attname);
    }
    return nullptr;
}

// The columns of a relation that are used, by number in its source.
Bitmapset *map_columns(Relation relation, Oid source, Bitmapset *selected)
{
    Bitmapset *columns = nullptr;
    TupleDesc desc = RelationGetDescr(relation);

    for (int i = 1; i <= desc->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(desc, i - 1);
        if (!is_used(attribute, selected))
            continue;
        int number = source == RelationGetRelid(relation)
                         ? i
                         : get_attnum(source, NameStr(attribute->attname));
        columns = bms_add_member(columns, number);
    }
    return columns;
}

// Adds the members of the trees of a relation.  Of those that are not read, it matters which statements go on.
void add_tree(List **sources, Relation relation, bool only, Bitmapset *selected)
{
    Oid oid = RelationGetRelid(relation);
    List *read = only ? list_make1_oid(oid) : find_all_inheritors(oid, AccessShareLock, nullptr);
    ListCell *top, *cell;
    foreach (top, tops(oid))
        foreach (cell, find_all_inheritors(lfirst_oid(top), AccessShareLock, nullptr))
            add(sources, lfirst_oid(cell), true,
                list_member_oid(read, lfirst_oid(cell)) ? map_columns(relation, lfirst_oid(cell), selected) : nullptr);
}

// Adds the source or sources that a relation in the query belongs to.
void add_relation(List **sources, Oid oid, bool only, Bitmapset *selected)
{
    Relation relation = relation_open(oid, AccessShareLock);

    if (source::is_inherited(oid))
        add_tree(sources, relation, only, selected);
    else {
        Oid source = logged_relation::source_of(relation);
        Bitmapset *columns = map_columns(relation, source, selected);
        add(sources, source, true, columns);
        const char *generated = used_virtual_column(relation, selected);
        if (generated != nullptr)
            refuse(source::find<Source>(*sources, source),
                   psprintf("Column %s of table %s is generated when it is read", generated,
                            source::name(oid)),
                   "Make it a stored generated column");
    }
    relation_close(relation, NoLock);
}

bool walk(Node *node, void *context)
{
    ListCell *cell;

    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(walk), context);
    auto *query = reinterpret_cast<Query *>(node);
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        // The rule's OLD and NEW are not in FROM.
        if (rte->rtekind == RTE_RELATION && rte->inFromCl)
            add_relation(static_cast<List **>(context), rte->relid, !rte->inh, pg::selected_columns(query, rte));
    }
    return query_tree_walker(query, pg::walker(walk), context, 0);
}

int by_oid(const ListCell *a, const ListCell *b)
{
    Oid x = static_cast<Source *>(lfirst(a))->relation;
    Oid y = static_cast<Source *>(lfirst(b))->relation;
    return (x > y) - (x < y);
}

bool same_equality(Oid one, Oid other)
{
    return one == other || (get_collation_isdeterministic(one) && get_collation_isdeterministic(other));
}

// The operators by which a unique index excludes rows (WITHOUT OVERLAPS, from 18); null:
// it goes by its operator classes.
Oid *exclusion(Relation index)
{
    Oid *operators, *functions;
    uint16 *strategies;
    if (!index->rd_index->indisexclusion)
        return nullptr;
    RelationGetExclusionInfo(index, &operators, &functions, &strategies);
    return operators;
}

// Whether rows that are equal in a column by its own = exclude each other by an operator:
// = itself, or && of ranges, none of which is empty in such an index.
bool excludes_equals(Oid op, const TypeCacheEntry *type)
{
    return op == type->eq_opr || op == OID_RANGE_OVERLAP_OP || op == OID_MULTIRANGE_OVERLAPS_MULTIRANGE_OP;
}

// Whether a unique index tells the values of its columns apart as their own = does, all
// of them taken together.
bool is_by_value(Relation table, Oid oid)
{
    Relation index = index_open(oid, AccessShareLock);
    const Oid *operators = exclusion(index);
    bool result = true;
    for (int i = 0; i < index->rd_index->indnkeyatts; i++) {
        AttrNumber column = index->rd_index->indkey.values[i];
        if (column <= 0)
            continue;
        Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(table), column - 1);
        TypeCacheEntry *type = lookup_type_cache(attribute->atttypid, TYPECACHE_BTREE_OPFAMILY | TYPECACHE_EQ_OPR);
        result &= (operators != nullptr ? excludes_equals(operators[i], type) : index->rd_opfamily[i] == type->btree_opf)
                  && same_equality(index->rd_indcollation[i], attribute->attcollation);
    }
    index_close(index, NoLock);
    return result;
}

// Whether an index makes a tracking key.
bool is_key(Relation table, Form_pg_index index)
{
    if (!index->indisunique || !index->indimmediate || !index->indisvalid || !index->indisready
        || !index->indislive)
        return false;
    for (int i = 0; i < index->indnkeyatts; i++) {
        AttrNumber column = index->indkey.values[i];
        if (column <= 0 || !pg::is_not_null(RelationGetDescr(table), column)
            || is_virtual(table, column))
            return false;
    }
    return is_by_value(table, index->indexrelid);
}

} // namespace

namespace source {

const char *name(Oid relation)
{
    return DatumGetCString(DirectFunctionCall1(regclassout, ObjectIdGetDatum(relation)));
}

bool is_inherited(Oid table)
{
    return get_rel_relkind(table) == RELKIND_RELATION && !get_rel_relispartition(table)
           && (has_superclass(table) || find_inheritance_children(table, NoLock) != NIL)
           && !hypertable::is(table) && !OidIsValid(hypertable::of_chunk(table));
}

bool has_children(Oid table)
{
    return find_inheritance_children(table, NoLock) != NIL;
}

TrackingKey tracking_key(Relation table)
{
    Oid oid = RelationGetRelid(table);
    return is_inherited(oid) && (!is_plain_tree(oid) || has_virtual_column(table)) ? TrackingKey{} : key(table);
}

Oid top_of(Oid table)
{
    return linitial_oid(tops(table));
}

bool has_foreign_part(Oid relation)
{
    ListCell *cell;
    foreach (cell, find_all_inheritors(relation, NoLock, nullptr))
        if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_FOREIGN_TABLE)
            return true;
    return false;
}

List *read_by(Query *rewritten)
{
    List *sources = NIL;
    walk(reinterpret_cast<Node *>(rewritten), &sources);
    list_sort(sources, by_oid);
    return sources;
}

List *members(Oid relation, LOCKMODE lock)
{
    if (get_rel_relkind(relation) != RELKIND_PARTITIONED_TABLE) {
        if (lock != NoLock)
            LockRelationOid(relation, lock);
        return list_make1_oid(relation);
    }
    List *members = NIL;
    ListCell *cell;
    foreach (cell, find_all_inheritors(relation, lock, nullptr))
        if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_FOREIGN_TABLE)
            members = lappend_oid(members, lfirst_oid(cell));
    return members;
}

const char *primary_key(Relation table, bool *immediate)
{
    StringInfoData columns;
    ListCell *cell;
    initStringInfo(&columns);
    foreach (cell, RelationGetIndexList(table)) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        if (index->rd_index->indisprimary)
            *immediate = index->rd_index->indimmediate;
        for (int i = 0; index->rd_index->indisprimary && i < index->rd_index->indnkeyatts; i++)
            appendStringInfo(&columns, "%s%s", i > 0 ? ", " : "",
                             quote_identifier(get_attname(RelationGetRelid(table), index->rd_index->indkey.values[i],
                                                          false)));
        index_close(index, NoLock);
    }
    return columns.len > 0 ? columns.data : nullptr;
}

TrackingKey key(Relation table)
{
    TrackingKey best{};
    bool best_primary = false;
    ListCell *cell;

    foreach (cell, RelationGetIndexList(table)) {
        HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
        if (!HeapTupleIsValid(tuple))
            continue;
        auto *index = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
        bool whole = heap_attisnull(tuple, Anum_pg_index_indpred, nullptr);
        if (whole && is_key(table, index)
            && (best.count == 0 || index->indisprimary
                || (!best_primary && index->indnkeyatts < best.count))) {
            best.index = index->indexrelid;
            best.count = index->indnkeyatts;
            best.columns = static_cast<AttrNumber *>(palloc(sizeof(AttrNumber) * best.count));
            memcpy(best.columns, index->indkey.values, sizeof(AttrNumber) * best.count);
            best_primary = index->indisprimary;
        }
        ReleaseSysCache(tuple);
    }
    return best;
}

} // namespace source

} // namespace refresh_mv
