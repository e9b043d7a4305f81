#include "query/meaning_objects.hpp"

#include <initializer_list>

namespace refresh_mv::meaning {

Print begin(Oid catalog, Oid object)
{
    Print print = {0};
    print.numbers(catalog, object);
    return print;
}

void end(Closure *closure, const Print &print)
{
    closure->hash += print.hash;
}

// Relations.  Tables are data; an ordinary view is its query.
static void look_at_relation(Oid object, Closure *closure)
{
    if (get_rel_relkind(object) != RELKIND_VIEW)
        return;
    Relation view = relation_open(object, AccessShareLock);
    RuleLock *rules = view->rd_rules;
    for (int i = 0; rules != nullptr && i < rules->numLocks; i++)
        if (rules->rules[i]->event == CMD_SELECT) {
            HeapTuple rule = SearchSysCache2(RULERELNAME, ObjectIdGetDatum(object),
                                             PointerGetDatum(ViewSelectRuleName));
            if (HeapTupleIsValid(rule)) {
                Print print = begin(RelationRelationId, object);
                print.row(rule);
                end(closure, print);
                ReleaseSysCache(rule);
            }
            walk(reinterpret_cast<Node *>(rules->rules[i]->actions), closure);
        }
    relation_close(view, NoLock);
}

// The columns of a row type, whether of a table, a view or a type of its own.
static void columns_of(Oid type, Oid relation, Print *print, Closure *closure)
{
    TupleDesc desc = lookup_rowtype_tupdesc(type, -1);
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute attr = TupleDescAttr(desc, i);
        print->numbers(attr->attisdropped, attr->atttypid, attr->atttypmod, attr->attcollation);
        if (attr->attisdropped)
            continue;
        print->string(NameStr(attr->attname));
        add(closure, TypeRelationId, attr->atttypid);
        add(closure, CollationRelationId, attr->attcollation);
    }
    ReleaseTupleDesc(desc);
    add(closure, RelationRelationId, relation);
}

// The labels of an enum, in their order.
static void labels_of(Oid type, Print *print)
{
    CatCList *labels = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));
    uint64 sum = 0;
    for (int i = 0; i < labels->n_members; i++) {
        auto *form = reinterpret_cast<Form_pg_enum>(GETSTRUCT(&labels->members[i]->tuple));
        float4 order = form->enumsortorder;
        Print label = begin(EnumRelationId, form->oid);
        label.string(NameStr(form->enumlabel));
        label.bytes(&order, sizeof(order));
        sum += label.hash;
    }
    ReleaseSysCacheList(labels);
    print->numbers(sum);
}

