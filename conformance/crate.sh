# Sourced by the scripts that compile a service.

# write_crate FOLDER NAME AGENTS: writes the crate served-NAME, whose build script compiles the agents in AGENTS. It uses
# the runtime of this repository ($root) and the tested versions of everything else.
write_crate() {
    local crate=$1 name=$2 agents=$3
    mkdir -p "$crate/src"
    cp -r --no-preserve=mode "$agents" "$crate/agents"
    # Cargo removes unneeded packages.
    cp "$root/Cargo.lock" "$crate/Cargo.lock"
    cat >"$crate/Cargo.toml" <<END
[package]
name = "served-$name"
version = "0.1.0"
edition = "2024"
publish = false

[lib]
name = "${name}_api"

[dependencies]
agentgen-runtime = { path = "$root/crates/runtime" }

[build-dependencies]
agentgen-build = { path = "$root" }

[workspace]
END
    cat >"$crate/build.rs" <<'END'
fn main() {
    agentgen_build::compile("agents");
}
END
    cat >"$crate/src/main.rs" <<'END'
mod agents {
    agentgen_runtime::include_agents!();
}

fn main() -> std::process::ExitCode {
    agentgen_runtime::serve(agents::registry(&agents::Prompted))
}
END
    # The same code as a library, because only libraries have documentation tests.
    cat >"$crate/src/lib.rs" <<'END'
//! Agents behind a library.

/// What was generated.
pub mod agents {
    agentgen_runtime::include_agents!();
}
END
}
