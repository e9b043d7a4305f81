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

// The value of a type passed by value whose bytes these are.
static Datum by_value(const char *bytes, int16 length)
{
    union {
        Datum whole;
        char bytes[sizeof(Datum)];
    } raw{};
    memcpy(raw.bytes, bytes, static_cast<Size>(length));
    return fetch_att(raw.bytes, true, length);
}

// The value of another type, at a place with room for a header and a last zero.
static Datum by_reference(const char *bytes, Size length, int16 type_length, char *place)
{
    Size header = type_length == -1 ? VARHDRSZ : 0;
    memcpy(place + header, bytes, length);
    place[header + length] = '\0'; // for a cstring
    if (type_length == -1)
        SET_VARSIZE(place, header + length);
    return PointerGetDatum(place);
}

// Takes the bytes of a column off the front: length of them, from start; null where it is null.
static bool take(const char **bytes, const char *end, int16 type_length, const char **start, Size *length)
{
    std::string_view rest(*bytes, static_cast<size_t>(end - *bytes));
    uint64_t number;

    if (!varint::read(&rest, &number) || number > rest.size() + 1)
        return false;
    *start = number > 0 ? rest.data() : nullptr;
    *length = number > 0 ? number - 1 : 0;
    *bytes = rest.data() + *length;
    return number == 0 || type_length < 0 || *length == static_cast<Size>(type_length);
}

bool read(const char **bytes, const char *end, Form_pg_attribute attribute, Datum *value, bool *null)
{
    const char *start;
    Size length;

    if (!take(bytes, end, attribute->attlen, &start, &length))
        return false;
    *null = start == nullptr;
    *value = *null                 ? 0
             : attribute->attbyval ? by_value(start, attribute->attlen)
                                   : by_reference(start, length, attribute->attlen,
                                                  static_cast<char *>(palloc(VARHDRSZ + length + 1)));
    return true;
}

bool read(const char **bytes, const char *end, Form_pg_attribute attribute, Datum *value, bool *null, Room *room)
{
    const char *start;
    Size length;

    if (!take(bytes, end, attribute->attlen, &start, &length))
        return false;
    *null = start == nullptr;
    *value = *null                 ? 0
             : attribute->attbyval ? by_value(start, attribute->attlen)
                                   : by_reference(start, length, attribute->attlen,
                                                  room->take(VARHDRSZ + length + 1, attribute->attalign));
    return true;
}

void Room::clear(Size bytes, int columns)
{
    Size needed = bytes + static_cast<Size>(columns) * (VARHDRSZ + 1 + MAXIMUM_ALIGNOF);
    if (needed > size_) {
        if (start_ != nullptr)
            pfree(start_);
        size_ = Max(needed, 2 * size_);
        start_ = static_cast<char *>(palloc_extended(size_, MCXT_ALLOC_HUGE));
    }
    free_ = start_;
}

char *Room::take(Size bytes, char alignment)
{
    // A long varlena begins with its length, which takes the alignment of an int at least.
    auto *place = reinterpret_cast<char *>(
        alignment == TYPALIGN_DOUBLE ? DOUBLEALIGN(free_) : INTALIGN(free_));
    free_ = place + bytes;
    return place;
}

} // namespace refresh_mv::row_image
