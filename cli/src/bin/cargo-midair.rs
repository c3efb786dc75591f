//! The command `cargo midair`.

use midair_cli::{Exit, Invocation};

fn main() -> Exit {
    midair_cli::main(Invocation::Cargo, std::env::args_os())
}
