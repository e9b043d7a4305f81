#include "files.hpp"

#include "source.hpp"
#include "tracking.hpp"

namespace {

// A relation's files: its own, and that of its TOAST table.
struct Files {
    Oid relation;
    Oid file;
    Oid toast_table;
    Oid toast_file;
};

// The number of a relation's file, 0 if it has none, and its TOAST table.
Oid file_of(Oid relation, Oid *toast_table)
{
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    if (!HeapTupleIsValid(tuple))
        return InvalidOid;
    auto *form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
    Oid file = form->relfilenode;
    *toast_table = form->reltoastrelid;
    if (!OidIsValid(file) && RELKIND_HAS_STORAGE(form->relkind))
        file = pg::mapped_file(relation, form->relisshared);
    ReleaseSysCache(tuple);
    return file;
}

Files files_of(Oid relation)
{
    Files files{};
    Oid none;
    files.relation = relation;
    files.file = file_of(relation, &files.toast_table);
    if (OidIsValid(files.toast_table))
        files.toast_file = file_of(files.toast_table, &none);
    return files;
}

// An entry of the text: [relation:file.TOAST table:its file].
void append(StringInfo text, Files files)
{
    char entry[64];
    char *end = entry;
    *end++ = '[';
    end += pg_ultoa_n(files.relation, end);
    *end++ = ':';
    end += pg_ultoa_n(files.file, end);
    *end++ = '.';
    end += pg_ultoa_n(files.toast_table, end);
    *end++ = ':';
    end += pg_ultoa_n(files.toast_file, end);
    *end++ = ']';
    appendBinaryStringInfo(text, entry, static_cast<int>(end - entry));
}

// Reads an entry and goes on to the next; false at the end.
bool next(const char **text, Files *files)
{
    int length;
    if (sscanf(*text, "[%u:%u.%u:%u]%n", &files->relation, &files->file, &files->toast_table, &files->toast_file,
               &length) != 4)
        return false;
    *text += length;
    return true;
}

// Whether a relation still has the files with which it was made: their numbers are its own.
bool is_as_made(const Files &files)
{
    return (!OidIsValid(files.file) || files.file == files.relation) && files.toast_file == files.toast_table;
}

HTAB *by_relation(const char *text)
{
    HASHCTL control{};
    Files files;
    control.keysize = sizeof(Oid);
    control.entrysize = sizeof(Files);
    control.hcxt = CurrentMemoryContext;
    HTAB *table = hash_create("refresh_mv files", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    while (next(&text, &files))
        *static_cast<Files *>(hash_search(table, &files.relation, HASH_ENTER, nullptr)) = files;
    return table;
}

bool same(const Files &a, const Files &b)
{
    return a.file == b.file && a.toast_table == b.toast_table && a.toast_file == b.toast_file;
}

} // namespace

namespace files {

const char *of_relation(Oid relation)
{
    StringInfoData text;
    initStringInfo(&text);
    append(&text, files_of(relation));
    return text.data;
}

const char *of(List *sources)
{
    StringInfoData text;
    ListCell *cell, *member;
    initStringInfo(&text);
    foreach (cell, sources)
        foreach (member, source::members(static_cast<TrackedSource *>(lfirst(cell))->relation, NoLock))
            append(&text, files_of(lfirst_oid(member)));
    return text.data;
}

const char *change(const char *before, const char *now)
{
    Files files;
    long seen = 0;

    if (before != nullptr && strcmp(before, now) == 0)
        return nullptr;
    if (before == nullptr)
        return "the files of its tables at its last refresh are not known";
    HTAB *known = by_relation(before);
    while (next(&now, &files)) {
        auto *old = static_cast<Files *>(hash_search(known, &files.relation, HASH_FIND, nullptr));
        if (old == nullptr ? !is_as_made(files) : !same(*old, files))
            return psprintf("the file of %s is another one: it was rewritten, or its contents replaced",
                            get_rel_name(files.relation));
        seen += old != nullptr;
    }
    if (seen < hash_get_num_entries(known))
        return "a table that it read does not belong to its sources any more";
    return nullptr;
}

} // namespace files
