// How many distinct values rows with signs bring to a group, and how many they take from it.
//
// A value whose signs add up to something has come, or gone, with all rows that have it: whoever asks knows that no
// other row of the group has it, before or now.  Values are told apart by their type's own =.
#include "server/pg.hpp"

namespace refresh_mv {

extern "C" {
PG_FUNCTION_INFO_V1(refresh_mv_members_step);
PG_FUNCTION_INFO_V1(refresh_mv_members_gained);
PG_FUNCTION_INFO_V1(refresh_mv_members_lost);
}

namespace {

struct Member {
    Datum value;
    int64 net; // the sum of the signs
    uint32 hash;
    bool used;
};

// The values, at the place of their hash or behind it; there is always room.
struct Members {
    TypeCacheEntry *type;
    uint32 room; // a power of two
    uint32 count;
    Member *places;
};

Member *make_places(uint32 room, MemoryContext memory)
{
    return static_cast<Member *>(MemoryContextAllocExtended(memory, sizeof(Member) * room, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
}

Members *make(Oid type, MemoryContext memory)
{
    constexpr uint32 least = 8;
    auto *members = static_cast<Members *>(MemoryContextAllocZero(memory, sizeof(Members)));
    members->type = lookup_type_cache(type, TYPECACHE_HASH_PROC_FINFO | TYPECACHE_EQ_OPR_FINFO);
    if (!OidIsValid(members->type->hash_proc_finfo.fn_oid) || !OidIsValid(members->type->eq_opr_finfo.fn_oid))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION), errmsg("type %s has no hash function", format_type_be(type))));
    members->room = least;
    members->places = make_places(least, memory);
    return members;
}

// The place of a value: its own, or the one where it can be put.
Member *place_of(const Members *members, Datum value, uint32 hash, Oid collation)
{
    uint32 mask = members->room - 1;
    for (uint32 i = hash & mask;; i = (i + 1) & mask) {
        Member *place = &members->places[i];
        if (!place->used
            || (place->hash == hash
                && DatumGetBool(FunctionCall2Coll(&members->type->eq_opr_finfo, collation, place->value, value))))
            return place;
    }
}

// Makes room for one more; a quarter stays free.
void reserve(Members *members, MemoryContext memory)
{
    if ((members->count + 1) * 4 <= members->room * 3)
        return;
    Member *old = members->places;
    uint32 room = members->room * 2;
    Member *places = make_places(room, memory);
    for (uint32 i = 0; i < members->room; i++) {
        uint32 to = old[i].hash & (room - 1);
        while (old[i].used && places[to].used)
            to = (to + 1) & (room - 1);
        if (old[i].used)
            places[to] = old[i];
    }
    members->places = places;
    members->room = room;
    pfree(old);
}

void add(Members *members, Datum value, int64 sign, Oid collation, MemoryContext memory)
{
    uint32 hash = DatumGetUInt32(FunctionCall1Coll(&members->type->hash_proc_finfo, collation, value));
    reserve(members, memory);
    Member *place = place_of(members, value, hash, collation);
    if (!place->used) {
        MemoryContext old = MemoryContextSwitchTo(memory);
        *place = {datumCopy(value, members->type->typbyval, members->type->typlen), 0, hash, true};
        MemoryContextSwitchTo(old);
        members->count++;
    }
    place->net += sign;
}

// How many values have come, by sign 1, or gone, by -1.
int64 count(const Members *members, int sign)
{
    int64 count = 0;
    for (uint32 i = 0; i < members->room; i++)
        count += members->places[i].used && members->places[i].net * sign > 0 ? 1 : 0;
    return count;
}

} // namespace

// Adds a row's value with its sign; null is none.
Datum refresh_mv_members_step(PG_FUNCTION_ARGS)
{
    MemoryContext memory;
    if (!AggCheckCallContext(fcinfo, &memory))
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("not called as an aggregate")));
    auto *members = PG_ARGISNULL(0) ? make(get_fn_expr_argtype(fcinfo->flinfo, 1), memory)
                                    : reinterpret_cast<Members *>(PG_GETARG_POINTER(0));
    if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
        add(members, PG_GETARG_DATUM(1), PG_GETARG_INT32(2), PG_GET_COLLATION(), memory);
    PG_RETURN_POINTER(members);
}

// How many values have come.
Datum refresh_mv_members_gained(PG_FUNCTION_ARGS)
{
    PG_RETURN_INT64(PG_ARGISNULL(0) ? 0 : count(reinterpret_cast<Members *>(PG_GETARG_POINTER(0)), 1));
}

// How many have gone.
Datum refresh_mv_members_lost(PG_FUNCTION_ARGS)
{
    PG_RETURN_INT64(PG_ARGISNULL(0) ? 0 : count(reinterpret_cast<Members *>(PG_GETARG_POINTER(0)), -1));
}

} // namespace refresh_mv
