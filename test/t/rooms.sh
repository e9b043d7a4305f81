#!/bin/bash
# Tests that each file of src/ is in a room of the drawing in src/README.md, and that
# includes go down in that drawing, or stay in their room.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

declare -A floor # of each room, from the top

# Reads the drawing: the rooms of a floor stand in one line.
read_drawing() {
    local line word number=0
    while read -r line; do
        number=$((number + 1))
        for word in $line; do
            [[ -d $1/src/$word ]] || break
            floor[$word]=$number
        done
    done < <(sed -n '/^```/,/^```/p' "$1/src/README.md" | grep -v '^```')
}

# Prints what is wrong with the includes and places of the tree $1.
faults() {
    local file room line include
    while read -r file; do
        room=${file%%/*}
        [[ $file == */* && -n ${floor[$room]:-} ]] || { echo "$file is in no room"; continue; }
        while read -r include; do
            [[ $include == */* ]] || { echo "$file includes $include without its room"; continue; }
            line=${include%%/*}
            [[ $line == "$room" ]] || ((${floor[$line]:-0} > ${floor[$room]})) ||
                echo "$file includes $include, which is not below it"
        done < <(sed -n 's/^#include "\([^"]*\)".*/\1/p' "$1/src/$file" | grep -v '\.h$')
    done < <(cd "$1/src" && find . -name '*.cpp' -printf '%P\n' -o -name '*.hpp' -printf '%P\n' | grep -vx 'module.cpp')
}

read_drawing "$ROOT"
faults "$ROOT"
