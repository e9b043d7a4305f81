#!/bin/bash
# doc/reliability.md says of long runs what test/results/long_runs.csv does.
set -euo pipefail
"$(dirname "${BASH_SOURCE[0]}")"/../lib/long_runs.py check