// The constraints of a domain: they raise errors.
static void constraints_of(Oid type, Print *print, Closure *closure)
{
    Relation catalog = table_open(ConstraintRelationId, AccessShareLock);
    ScanKeyData key;
    uint64 sum = 0;

    ScanKeyInit(&key, Anum_pg_constraint_contypid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(type));
    SysScanDesc scan = systable_beginscan(catalog, ConstraintTypidIndexId, true, nullptr, 1, &key);
    while (HeapTuple tuple = systable_getnext(scan)) {
        auto *form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
        Print constraint = begin(ConstraintRelationId, form->oid);
        bool null;
        Datum condition = heap_getattr(tuple, Anum_pg_constraint_conbin, RelationGetDescr(catalog), &null);
        constraint.numbers(form->contype, form->convalidated);
        if (!null) {
            char *tree = TextDatumGetCString(condition);
            constraint.string(tree);
            walk(static_cast<Node *>(stringToNode(tree)), closure);
        }
        sum += constraint.hash;
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    print->numbers(sum);
}

// A range is made of its subtype, which is compared as the range says.
static void parts_of_range(Oid type, Print *print, Closure *closure)
{
    HeapTuple tuple = find(RANGETYPE, type);
    FormData_pg_range form = *reinterpret_cast<Form_pg_range>(GETSTRUCT(tuple));
    ReleaseSysCache(tuple);

    print->numbers(form.rngsubtype, form.rngcollation, form.rngsubopc, form.rngcanonical, form.rngsubdiff);
    add(closure, TypeRelationId, form.rngsubtype);
    add(closure, CollationRelationId, form.rngcollation);
    add(closure, OperatorClassRelationId, form.rngsubopc);
    add(closure, ProcedureRelationId, form.rngcanonical);
    add(closure, ProcedureRelationId, form.rngsubdiff);
}

// How values are compared and hashed where no operator is named: in rows, arrays, ranges,
// GREATEST.
static void comparison_of(Oid type, Print *print, Closure *closure)
{
    TypeCacheEntry *cache = lookup_type_cache(type, TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR | TYPECACHE_GT_OPR
                                                        | TYPECACHE_CMP_PROC | TYPECACHE_HASH_PROC);
    print->numbers(cache->eq_opr, cache->lt_opr, cache->gt_opr, cache->cmp_proc, cache->hash_proc);
    for (Oid op : {cache->eq_opr, cache->lt_opr, cache->gt_opr})
        add(closure, OperatorRelationId, op);
    for (Oid function : {cache->cmp_proc, cache->hash_proc})
        add(closure, ProcedureRelationId, function);
}

// The casts that are looked for when a query runs: to_json() does that.
static void casts_of(Oid type, Print *print, Closure *closure)
{
    for (Oid target : {JSONOID, JSONBOID}) {
        Oid function = InvalidOid;
        CoercionPathType path = find_coercion_pathway(target, type, COERCION_EXPLICIT, &function);
        print->numbers(path, function);
        add(closure, ProcedureRelationId, function);
    }
}

// Types, down to the bottom.
static void look_at_type(Oid object, Closure *closure)
{
    HeapTuple tuple = find(TYPEOID, object);
    FormData_pg_type form = *reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple));
    ReleaseSysCache(tuple);
    if (!form.typisdefined)
        return;

    Print print = begin(TypeRelationId, object);
    print.numbers(form.typtype, form.typlen, form.typinput, form.typoutput, form.typsubscript, form.typelem,
                  form.typcollation, form.typbasetype, form.typtypmod, form.typnotnull);
    add(closure, TypeRelationId, form.typelem);
    add(closure, TypeRelationId, form.typbasetype);
    add(closure, CollationRelationId, form.typcollation);
    for (Oid function : {form.typinput, form.typoutput, form.typreceive, form.typsend, form.typsubscript})
        add(closure, ProcedureRelationId, function);
    switch (form.typtype) {
    case TYPTYPE_COMPOSITE:
        columns_of(object, form.typrelid, &print, closure);
        break;
    case TYPTYPE_ENUM:
        labels_of(object, &print);
        break;
    case TYPTYPE_DOMAIN:
        constraints_of(object, &print, closure);
        break;
    case TYPTYPE_RANGE:
        parts_of_range(object, &print, closure);
        break;
    case TYPTYPE_MULTIRANGE:
        print.numbers(get_multirange_range(object));
        add(closure, TypeRelationId, get_multirange_range(object));
        break;
    case TYPTYPE_PSEUDO:
        return end(closure, print);
    }
    comparison_of(object, &print, closure);
    casts_of(object, &print, closure);
    end(closure, print);
}

// The functions that make up an aggregate.
static void parts_of_aggregate(Oid function, Print *print, Closure *closure)
{
    HeapTuple tuple = find(AGGFNOID, function);
    FormData_pg_aggregate form = *reinterpret_cast<Form_pg_aggregate>(GETSTRUCT(tuple));
    print->row(tuple);
    ReleaseSysCache(tuple);
    for (Oid part : {form.aggtransfn, form.aggfinalfn, form.aggcombinefn, form.aggserialfn, form.aggdeserialfn,
                     form.aggmtransfn, form.aggminvtransfn, form.aggmfinalfn})
        add(closure, ProcedureRelationId, part);
    add(closure, OperatorRelationId, form.aggsortop);
    add(closure, TypeRelationId, form.aggtranstype);
    add(closure, TypeRelationId, form.aggmtranstype);
}

// Functions: all that their row says, and what their bodies use if that is known.
static void look_at_function(Oid object, Closure *closure)
{
    HeapTuple tuple = find(PROCOID, object);
    auto *form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    Print print = begin(ProcedureRelationId, object);
    bool null;

    print.row(tuple);
    add(closure, TypeRelationId, form->prorettype);
    for (int i = 0; i < form->pronargs; i++)
        add(closure, TypeRelationId, form->proargtypes.values[i]);
    add(closure, ProcedureRelationId, form->prosupport);
    if (form->prokind == PROKIND_AGGREGATE)
        parts_of_aggregate(object, &print, closure);
    Datum body = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosqlbody, &null);
    if (!null)
        walk(static_cast<Node *>(stringToNode(TextDatumGetCString(body))), closure);
    else if (form->prokind != PROKIND_AGGREGATE && form->prolang != INTERNALlanguageId
             && form->prolang != ClanguageId)
        closure->bodies = true;
    end(closure, print);
    ReleaseSysCache(tuple);
}

