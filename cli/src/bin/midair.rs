//! The command `midair`.

use midair_cli::{Exit, Invocation};

fn main() -> Exit {
    midair_cli::main(Invocation::Direct, std::env::args_os())
}
