# Daily tasks. `just` lists them; CONTRIBUTING.md explains them.

set shell := ["bash", "-euo", "pipefail", "-c"]

_default:
    @just --list --unsorted

# Format all code
fmt:
    cargo fmt --all

# Check formatting and run clippy with warnings as errors, as CI does
lint:
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

# Run all tests
test *args:
    cargo test --locked --workspace {{ args }}

# Run the tests of one package whose name contains a text: just test-one agentgen-runtime lease
test-one package name *args:
    cargo test --locked -p {{ package }} {{ name }} -- {{ args }}

# Rewrite golden files, then show which changed: just golden -p agentgen-build openapi
golden *args="--workspace":
    AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test --locked {{ args }}
    git status --short

# Generate this repository's sample agents into generated/
build:
    cargo run --locked -- build

# Build the API documentation with warnings as errors
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

# Check licences, advisories, banned crates and sources
deny:
    conformance/deny

# Check the output and the generated services with other people's tools (takes long)
conformance:
    cargo build --locked -p cargo-agentgen
    conformance/run

# Run everything that must pass before a change lands (takes long)
ci:
    .ci/run
