#include "inspect/html.hpp"

#include <cstdio>

namespace refresh_mv {

namespace {

constexpr uint32_t no_character = 0xFFFD;

// How many bytes follow the first one of a character; -1: it cannot be the first.
int bytes_after(unsigned char first)
{
    return first < 0x80 ? 0 : first < 0xC2 ? -1 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : first < 0xF5 ? 3 : -1;
}

// Whether a code point can stand in XML, control characters aside.
bool is_character(uint32_t code)
{
    return code < 0xD800 || (code > 0xDFFF && code < 0xFFFE) || (code > 0xFFFF && code <= 0x10FFFF);
}

// A character as a reference to its number.
void put_reference(std::string *page, uint32_t code)
{
    char digits[16];
    snprintf(digits, sizeof(digits), "&#%u;", static_cast<unsigned>(code));
    *page += digits;
}

void put(std::string *page, uint32_t code)
{
    switch (code) {
    case '&':
        *page += "&amp;";
        break;
    case '<':
        *page += "&lt;";
        break;
    case '>':
        *page += "&gt;";
        break;
    case '"':
        *page += "&quot;";
        break;
    case '\'':
        *page += "&#39;";
        break;
    case '\n':
        *page += '\n';
        break;
    case '\r':
    case '\t':
        *page += ' ';
        break;
    default:
        if (code >= ' ' && code < 0x7F)
            *page += static_cast<char>(code);
        else if (code < ' ')
            put_reference(page, 0x2400 + code); // the picture of a control character
        else
            put_reference(page, code >= 0x7F && code < 0xA0 ? no_character : code);
    }
}

// Whether a character takes two columns: East Asian ones and pictures, roughly.
bool is_wide(uint32_t code)
{
    return (code >= 0x1100 && code <= 0x115F) || (code >= 0x2E80 && code <= 0xA4CF) || (code >= 0xAC00 && code <= 0xD7A3)
           || (code >= 0xF900 && code <= 0xFAFF) || (code >= 0xFE30 && code <= 0xFE6F) || (code >= 0xFF00 && code <= 0xFF60)
           || (code >= 0x1F300 && code <= 0x1FAFF) || (code >= 0x20000 && code <= 0x3FFFD);
}

} // namespace

Html &Html::operator<<(const Text &text)
{
    std::string_view rest = text.value;
    while (!rest.empty())
        put(&page_, html::next_character(&rest));
    return *this;
}

Html &Html::operator<<(int number)
{
    page_ += std::to_string(number);
    return *this;
}

namespace html {

uint32_t next_character(std::string_view *text)
{
    auto first = static_cast<unsigned char>((*text)[0]);
    int more = bytes_after(first);
    text->remove_prefix(1);
    if (more < 0)
        return no_character;
    uint32_t code = more == 0 ? first : first & (0x3FU >> more);
    for (int i = 0; i < more; i++) {
        if (text->empty() || (static_cast<unsigned char>((*text)[0]) & 0xC0) != 0x80)
            return no_character;
        code = code << 6 | (static_cast<unsigned char>((*text)[0]) & 0x3FU);
        text->remove_prefix(1);
    }
    return is_character(code) ? code : no_character;
}

int width(std::string_view text)
{
    int columns = 0;
    while (!text.empty())
        columns += is_wide(next_character(&text)) ? 2 : 1;
    return columns;
}

std::string shortened(std::string_view text, int columns)
{
    if (width(text) <= columns)
        return std::string(text);
    std::string_view rest = text;
    size_t end = 0;
    for (int used = 0; !rest.empty(); end = text.size() - rest.size()) {
        used += is_wide(next_character(&rest)) ? 2 : 1;
        if (used >= columns)
            break;
    }
    return std::string(text.substr(0, end)) + "\xE2\x80\xA6";
}

} // namespace html

} // namespace refresh_mv
