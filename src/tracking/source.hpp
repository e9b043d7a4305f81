// What a view reads, and how changes of that can be logged.
//
// Invariants:
// - Every relation whose rows can make a difference to the view's query belongs
//   to one of its sources: the whole partition tree of a partition; of an inheritance
//   tree each member is a source, with its own rows alone.
// - Analysis reads catalogs and the query tree, never data, and has no effect.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

// The columns of a unique index that identify a row for ever: immediate, over
// plain columns that are NOT NULL.  A temporal key (WITHOUT OVERLAPS) is one, by the
// equality of all its columns: equal periods overlap, since none is empty.
struct TrackingKey {
    Oid index; // InvalidOid: there is none
    int count;
    AttrNumber *columns;
};

// What helps against an obstacle: a key for the table, a statement, which the hint is, or
// what the hint says.
enum class SourceRemedy { words, statement, key };

// A source of a view.
struct Source {
    Oid relation;       // the root of a partition tree, or the table or view itself
    bool exact;         // rows can be logged; else just that there were changes
    TrackingKey key;    // of a table
    Bitmapset *columns; // that the view uses, numbers as in the relation
    const char *obstacle; // why changes cannot be logged, in words; null: they can
    const char *hint;
    SourceRemedy remedy;
};

namespace source {

// The one about a relation in a list of pointers to structures with a relation;
// null if there is none.
template <class T>
T *find(List *list, Oid relation)
{
    ListCell *cell;
    foreach (cell, list) {
        auto *element = static_cast<T *>(lfirst(cell));
        if (element->relation == relation)
            return element;
    }
    return nullptr;
}

// The sources of a view, as a list of Source *, by oid; from the rewritten query.
List *read_by(Query *rewritten);

// The relations that have triggers for a source, by oid: the table and the
// partitions below it.  Locks them all.  (Chunks of a hypertable have a row trigger
// that goes with that of the hypertable.)
List *members(Oid relation, LOCKMODE lock);

// The key of a table: its primary key, else the narrowest such index.
TrackingKey key(Relation table);

// The key by which rows of a table are logged.  Those of an inheritance tree in which a table has several parents
// have none, nor those with columns that are generated when they are read.
TrackingKey tracking_key(Relation table);

// The top of the inheritance tree of a table; the table itself, if it is in none.  Of several tops any one.
Oid top_of(Oid table);

// The columns of a table's primary key, be it fit for tracking or not, and whether it is
// checked at once; null if it has none.
const char *primary_key(Relation table, bool *immediate);

// Whether a table has parents or children by inheritance, partitions and chunks of
// hypertables left aside.
bool is_inherited(Oid table);

// Whether a table has children by inheritance.
bool has_children(Oid table);

// Whether a table has foreign tables among its partitions or children.
bool has_foreign_part(Oid relation);

// A relation's name for people.
const char *name(Oid relation);

} // namespace source

} // namespace refresh_mv
