#include "server/attribute_versions.hpp"

#include <dlfcn.h>

namespace refresh_mv::attribute_versions {

void set(Relation relation, AttrNumber first)
{
    using GetNext = XLogRecPtr (*)(void);
    using Set = void (*)(Relation, AttrNumber, XLogRecPtr);
    auto get_next = reinterpret_cast<GetNext>(dlsym(RTLD_DEFAULT, "GetNextAttributeVersion"));
    auto set = reinterpret_cast<Set>(dlsym(RTLD_DEFAULT, "SetAttributeVersions"));
    if (get_next != nullptr && set != nullptr)
        set(relation, first, get_next());
}

} // namespace refresh_mv::attribute_versions
