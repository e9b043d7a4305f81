#include "incremental/image_key.hpp"

namespace refresh_mv::image_key {

Expr *of(const Expr *expr)
{
    Oid any = ANYELEMENTOID;
    Oid function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum("image"),
                                   PointerGetDatum(buildoidvector(&any, 1)),
                                   ObjectIdGetDatum(get_namespace_oid("refresh_mv_internal", false)));
    return reinterpret_cast<Expr *>(makeFuncExpr(function, BYTEAOID, list_make1(copyObjectImpl(expr)), InvalidOid,
                                                 InvalidOid, COERCE_EXPLICIT_CALL));
}

SortGroupClause *clause()
{
    TypeCacheEntry *type = lookup_type_cache(BYTEAOID, TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR);
    SortGroupClause *clause = makeNode(SortGroupClause);
    clause->eqop = type->eq_opr;
    clause->sortop = type->lt_opr;
    clause->hashable = true;
    return clause;
}

} // namespace refresh_mv::image_key
