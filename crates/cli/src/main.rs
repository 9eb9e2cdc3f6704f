//! The command `agentgen`.

fn main() -> std::process::ExitCode {
    cargo_agentgen::main()
}
