// The objects on which the meaning of a query depends, and what matters of each.
#pragma once

#include "query/meaning.hpp"

namespace refresh_mv::meaning {

// What was found on the way down from a query.
struct Closure {
    HTAB *seen;      // Object
    uint64 hash;     // of all that matters, in any order
    bool bodies;     // a function whose body is text is called
    bool search;     // text is searched by the default configuration
    bool any_search; // its configuration or dictionary is named by data
};

// What has been hashed of one object.
struct Print {
    uint64 hash;

    void bytes(const void *start, Size length)
    {
        hash = hash_combine64(hash, hash_bytes_extended(static_cast<const unsigned char *>(start),
                                                        static_cast<int>(length), 0));
    }

    void string(const char *start) { bytes(start, strlen(start)); }

    template <class... T>
    void numbers(T... number)
    {
        const int64 all[] = {static_cast<int64>(number)...};
        bytes(all, sizeof(all));
    }

    // A row of a catalog, as it is and wherever it is.
    void row(HeapTuple tuple)
    {
        constexpr Size start = offsetof(HeapTupleHeaderData, t_bits);
        bytes(reinterpret_cast<char *>(tuple->t_data) + start, tuple->t_len - start);
    }
};

// A hash of an object, begun with its name.
Print begin(Oid catalog, Oid object);

// A row of a catalog that must be there.
template <class CacheId>
HeapTuple find(CacheId cache, Oid object)
{
    HeapTuple tuple = SearchSysCache1(cache, ObjectIdGetDatum(object));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for object %u", object);
    return tuple;
}

// Adds what has been hashed.
void end(Closure *closure, const Print &print);

// Adds an object with all that it leads to, once.
void add(Closure *closure, Oid catalog, Oid object);

// Adds all that a tree uses; false.
bool walk(Node *node, void *context);

} // namespace refresh_mv::meaning
