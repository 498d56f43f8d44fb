#!/bin/sh
# Builds the release binary and compares it with DuckDB on one large month; see README.md.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --locked --bin apportion
exec "${PYTHON:-python3}" benches/compare.py \
    --binary "${CARGO_TARGET_DIR:-target}/release/apportion" "$@"
