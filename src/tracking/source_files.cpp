#include "tracking/source_files.hpp"

#include "tracking/hypertable.hpp"
#include "tracking/registry.hpp"
#include "tracking/triggers.hpp"

namespace refresh_mv {

namespace {

// A relation's files: its own, and that of its TOAST table.
struct Files {
    Oid relation;
    Oid file;
    Oid toast_table;
    Oid toast_file;
    bool own; // this transaction has changed its row in pg_class
};

// An entry of the text, which is the same as long as the files are.
struct Entry {
    Oid relation; // the key in a hash table
    const char *start;
    size_t length;
};

// The number of a relation's file, 0 if it has none, and its TOAST table.
Oid file_of(Oid relation, Oid *toast_table, bool *own)
{
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    if (!HeapTupleIsValid(tuple))
        return InvalidOid;
    auto *form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
    Oid file = form->relfilenode;
    *toast_table = form->reltoastrelid;
    *own = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
    if (!OidIsValid(file) && RELKIND_HAS_STORAGE(form->relkind))
        file = pg::mapped_file(relation, form->relisshared);
    ReleaseSysCache(tuple);
    return file;
}

Files files_of(Oid relation)
{
    Files files{};
    Oid none;
    bool own;
    files.relation = relation;
    files.file = file_of(relation, &files.toast_table, &files.own);
    if (OidIsValid(files.toast_table))
        files.toast_file = file_of(files.toast_table, &none, &own);
    return files;
}

// Adds an entry: [relation:file.TOAST table:its file, and what else there is to say].
void append(StringInfo text, Files files, const char *more)
{
    char numbers[64];
    char *end = numbers;
    *end++ = '[';
    end += pg_ultoa_n(files.relation, end);
    *end++ = ':';
    end += pg_ultoa_n(files.file, end);
    *end++ = '.';
    end += pg_ultoa_n(files.toast_table, end);
    *end++ = ':';
    end += pg_ultoa_n(files.toast_file, end);
    appendBinaryStringInfo(text, numbers, static_cast<int>(end - numbers));
    appendStringInfoString(text, more);
    appendStringInfoChar(text, ']');
}

// What is said of a chunk: its hypertable; its trigger, which tells of writes by the chunk's
// own name; and whether TRUNCATE by its own name might not give it another file (!), since
// this transaction has made it.
void append_chunk(StringInfo text, Oid table, Oid chunk)
{
    Files files = files_of(chunk);
    const char *trigger = triggers::of_chunk(chunk);
    append(text, files, psprintf("/%u %s%s", table, trigger ? trigger : "", files.own ? "!" : ""));
}

// Reads an entry and goes on to the next; false at the end.
bool next(const char **text, Entry *entry)
{
    const char *end = strchr(*text, ']');
    if (end == nullptr)
        return false;
    *entry = {static_cast<Oid>(strtoul(*text + 1, nullptr, 10)), *text, static_cast<size_t>(end - *text)};
    *text = end + 1;
    return true;
}

bool has(const Entry &entry, char mark)
{
    return memchr(entry.start, mark, entry.length) != nullptr;
}

// Reads a number that such a character follows (0: any), and goes on behind that.
bool read_number(const char **text, char follows, Oid *number)
{
    char *end;
    *number = static_cast<Oid>(strtoul(*text, &end, 10));
    bool found = end != *text && (follows == '\0' || *end == follows);
    *text = end + 1;
    return found;
}

// Whether a relation that is new was empty when it was made, and still has the files that it
// was made with: their numbers are its own.  (What was attached with rows in it is told of by
// an event trigger, but for chunks.)
bool is_as_made(const Entry &entry)
{
    Files files;
    const char *text = entry.start + 1;
    if (!read_number(&text, ':', &files.relation) || !read_number(&text, '.', &files.file)
        || !read_number(&text, ':', &files.toast_table) || !read_number(&text, '\0', &files.toast_file))
        return false;
    if ((OidIsValid(files.file) && files.file != files.relation) || files.toast_file != files.toast_table)
        return false;
    auto *table = static_cast<const char *>(memchr(entry.start, '/', entry.length));
    return table == nullptr || hypertable::is_made_empty(atooid(table + 1), files.relation);
}

HTAB *by_relation(const char *text)
{
    HASHCTL control{};
    Entry entry;
    control.keysize = sizeof(Oid);
    control.entrysize = sizeof(Entry);
    control.hcxt = CurrentMemoryContext;
    HTAB *table = hash_create("refresh_mv files", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    while (next(&text, &entry))
        *static_cast<Entry *>(hash_search(table, &entry.relation, HASH_ENTER, nullptr)) = entry;
    return table;
}

bool same(const Entry &a, const Entry &b)
{
    return a.length == b.length && memcmp(a.start, b.start, a.length) == 0 && !has(a, '!');
}

} // namespace

namespace source_files {

const char *of_relation(Oid relation)
{
    StringInfoData text;
    initStringInfo(&text);
    append(&text, files_of(relation), "");
    return text.data;
}

const char *fingerprint(List *sources)
{
    StringInfoData text;
    ListCell *cell, *member, *chunk;
    initStringInfo(&text);
    foreach (cell, sources)
        foreach (member, static_cast<TrackedSource *>(lfirst(cell))->members) {
            Oid table = static_cast<Member *>(lfirst(member))->relation;
            append(&text, files_of(table), "");
            foreach (chunk, hypertable::chunks(table, NoLock))
                append_chunk(&text, table, lfirst_oid(chunk));
        }
    return text.data;
}

const char *change(const char *before, const char *now)
{
    Entry entry;
    long seen = 0;

    if (before == nullptr)
        return "the files of its tables at its last refresh are not known";
    if (strcmp(before, now) == 0 && strchr(before, '!') == nullptr)
        return nullptr;
    HTAB *known = by_relation(before);
    while (next(&now, &entry)) {
        auto *old = static_cast<Entry *>(hash_search(known, &entry.relation, HASH_FIND, nullptr));
        if (old != nullptr && has(*old, '!'))
            return psprintf("%s was made by the transaction of the last refresh, which may have truncated it",
                            get_rel_name(entry.relation));
        if (old == nullptr && !is_as_made(entry))
            return psprintf("%s is new, and may have come with rows in it", get_rel_name(entry.relation));
        if (old != nullptr && !same(*old, entry))
            return psprintf("the file of %s is another one: it was rewritten, or its contents replaced",
                            get_rel_name(entry.relation));
        seen += old != nullptr;
    }
    if (seen < hash_get_num_entries(known))
        return "a table that it read is gone";
    return nullptr;
}

} // namespace source_files

} // namespace refresh_mv
