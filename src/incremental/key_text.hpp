// A group's keys k1, k2, ... as pieces of SQL.
#pragma once

#include "incremental/group_shape.hpp"

namespace refresh_mv::key_text {

// "prefix k1, prefix k2, " for all keys.
char *list(const GroupShape &shape, const char *prefix);

// The hash of the keys; of none, 0.
char *hash(const GroupShape &shape, const char *prefix);

// The hash of the keys and a value v.
char *value_hash(const GroupShape &shape, const char *prefix);

// " AND a.k1 = b.k1" for all keys, NULLs being equal where there can be any.
char *same(const GroupShape &shape, const char *a, const char *b);

// The same for many rows on both sides: by the hash, too, if there can be NULLs, which no join can go by.
char *same_by_hash(const GroupShape &shape, const char *a, const char *b);

// GROUP BY the keys of u, and more.
char *group_by(const GroupShape &shape, const char *more);

} // namespace refresh_mv::key_text
