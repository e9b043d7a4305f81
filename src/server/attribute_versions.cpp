#include "server/attribute_versions.hpp"

#include <dlfcn.h>

namespace refresh_mv::attribute_versions {

Datum options()
{
    using Next = XLogRecPtr (*)(void);
    using Set = Datum (*)(Datum options, bool none, XLogRecPtr version);
    auto next = reinterpret_cast<Next>(dlsym(RTLD_DEFAULT, "GetNextAttributeVersion"));
    auto set = reinterpret_cast<Set>(dlsym(RTLD_DEFAULT, "attoptions_set_version"));
    return next != nullptr && set != nullptr ? set(0, true, next()) : 0;
}

} // namespace refresh_mv::attribute_versions