// Operators, and the support functions by which sorts and hash tables do the same.
static void look_at_operator(Oid object, Closure *closure)
{
    HeapTuple tuple = find(OPEROID, object);
    Oid function = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple))->oprcode;
    ReleaseSysCache(tuple);

    Print print = begin(OperatorRelationId, object);
    print.numbers(function);
    add(closure, ProcedureRelationId, function);
    CatCList *members = SearchSysCacheList1(AMOPOPID, ObjectIdGetDatum(object));
    for (int i = 0; i < members->n_members; i++) {
        auto *member = reinterpret_cast<Form_pg_amop>(GETSTRUCT(&members->members[i]->tuple));
        if (member->amopmethod == BTREE_AM_OID || member->amopmethod == HASH_AM_OID)
            add(closure, OperatorFamilyRelationId, member->amopfamily);
    }
    ReleaseSysCacheList(members);
    end(closure, print);
}

static void look_at_operator_class(Oid object, Closure *closure)
{
    HeapTuple tuple = find(CLAOID, object);
    FormData_pg_opclass form = *reinterpret_cast<Form_pg_opclass>(GETSTRUCT(tuple));
    ReleaseSysCache(tuple);

    Print print = begin(OperatorClassRelationId, object);
    print.numbers(form.opcfamily, form.opcintype);
    add(closure, OperatorFamilyRelationId, form.opcfamily);
    end(closure, print);
}

static void look_at_operator_family(Oid object, Closure *closure)
{
    Print print = begin(OperatorFamilyRelationId, object);
    uint64 sum = 0;
    CatCList *functions = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(object));
    for (int i = 0; i < functions->n_members; i++) {
        auto *form = reinterpret_cast<Form_pg_amproc>(GETSTRUCT(&functions->members[i]->tuple));
        Print function = begin(form->amproclefttype, form->amprocrighttype);
        function.numbers(form->amprocnum, form->amproc);
        sum += function.hash;
        add(closure, ProcedureRelationId, form->amproc);
    }
    ReleaseSysCacheList(functions);
    print.numbers(sum);
    end(closure, print);
}

// The version of a collation that the library has which sorts by it; that of the
// database's default is asked for by the database.
static uint64 actual_version(Oid collation)
{
    LOCAL_FCINFO(call, 1);
    bool is_default = collation == DEFAULT_COLLATION_OID;
    Print print = {0};

    InitFunctionCallInfoData(*call, nullptr, 1, InvalidOid, nullptr, nullptr);
    call->args[0] = {ObjectIdGetDatum(is_default ? MyDatabaseId : collation), false};
    Datum version = is_default ? pg_database_collation_actual_version(call) : pg_collation_actual_version(call);
    if (!call->isnull)
        print.string(TextDatumGetCString(version));
    return print.hash;
}

// The same, asked for once in a session: the library stays the same.
static uint64 known_version(Oid collation)
{
    struct Version {
        Oid collation;
        uint64 hash;
    };
    static HTAB *versions = nullptr;
    bool found;

    if (versions == nullptr) {
        HASHCTL control{};
        control.keysize = sizeof(Oid);
        control.entrysize = sizeof(Version);
        versions = hash_create("refresh_mv collation versions", 16, &control, HASH_ELEM | HASH_BLOBS);
    }
    auto *known = static_cast<Version *>(hash_search(versions, &collation, HASH_FIND, nullptr));
    if (known != nullptr)
        return known->hash;
    uint64 hash = actual_version(collation);
    known = static_cast<Version *>(hash_search(versions, &collation, HASH_ENTER, &found));
    known->hash = hash;
    return hash;
}

static void look_at_collation(Oid object, Closure *closure)
{
    if (object == C_COLLATION_OID)
        return;
    Print print = begin(CollationRelationId, object);
    HeapTuple tuple = find(COLLOID, object);
    print.row(tuple);
    ReleaseSysCache(tuple);
    print.numbers(known_version(object));
    end(closure, print);
}

