// Hypertext that is escaped by construction.
//
// Invariants:
// - Markup is what stands in this program: nothing that is computed can become it, since its
//   constructor is evaluated by the compiler.  All else is Text, or a number.
// - Text is escaped for elements and for attributes in double quotes alike, and put as ASCII:
//   the page means the same in every encoding, as HTML and as XML.
// - No server: this is compiled and tested without one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace refresh_mv {

class Markup {
public:
    template <size_t N>
    consteval Markup(const char (&literal)[N]) : value(literal, N - 1)
    {
    }
    std::string_view value;
};

// Text in UTF-8, of a name, a query, a message.
struct Text {
    explicit Text(std::string_view value) : value(value) {}
    std::string_view value;
};

class Html {
public:
    Html &operator<<(Markup markup)
    {
        page_ += markup.value;
        return *this;
    }
    Html &operator<<(const Text &text);
    Html &operator<<(int number);

    std::string take() { return std::move(page_); }

private:
    std::string page_;
};

namespace html {

// The first character of UTF-8, which is taken away; what is none is U+FFFD.
uint32_t next_character(std::string_view *text);

// How many columns text takes at most, where wide characters take two.
int width(std::string_view text);

// As much of a text as fits into so many columns, with an ellipsis if it is not all.
std::string shortened(std::string_view text, int columns);

} // namespace html

} // namespace refresh_mv
