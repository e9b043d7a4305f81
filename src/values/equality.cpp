#include "values/equality.hpp"

namespace refresh_mv::equality {

bool means_same(Oid type, int32 typmod, Oid collation)
{
    TypeCacheEntry *cache = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);
    if (!OidIsValid(cache->btree_opf) || (getBaseType(type) == BPCHAROID && typmod < 0))
        return false;
    Oid proc = get_opfamily_proc(cache->btree_opf, cache->btree_opintype, cache->btree_opintype,
                                 BTEQUALIMAGE_PROC);
    return OidIsValid(proc)
           && DatumGetBool(OidFunctionCall1Coll(proc, collation,
                                                ObjectIdGetDatum(cache->btree_opintype)));
}

bool is_plain(Oid equality, Expr *expr)
{
    auto *node = reinterpret_cast<Node *>(expr);
    Oid collation = exprCollation(node);
    TypeCacheEntry *type = lookup_type_cache(exprType(node), TYPECACHE_EQ_OPR | TYPECACHE_HASH_EXTENDED_PROC);
    if (equality != type->eq_opr || equality >= FirstGenbkiObjectId || !OidIsValid(type->hash_extended_proc)
        || (OidIsValid(collation) && !get_collation_isdeterministic(collation)))
        return false;
    List *name = list_make2(makeString(pstrdup("pg_catalog")), makeString(pstrdup("=")));
    return equality == compatible_oper_opid(name, type->type_id, type->type_id, true);
}

bool is_plain_and_means_same(Oid equality, Expr *expr)
{
    auto *node = reinterpret_cast<Node *>(expr);
    return is_plain(equality, expr) && means_same(exprType(node), -1, exprCollation(node));
}

} // namespace refresh_mv::equality
