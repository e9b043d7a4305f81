#include "query/known_functions.hpp"

#include <algorithm>
#include <iterator>

namespace refresh_mv {

namespace {

// The functions of pg_catalog that depend on settings alone, by the names of
// their C functions, which tell overloads apart (those in SQL by their SQL
// names).  Most are marked stable; some are marked immutable and are not.
//
// Missing on purpose is what depends on the current time, as age(timestamptz),
// date_in, timestamptz_in, time_timetz and timetz_zone do; what reads
// catalogs, as regclassout does; what tells about the session or the storage;
// and what depends on the client's encoding, as textsend does.
constexpr KnownFunction of_postgresql[] = {
    {"anytextcat", Uses::output},
    {"array_to_json", Uses::output},
    {"array_to_json_pretty", Uses::output},
    {"array_to_text", Uses::output},
    {"array_to_text_null", Uses::output},
    {"box_out", Uses::settings},
    {"byteaout", Uses::settings},
    {"cash_in", Uses::settings},
    {"cash_numeric", Uses::settings},
    {"cash_out", Uses::settings},
    {"circle_out", Uses::settings},
    {"date_cmp_timestamptz", Uses::settings},
    {"date_eq_timestamptz", Uses::settings},
    {"date_ge_timestamptz", Uses::settings},
    {"date_gt_timestamptz", Uses::settings},
    {"date_le_timestamptz", Uses::settings},
    {"date_lt_timestamptz", Uses::settings},
    {"date_ne_timestamptz", Uses::settings},
    {"date_out", Uses::settings},
    {"date_timestamptz", Uses::settings},
    {"enum_first", Uses::settings},
    {"enum_in", Uses::settings},
    {"enum_last", Uses::settings},
    {"enum_out", Uses::settings},
    {"enum_range_all", Uses::settings},
    {"enum_range_bounds", Uses::settings},
    {"extract_timestamptz", Uses::settings},
    {"float4_to_char", Uses::settings},
    {"float4out", Uses::settings},
    {"float8_to_char", Uses::settings},
    {"float8out", Uses::settings},
    {"generate_series_timestamptz", Uses::settings},
    {"generate_series_timestamptz_at_zone", Uses::zone},
    {"get_current_ts_config", Uses::settings},
    {"in_range_timestamptz_interval", Uses::settings},
    {"int4_cash", Uses::settings},
    {"int4_to_char", Uses::settings},
    {"int8_cash", Uses::settings},
    {"int8_to_char", Uses::settings},
    {"interval_in", Uses::settings},
    {"interval_out", Uses::settings},
    {"interval_pl_timestamptz", Uses::settings},
    {"interval_to_char", Uses::settings},
    {"json_agg_strict_transfn", Uses::output},
    {"json_agg_transfn", Uses::output},
    {"json_build_array", Uses::output},
    {"json_build_array_noargs", Uses::nothing},
    {"json_build_object", Uses::output},
    {"json_build_object_noargs", Uses::nothing},
    {"json_object_agg_strict_transfn", Uses::output},
    {"json_object_agg_transfn", Uses::output},
    {"json_object_agg_unique_strict_transfn", Uses::output},
    {"json_object_agg_unique_transfn", Uses::output},
    {"json_populate_record", Uses::input},
    {"json_populate_recordset", Uses::input},
    {"json_string_to_tsvector", Uses::settings},
    {"json_to_record", Uses::input},
    {"json_to_recordset", Uses::input},
    {"json_to_tsvector", Uses::settings},
    {"jsonb_agg_finalfn", Uses::nothing},
    {"jsonb_agg_strict_transfn", Uses::output},
    {"jsonb_agg_transfn", Uses::output},
    {"jsonb_build_array", Uses::output},
    {"jsonb_build_array_noargs", Uses::nothing},
    {"jsonb_build_object", Uses::output},
    {"jsonb_build_object_noargs", Uses::nothing},
    {"jsonb_object_agg_finalfn", Uses::nothing},
    {"jsonb_object_agg_strict_transfn", Uses::output},
    {"jsonb_object_agg_transfn", Uses::output},
    {"jsonb_object_agg_unique_strict_transfn", Uses::output},
    {"jsonb_object_agg_unique_transfn", Uses::output},
    {"jsonb_path_exists_tz", Uses::settings},
    {"jsonb_path_match_tz", Uses::settings},
    {"jsonb_path_query_array_tz", Uses::settings},
    {"jsonb_path_query_first_tz", Uses::settings},
    {"jsonb_path_query_tz", Uses::settings},
    {"jsonb_populate_record", Uses::input},
    {"jsonb_populate_recordset", Uses::input},
    {"jsonb_string_to_tsvector", Uses::settings},
    {"jsonb_to_record", Uses::input},
    {"jsonb_to_recordset", Uses::input},
    {"jsonb_to_tsvector", Uses::settings},
    {"length_in_encoding", Uses::nothing},
    {"line_out", Uses::settings},
    {"lseg_out", Uses::settings},
    {"make_timestamptz", Uses::settings},
    {"make_timestamptz_at_timezone", Uses::zone},
    {"numeric_cash", Uses::settings},
    {"numeric_to_char", Uses::settings},
    {"numeric_to_number", Uses::settings},
    {"overlaps", Uses::settings},
    {"path_out", Uses::settings},
    {"pg_convert", Uses::nothing},
    {"pg_convert_from", Uses::nothing},
    {"pg_convert_to", Uses::nothing},
    {"phraseto_tsquery", Uses::settings},
    {"plainto_tsquery", Uses::settings},
    {"point_out", Uses::settings},
    {"poly_out", Uses::settings},
    {"quote_ident", Uses::settings},
    {"quote_literal", Uses::output},
    {"quote_nullable", Uses::output},
    {"row_to_json", Uses::output},
    {"row_to_json_pretty", Uses::output},
    {"text_concat", Uses::output},
    {"text_concat_ws", Uses::output},
    {"text_format", Uses::output},
    {"text_format_nv", Uses::output},
    {"textanycat", Uses::output},
    {"texttoxml", Uses::settings},
    {"timestamp_at_local", Uses::settings},
    {"timestamp_cmp_timestamptz", Uses::settings},
    {"timestamp_eq_timestamptz", Uses::settings},
    {"timestamp_ge_timestamptz", Uses::settings},
    {"timestamp_gt_timestamptz", Uses::settings},
    {"timestamp_le_timestamptz", Uses::settings},
    {"timestamp_lt_timestamptz", Uses::settings},
    {"timestamp_ne_timestamptz", Uses::settings},
    {"timestamp_out", Uses::settings},
    {"timestamp_timestamptz", Uses::settings},
    {"timestamp_to_char", Uses::settings},
    {"timestamp_zone", Uses::zone},
    {"timestamptz", Uses::settings},
    {"timestamptz_at_local", Uses::settings},
    {"timestamptz_cmp_date", Uses::settings},
    {"timestamptz_cmp_timestamp", Uses::settings},
    {"timestamptz_date", Uses::settings},
    {"timestamptz_eq_date", Uses::settings},
    {"timestamptz_eq_timestamp", Uses::settings},
    {"timestamptz_ge_date", Uses::settings},
    {"timestamptz_ge_timestamp", Uses::settings},
    {"timestamptz_gt_date", Uses::settings},
    {"timestamptz_gt_timestamp", Uses::settings},
    {"timestamptz_le_date", Uses::settings},
    {"timestamptz_le_timestamp", Uses::settings},
    {"timestamptz_lt_date", Uses::settings},
    {"timestamptz_lt_timestamp", Uses::settings},
    {"timestamptz_mi_interval", Uses::settings},
    {"timestamptz_mi_interval_at_zone", Uses::zone},
    {"timestamptz_ne_date", Uses::settings},
    {"timestamptz_ne_timestamp", Uses::settings},
    {"timestamptz_out", Uses::settings},
    {"timestamptz_part", Uses::settings},
    {"timestamptz_pl_interval", Uses::settings},
    {"timestamptz_pl_interval_at_zone", Uses::zone},
    {"timestamptz_time", Uses::settings},
    {"timestamptz_timestamp", Uses::settings},
    {"timestamptz_timetz", Uses::settings},
    {"timestamptz_to_char", Uses::settings},
    {"timestamptz_trunc", Uses::settings},
    {"timestamptz_trunc_zone", Uses::zone},
    {"timestamptz_zone", Uses::zone},
    {"to_date", Uses::settings},
    {"to_json", Uses::output},
    {"to_jsonb", Uses::output},
    {"to_timestamp", Uses::settings},
    {"to_tsquery", Uses::settings},
    {"to_tsvector", Uses::settings},
    {"ts_headline", Uses::settings},
    {"ts_headline_json", Uses::settings},
    {"ts_headline_json_opt", Uses::settings},
    {"ts_headline_jsonb", Uses::settings},
    {"ts_headline_jsonb_opt", Uses::settings},
    {"ts_headline_opt", Uses::settings},
    {"ts_match_tq", Uses::settings},
    {"ts_match_tt", Uses::settings},
    {"websearch_to_tsquery", Uses::settings},
    {"xml_in", Uses::settings},
    {"xml_is_well_formed", Uses::settings},
    {"xpath", Uses::settings},
};
static_assert(std::ranges::is_sorted(of_postgresql, {}, &KnownFunction::name));

// A function of an extension, written in C, that is not immutable.
struct ExtensionFunction {
    std::string_view extension;
    std::string_view name; // of the C function
    const char *setting;   // of that extension, on which its result depends besides its arguments; null: none
};

// Those of PostGIS and hll make up aggregates, and are volatile for want of anybody who
// said otherwise.  (What hll_set_defaults() and the like change in a session is no setting.)
// Missing on purpose is what reads tables or files, as unaccent() does, and much of
// PostGIS (spatial_ref_sys), and what counts rows as they come.
constexpr ExtensionFunction of_extensions[] = {
    {"hll", "hll_add_trans0", nullptr},
    {"hll", "hll_add_trans1", nullptr},
    {"hll", "hll_add_trans2", nullptr},
    {"hll", "hll_add_trans3", nullptr},
    {"hll", "hll_add_trans4", nullptr},
    {"hll", "hll_card_unpacked", nullptr},
    {"hll", "hll_ceil_card_unpacked", nullptr},
    {"hll", "hll_deserialize", nullptr},
    {"hll", "hll_floor_card_unpacked", nullptr},
    {"hll", "hll_pack", nullptr},
    {"hll", "hll_serialize", nullptr},
    {"hll", "hll_union_internal", nullptr},
    {"hll", "hll_union_trans", nullptr},
    {"pg_trgm", "show_limit", "pg_trgm.similarity_threshold"},
    {"pg_trgm", "similarity_op", "pg_trgm.similarity_threshold"},
    {"pg_trgm", "strict_word_similarity_commutator_op", "pg_trgm.strict_word_similarity_threshold"},
    {"pg_trgm", "strict_word_similarity_op", "pg_trgm.strict_word_similarity_threshold"},
    {"pg_trgm", "word_similarity_commutator_op", "pg_trgm.word_similarity_threshold"},
    {"pg_trgm", "word_similarity_op", "pg_trgm.word_similarity_threshold"},
    {"postgis", "pgis_geometry_accum_finalfn", nullptr},
    {"postgis", "pgis_geometry_accum_transfn", nullptr},
    {"postgis", "pgis_geometry_clusterintersecting_finalfn", nullptr},
    {"postgis", "pgis_geometry_clusterwithin_finalfn", nullptr},
    {"postgis", "pgis_geometry_collect_finalfn", nullptr},
    {"postgis", "pgis_geometry_coverageunion_finalfn", nullptr},
    {"postgis", "pgis_geometry_makeline_finalfn", nullptr},
    {"postgis", "pgis_geometry_polygonize_finalfn", nullptr},
    {"postgis", "pgis_geometry_union_finalfn", nullptr},
};

// What is known of a function of an extension; null: nothing.
const ExtensionFunction *of_extension(Oid function)
{
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for function %u", function);
    auto *form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    const char *name = nullptr;
    if (form->prolang == ClanguageId && form->provolatile != PROVOLATILE_IMMUTABLE) {
        bool null;
        name = TextDatumGetCString(SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &null));
    }
    ReleaseSysCache(tuple);
    if (name == nullptr)
        return nullptr;
    for (const ExtensionFunction &known : of_extensions)
        if (known.name == name) {
            Oid extension = getExtensionOfObject(ProcedureRelationId, function);
            if (OidIsValid(extension) && known.extension == get_extension_name(extension))
                return &known;
        }
    return nullptr;
}

} // namespace

namespace known_functions {

const KnownFunction *find(Oid function)
{
    if (function >= FirstGenbkiObjectId)
        return nullptr;
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for function %u", function);
    auto *form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    const char *name = pstrdup(NameStr(form->proname));
    if (form->prolang == INTERNALlanguageId) {
        bool null;
        name = TextDatumGetCString(SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &null));
    }
    ReleaseSysCache(tuple);
    auto *known = std::ranges::lower_bound(of_postgresql, std::string_view(name), {},
                                           &KnownFunction::name);
    return known != std::end(of_postgresql) && known->name == name ? known : nullptr;
}

bool is_constant(Oid function)
{
    const ExtensionFunction *known = of_extension(function);
    return known != nullptr && known->setting == nullptr;
}

const char *extension_setting(Oid function)
{
    const ExtensionFunction *known = of_extension(function);
    return known != nullptr ? known->setting : nullptr;
}

} // namespace known_functions

} // namespace refresh_mv
