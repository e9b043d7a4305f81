#include "values/equality.hpp"

namespace refresh_mv::equality {

// Whether a type's btree class says so itself.  That of character goes by an index's column,
// which has a length.
static bool says_so(const TypeCacheEntry *type, Oid collation)
{
    if (!OidIsValid(type->btree_opf) || type->btree_opintype == BPCHAROID)
        return false;
    Oid proc = get_opfamily_proc(type->btree_opf, type->btree_opintype, type->btree_opintype, BTEQUALIMAGE_PROC);
    return OidIsValid(proc)
           && DatumGetBool(OidFunctionCall1Coll(proc, collation, ObjectIdGetDatum(type->btree_opintype)));
}

// Whether a range has bounds of a fixed length whose equal values are the same by the order
// that it goes by.
static bool has_such_bounds(Oid range)
{
    HeapTuple tuple = SearchSysCache1(RANGETYPE, ObjectIdGetDatum(range));
    if (!HeapTupleIsValid(tuple))
        return false;
    FormData_pg_range form = *reinterpret_cast<Form_pg_range>(GETSTRUCT(tuple));
    ReleaseSysCache(tuple);
    TypeCacheEntry *bound = lookup_type_cache(form.rngsubtype, TYPECACHE_BTREE_OPFAMILY | TYPECACHE_EQ_OPR);
    return bound->typlen > 0 && bound->eq_opr < FirstGenbkiObjectId
           && get_opclass_family(form.rngsubopc) == bound->btree_opf && says_so(bound, form.rngcollation);
}

bool means_same(Oid type, Oid collation)
{
    Oid base = getBaseType(type);
    switch (get_typtype(base)) {
    case TYPTYPE_RANGE:
        return has_such_bounds(base);
    case TYPTYPE_MULTIRANGE:
        return has_such_bounds(get_multirange_range(base));
    default:
        return says_so(lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY), collation);
    }
}

bool is_builtin(Oid equality, Expr *expr)
{
    auto *node = reinterpret_cast<Node *>(expr);
    Oid collation = exprCollation(node);
    TypeCacheEntry *type = lookup_type_cache(exprType(node), TYPECACHE_EQ_OPR);
    if (!OidIsValid(equality) || equality != type->eq_opr || equality >= FirstGenbkiObjectId
        || (OidIsValid(collation) && !get_collation_isdeterministic(collation)))
        return false;
    List *name = list_make2(makeString(pstrdup("pg_catalog")), makeString(pstrdup("=")));
    return equality == compatible_oper_opid(name, type->type_id, type->type_id, true);
}

bool is_plain(Oid equality, Expr *expr)
{
    TypeCacheEntry *type = lookup_type_cache(exprType(reinterpret_cast<Node *>(expr)), TYPECACHE_HASH_EXTENDED_PROC);
    return OidIsValid(type->hash_extended_proc) && is_builtin(equality, expr);
}

} // namespace refresh_mv::equality
