//! The `midair` command, also as `cargo midair`.
//!
//! | command | what it does |
//! |---|---|
//! | `midair demo` | shows on a small project how a running program takes new code |
//! | `midair inspect` | what a library says of itself, without loading it |
//! | `midair check` | whether a program that runs one library would take another |
//! | `midair diff` | the machine code of a function in two editions, side by side |
//!
//! How a command ends is a promise to scripts: see [`Exit`].

mod arguments;
mod check;
mod config;
mod demo;
mod diff;
mod error;
mod exit;
mod inspect;
mod interrupt;
mod json;
mod screen;

use std::ffi::OsString;

pub use arguments::Invocation;
pub use exit::Exit;

use config::{Command, Config};
use error::Error;
use screen::Screen;

/// Runs the command that `arguments` ask for, the name of the program first.
pub fn main(invocation: Invocation, arguments: impl Iterator<Item = OsString>) -> Exit {
    match arguments::parse(invocation, arguments) {
        Ok(config) => run(&config).unwrap_or_else(|error| error.tell()),
        Err(usage) => usage.tell(),
    }
}

fn run(config: &Config) -> Result<Exit, Error> {
    let screen = &mut Screen::new();
    match &config.command {
        Command::Demo(options) => {
            interrupt::listen();
            demo::run(options, screen).map(|()| Exit::Success)
        }
        Command::Inspect(options) => inspect::run(options, screen),
        Command::Check(options) => check::run(options, screen),
        Command::Diff(options) => diff::run(options, screen),
    }
}
