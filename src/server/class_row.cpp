#include "server/class_row.hpp"

namespace refresh_mv {

ClassRow class_row(Oid relation)
{
    ClassRow row{};
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    if (!HeapTupleIsValid(tuple))
        return row;
    row.exists = true;
    row.xmin = HeapTupleHeaderGetXmin(tuple->t_data);
    memcpy(&row.form, GETSTRUCT(tuple), CLASS_TUPLE_SIZE);
    ReleaseSysCache(tuple);
    return row;
}

} // namespace refresh_mv
