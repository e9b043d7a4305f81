#include "query/setting_values.hpp"

#include <initializer_list>

namespace refresh_mv {

namespace {

// A number for the labels of all enums, in any order.
uint64 enum_labels()
{
    Relation rel = table_open(EnumRelationId, AccessShareLock);
    SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, nullptr, 0, nullptr);
    uint64 sum = 0;

    while (HeapTuple tuple = systable_getnext(scan)) {
        auto *form = reinterpret_cast<Form_pg_enum>(GETSTRUCT(tuple));
        float4 order = form->enumsortorder;
        uint64 label = hash_bytes_extended(
            reinterpret_cast<const unsigned char *>(NameStr(form->enumlabel)),
            static_cast<int>(strlen(NameStr(form->enumlabel))), form->oid);
        sum += hash_combine64(
            label, hash_bytes_extended(reinterpret_cast<const unsigned char *>(&order),
                                       sizeof(order), form->enumtypid));
    }
    systable_endscan(scan);
    table_close(rel, AccessShareLock);
    return sum;
}

// Settings of the server, and the labels of enums.
void append_settings(StringInfo text)
{
    for (const char *name :
         {"DateStyle", "IntervalStyle", "TimeZone", "array_nulls", "bytea_output",
          "default_text_search_config", "extra_float_digits", "lc_monetary", "lc_numeric",
          "lc_time", "quote_all_identifiers", "timezone_abbreviations", "xmlbinary", "xmloption"})
        appendStringInfo(text, "%s = '%s', ", name, GetConfigOption(name, false, false));
    // The name of the text search configuration may depend on search_path.
    appendStringInfo(text, "text search configuration %u, enum labels " UINT64_FORMAT,
                     getTSCurrentConfig(false), enum_labels());
}

} // namespace

namespace setting_values {

char *text(const Constancy &constancy)
{
    StringInfoData values;
    ListCell *cell;

    if (!constancy.reads_settings && constancy.others == NIL)
        return nullptr;
    initStringInfo(&values);
    if (constancy.reads_settings)
        append_settings(&values);
    list_sort(constancy.others, [](const ListCell *a, const ListCell *b) {
        return strcmp(static_cast<char *>(lfirst(a)), static_cast<char *>(lfirst(b)));
    });
    foreach (cell, constancy.others) {
        auto *name = static_cast<char *>(lfirst(cell));
        const char *value = GetConfigOption(name, true, false);
        appendStringInfo(&values, ", %s = '%s'", name, value ? value : "");
    }
    return values.data;
}

} // namespace setting_values

} // namespace refresh_mv
