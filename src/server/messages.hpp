// Text for people, from C++ code.
#pragma once

#include <string>

namespace refresh_mv {

#if defined(__GNUC__)
#define LIKE_PRINTF __attribute__((format(gnu_printf, 1, 2)))
#endif

// A string in printf's manner.
std::string format(const char *pattern, ...) LIKE_PRINTF;

// A message to the client.  Always ASCII but for the names in it.
void notice(const char *pattern, ...) LIKE_PRINTF;
void warning(const char *pattern, ...) LIKE_PRINTF;

} // namespace refresh_mv
