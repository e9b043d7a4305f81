#include "server/messages.hpp"

#include "server/bridge.hpp"

namespace refresh_mv {

__attribute__((format(gnu_printf, 1, 0))) static std::string vformat(const char *pattern, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(nullptr, 0, pattern, args);
    std::string result(length > 0 ? length : 0, '\0');
    vsnprintf(result.data(), result.size() + 1, pattern, again);
    va_end(again);
    return result;
}

std::string format(const char *pattern, ...)
{
    va_list args;
    va_start(args, pattern);
    std::string result = vformat(pattern, args);
    va_end(args);
    return result;
}

void notice(const char *pattern, ...)
{
    va_list args;
    va_start(args, pattern);
    std::string message = vformat(pattern, args);
    va_end(args);
    guard([&] { ereport(NOTICE, (errmsg_internal("%s", message.c_str()))); });
}

void warning(const char *pattern, ...)
{
    va_list args;
    va_start(args, pattern);
    std::string message = vformat(pattern, args);
    va_end(args);
    guard([&] { ereport(WARNING, (errmsg_internal("%s", message.c_str()))); });
}

} // namespace refresh_mv
