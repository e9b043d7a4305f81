#include "values/row_image.hpp"

#include "values/varint.hpp"

namespace refresh_mv::row_image {

void append_number(StringInfo bytes, uint64 number)
{
    varint::write(number, [&](char byte) { appendStringInfoCharMacro(bytes, byte); });
}

void append(StringInfo bytes, Form_pg_attribute attribute, Datum value, bool null)
{
    if (null)
        append_number(bytes, 0);
    else if (attribute->attbyval) {
        union {
            Datum whole;
            char bytes[sizeof(Datum)];
        } raw{};
        store_att_byval(raw.bytes, value, attribute->attlen);
        append_number(bytes, static_cast<uint64>(attribute->attlen) + 1);
        appendBinaryStringInfo(bytes, raw.bytes, attribute->attlen);
    } else if (attribute->attlen == -1) {
        auto *original = reinterpret_cast<varlena *>(DatumGetPointer(value));
        varlena *flat = pg_detoast_datum_packed(original);
        append_number(bytes, static_cast<uint64>(VARSIZE_ANY_EXHDR(flat)) + 1);
        appendBinaryStringInfo(bytes, VARDATA_ANY(flat), static_cast<int>(VARSIZE_ANY_EXHDR(flat)));
        if (flat != original)
            pfree(flat);
    } else {
        auto *start = static_cast<const char *>(DatumGetPointer(value));
        int length = attribute->attlen > 0 ? attribute->attlen : static_cast<int>(strlen(start));
        append_number(bytes, static_cast<uint64>(length) + 1);
        appendBinaryStringInfo(bytes, start, length);
    }
}

// The value whose bytes these are.
static Datum value_of(const char *bytes, Size length, Form_pg_attribute attribute)
{
    if (attribute->attbyval) {
        union {
            Datum whole;
            char bytes[sizeof(Datum)];
        } raw{};
        memcpy(raw.bytes, bytes, length);
        return fetch_att(raw.bytes, true, attribute->attlen);
    }
    Size header = attribute->attlen == -1 ? VARHDRSZ : 0;
    auto *value = static_cast<char *>(palloc(header + length + 1));
    memcpy(value + header, bytes, length);
    value[header + length] = '\0'; // for a cstring
    if (attribute->attlen == -1)
        SET_VARSIZE(value, header + length);
    return PointerGetDatum(value);
}

bool read(const char **bytes, const char *end, Form_pg_attribute attribute, Datum *value,
          bool *null)
{
    std::string_view rest(*bytes, static_cast<size_t>(end - *bytes));
    uint64_t length;

    if (!varint::read(&rest, &length) || length > rest.size() + 1)
        return false;
    *null = length == 0;
    *value = 0;
    if (!*null) {
        length--;
        if (attribute->attlen > 0 && length != static_cast<uint64_t>(attribute->attlen))
            return false;
        *value = value_of(rest.data(), length, attribute);
        rest.remove_prefix(length);
    }
    *bytes = rest.data();
    return true;
}

} // namespace refresh_mv::row_image
