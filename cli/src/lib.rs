//! The `midair` command, also as `cargo midair`.
//!
//! | command | what it does |
//! |---|---|
//! | `midair demo` | shows on a small project how a running program takes new code |
//!
//! How a command ends is a promise to scripts: see [`Exit`].

mod arguments;
mod config;
mod demo;
mod error;
mod exit;
mod interrupt;
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
        Ok(config) => run(&config).map_or_else(|error| error.tell(), |()| Exit::Success),
        Err(usage) => usage.tell(),
    }
}

fn run(config: &Config) -> Result<(), Error> {
    interrupt::listen();
    match &config.command {
        Command::Demo(options) => demo::run(options, &mut Screen::new()),
    }
}