// A text search configuration maps kinds of words to dictionaries.
static void look_at_configuration(Oid object, Closure *closure)
{
    HeapTuple tuple = SearchSysCache1(TSCONFIGOID, ObjectIdGetDatum(object));
    if (!HeapTupleIsValid(tuple))
        return; // it is only data
    Oid parser = reinterpret_cast<Form_pg_ts_config>(GETSTRUCT(tuple))->cfgparser;
    ReleaseSysCache(tuple);

    Print print = begin(TSConfigRelationId, object);
    uint64 sum = 0;
    CatCList *map = SearchSysCacheList1(TSCONFIGMAP, ObjectIdGetDatum(object));
    for (int i = 0; i < map->n_members; i++) {
        auto *form = reinterpret_cast<Form_pg_ts_config_map>(GETSTRUCT(&map->members[i]->tuple));
        Print mapped = begin(form->mapdict, InvalidOid);
        mapped.numbers(form->maptokentype, form->mapseqno);
        sum += mapped.hash;
        add(closure, TSDictionaryRelationId, form->mapdict);
    }
    ReleaseSysCacheList(map);
    print.numbers(parser, sum);
    add(closure, TSParserRelationId, parser);
    end(closure, print);
}

static void look_at_dictionary(Oid object, Closure *closure)
{
    HeapTuple tuple = SearchSysCache1(TSDICTOID, ObjectIdGetDatum(object));
    if (!HeapTupleIsValid(tuple))
        return;
    Print print = begin(TSDictionaryRelationId, object);
    print.row(tuple); // the options are in there
    add(closure, TSTemplateRelationId, reinterpret_cast<Form_pg_ts_dict>(GETSTRUCT(tuple))->dicttemplate);
    ReleaseSysCache(tuple);
    end(closure, print);
}

static void look_at_template(Oid object, Closure *closure)
{
    HeapTuple tuple = find(TSTEMPLATEOID, object);
    FormData_pg_ts_template form = *reinterpret_cast<Form_pg_ts_template>(GETSTRUCT(tuple));
    ReleaseSysCache(tuple);
    add(closure, ProcedureRelationId, form.tmplinit);
    add(closure, ProcedureRelationId, form.tmpllexize);
}

static void look_at_parser(Oid object, Closure *closure)
{
    HeapTuple tuple = find(TSPARSEROID, object);
    FormData_pg_ts_parser form = *reinterpret_cast<Form_pg_ts_parser>(GETSTRUCT(tuple));
    ReleaseSysCache(tuple);
    for (Oid function : {form.prsstart, form.prstoken, form.prsend, form.prsheadline, form.prslextype})
        add(closure, ProcedureRelationId, function);
}

// The list: what a query's meaning can depend on.  How objects of a kind are found: from
// the nodes of the query tree (see walk) and from other objects.  What matters of
// them is hashed; built-in objects of most kinds cannot be changed.
struct Kind {
    Oid catalog;
    Oid first; // those with lower numbers are built in
    void (*look)(Oid object, Closure *closure);
};

static constexpr Kind kinds[] = {
    {RelationRelationId, FirstNormalObjectId, look_at_relation},       // the queries of views
    {TypeRelationId, FirstNormalObjectId, look_at_type},               // attributes, labels, constraints, subtypes
    {ProcedureRelationId, FirstNormalObjectId, look_at_function},      // and aggregates
    {OperatorRelationId, FirstNormalObjectId, look_at_operator},       // their functions
    {OperatorClassRelationId, FirstNormalObjectId, look_at_operator_class},
    {OperatorFamilyRelationId, FirstNormalObjectId, look_at_operator_family}, // support functions
    {CollationRelationId, 1, look_at_collation},                       // with the library's version
    {TSConfigRelationId, 1, look_at_configuration},                    // its map
    {TSDictionaryRelationId, 1, look_at_dictionary},                   // its options
    {TSTemplateRelationId, FirstNormalObjectId, look_at_template},
    {TSParserRelationId, FirstNormalObjectId, look_at_parser},
};

void add(Closure *closure, Oid catalog, Oid object)
{
    for (const Kind &kind : kinds) {
        if (kind.catalog != catalog)
            continue;
        if (object < kind.first)
            return;
        Object key = {catalog, object};
        bool found;
        hash_search(closure->seen, &key, HASH_ENTER, &found);
        if (!found) {
            check_stack_depth();
            kind.look(object, closure);
        }
        return;
    }
}

} // namespace refresh_mv::meaning
