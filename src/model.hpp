// The values that stages hand to each other.  No PostgreSQL types: the stages
// that only think (strategy) are compiled and tested without a server.
#pragma once

#include <cstdint>
#include <string>

enum class RefreshMode { full, incremental, smart };
enum class Method { window, full, rebuild };

constexpr const char *name_of(RefreshMode mode)
{
    switch (mode) {
    case RefreshMode::full:
        return "full";
    case RefreshMode::incremental:
        return "incremental";
    case RefreshMode::smart:
        return "smart";
    }
    return "";
}

constexpr const char *name_of(Method method)
{
    switch (method) {
    case Method::window:
        return "window";
    case Method::full:
        return "full";
    case Method::rebuild:
        return "rebuild";
    }
    return "";
}

// What was asked for.
struct Request {
    RefreshMode mode;
    int days; // reach of the window in incremental mode
};

// What strategy needs to know of a view.
struct Facts {
    bool populated;
    bool windowable;
    std::string not_windowable; // why not, in words
    bool has_data;
    int days_behind;    // newest value of the date column against current_date
    std::string newest; // the same as a date, for people
};

// How to refresh a view, and why.
struct Decision {
    Method method;
    int days; // reach of the window, for Method::window
    std::string reason;
};

// Rows that a refresh wrote, and rows it left alone inside its scope.
struct RowCounts {
    uint64_t inserted;
    uint64_t updated;
    uint64_t deleted;
    uint64_t unchanged;
};

// What became of a view.
struct Outcome {
    std::string view;
    bool success;
    Method method;
    RowCounts rows;
    std::string error;
};
