// What = of a type means: whether it is the one of PostgreSQL, and whether equal values are the same.
//
// Values are the same if they have the same bytes, once they are out of TOAST; then they look
// the same, too.  What = compares says for which types equal values are:
//
//   all of them, of
//     boolean, "char", smallint to bigint, oid and the reg* types, xid8, tid, pg_lsn, money,
//     date, time, timestamp, timestamptz, uuid, macaddr, macaddr8, enums
//                          = compares all that is stored
//     timetz               the moment in UTC, then the zone: with both, all that is stored
//     bit, bit varying     the bits, then their number; what fills up the last byte is 0
//     inet, cidr           the family, the bits of the network, its length, all other bits
//     bytea, oidvector     byte by byte
//     name, text, varchar  byte by byte, where the collation is deterministic
//     ranges, multiranges  of such types of a fixed length, by their default order: both
//                          bounds, whether they belong to it, whether it is empty; all else is
//                          made of these (an infinite bound never belongs to it, an empty
//                          range has none)
//     domains              as their types
//
//   those that have a form in common (see query/sameness.hpp), of
//     character(n)         blanks at the end do not count, and fill each up to its length
//     numeric(p,s)         1.0 = 1.00, and each is rounded to its scale.  NaN and infinities
//                          have no scale, and one image each; 0 has no sign.
//     real, double         0 = -0, NaN = NaN of other bits: where none of these can be
//
//   none of them, of
//     interval             1 month = 30 days = 720 hours
//     jsonb                has numbers within, without a scale
//     arrays               after a[1] = 1 the array still has room for the NULL that was there
//     composite types      rows that are older than a column of their type have less of it
//     text and the like under other collations; types with an = of their own, as citext; all
//     others
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::equality {

// Whether all values of a type that its default ordering calls equal are the same.
bool means_same(Oid type, Oid collation);

// Whether = of an expression's type and collation, as a clause uses it, is the one of
// pg_catalog, and the one that = by name is.
bool is_builtin(Oid equality, Expr *expr);

// The same, and there is a hash function for it.
bool is_plain(Oid equality, Expr *expr);

} // namespace refresh_mv::equality
