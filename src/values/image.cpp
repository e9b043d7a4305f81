#include "values/image.hpp"

namespace refresh_mv {

extern "C" {
PG_FUNCTION_INFO_V1(refresh_mv_image);
}

namespace image {

// A value passed by value, with the bits beyond its type's length cleared:
// an oid above 2^31 is sign-extended when read from a tuple and is not when
// computed.
static Datum canonical(Datum value, int length)
{
    switch (length) {
    case 1:
        return static_cast<uint8>(value);
    case 2:
        return static_cast<uint16>(value);
    case 4:
        return static_cast<uint32>(value);
    default:
        return value;
    }
}

bool same(Form_pg_attribute attr, Datum a, bool a_null, Datum b, bool b_null)
{
    if (a_null || b_null)
        return a_null == b_null;
    if (attr->attbyval)
        return canonical(a, attr->attlen) == canonical(b, attr->attlen);
    return datum_image_eq(a, b, false, attr->attlen);
}

bool same_row(TupleDesc desc, const Datum *a, const bool *a_null, const Datum *b,
              const bool *b_null)
{
    for (int i = 0; i < desc->natts; i++)
        if (!same(TupleDescAttr(desc, i), a[i], a_null[i], b[i], b_null[i]))
            return false;
    return true;
}

// The bytes of a value.
struct Bytes {
    const void *start;
    Size length;
};

// Those of one of a type, which may be in *plain.
static Bytes bytes_of(Datum value, bool by_value, int length, Datum *plain)
{
    if (by_value) {
        *plain = canonical(value, length);
        return {plain, sizeof(Datum)};
    }
    if (length == -1) {
        auto *packed = reinterpret_cast<varlena *>(PG_DETOAST_DATUM_PACKED(value));
        return {VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed)};
    }
    return {DatumGetPointer(value), length == -2 ? strlen(DatumGetCString(value)) : static_cast<Size>(length)};
}

// Folds one value into a hash.
static uint64 hash_value(Form_pg_attribute attr, Datum value, uint64 seed)
{
    Datum plain;
    Bytes bytes = bytes_of(value, attr->attbyval, attr->attlen, &plain);
    return hash_bytes_extended(static_cast<const unsigned char *>(bytes.start), static_cast<int>(bytes.length), seed);
}

uint64 hash_row(TupleDesc desc, const Datum *values, const bool *nulls,
                const AttrNumber *columns, int ncolumns)
{
    constexpr uint64 null_mark = UINT64CONST(0x9e3779b97f4a7c15);
    uint64 hash = 1;
    int n = columns ? ncolumns : desc->natts;

    for (int i = 0; i < n; i++) {
        int attno = columns ? columns[i] : i + 1;
        hash = nulls[attno - 1] ? hash_combine64(hash, null_mark)
                                : hash_value(TupleDescAttr(desc, attno - 1), values[attno - 1], hash);
    }
    return hash;
}

} // namespace image

// The bytes of a value, for SQL.
Datum refresh_mv_image(PG_FUNCTION_ARGS)
{
    Datum plain;
    int16 length;
    bool by_value;
    get_typlenbyval(get_fn_expr_argtype(fcinfo->flinfo, 0), &length, &by_value);
    image::Bytes bytes = image::bytes_of(PG_GETARG_DATUM(0), by_value, length, &plain);
    PG_RETURN_BYTEA_P(cstring_to_text_with_len(static_cast<const char *>(bytes.start), static_cast<int>(bytes.length)));
}

} // namespace refresh_mv
