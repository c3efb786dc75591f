//! The command line: raw arguments in, one [`Config`] out.

use std::ffi::OsString;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Command, Config};
use crate::demo;
use crate::exit::Exit;

/// Who started this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// A person or a script: `midair demo`.
    Direct,
    /// Cargo, which names the command once more: `cargo-midair midair demo`.
    Cargo,
}

/// The command line was not understood, or was answered by a help text.
#[derive(Debug)]
pub(crate) struct Usage(clap::Error);

impl Usage {
    /// Prints the answer and says how the program ends.
    pub(crate) fn tell(self) -> Exit {
        // Where nobody reads, nothing can be said.
        let _ = self.0.print();
        if self.0.use_stderr() { Exit::Usage } else { Exit::Success }
    }
}

/// Reads `arguments`, the name of the program first.
pub(crate) fn parse(
    invocation: Invocation,
    arguments: impl Iterator<Item = OsString>,
) -> Result<Config, Usage> {
    let command = Midair::command();
    let matches = match invocation {
        Invocation::Direct => command.try_get_matches_from(arguments),
        Invocation::Cargo => {
            let twice = |(at, word): &(usize, OsString)| *at == 1 && word == "midair";
            let words = arguments.enumerate().filter(|word| !twice(word)).map(|(_, word)| word);
            command.bin_name("cargo midair").try_get_matches_from(words)
        }
    };
    let midair = matches.and_then(|matches| Midair::from_arg_matches(&matches));
    midair.map(Midair::config).map_err(Usage)
}

/// Change the functions of a running Rust program.
#[derive(Debug, Parser)]
#[command(name = "midair", bin_name = "midair", version)]
struct Midair {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show on a small project how a running program takes new code.
    ///
    /// Makes a project in a temporary folder, builds and starts it, changes a
    /// function, rebuilds the library with `cargo build`, and shows what the running
    /// program does before and after. Then it makes a change that cannot be taken,
    /// and shows how that is refused.
    ///
    /// It needs nothing but cargo, takes some seconds (the first time about half a
    /// minute), and leaves nothing behind.
    #[command(verbatim_doc_comment)]
    Demo(DemoArguments),
}

#[derive(Debug, Args)]
struct DemoArguments {
    /// Leave the project where it is, and say where
    #[arg(long)]
    keep: bool,
    /// Edit the project yourself: each time you save, it is rebuilt
    #[arg(long)]
    interactive: bool,
}

impl Midair {
    fn config(self) -> Config {
        let Verb::Demo(DemoArguments { keep, interactive }) = self.verb;
        let afterwards = if keep { demo::Afterwards::Keep } else { demo::Afterwards::Remove };
        let editor = if interactive { demo::Editor::Person } else { demo::Editor::Script };
        Config { command: Command::Demo(demo::Options { afterwards, editor }) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Invocation, Midair, parse};
    use crate::config::Command;
    use crate::demo::{Afterwards, Editor, Options};
    use clap::CommandFactory;
    use std::ffi::OsString;

    fn demo(invocation: Invocation, words: &[&str]) -> Options {
        let words = words.iter().map(OsString::from);
        let Command::Demo(options) =
            parse(invocation, words).expect("these are understood").command;
        options
    }

    #[test]
    fn the_command_is_well_formed() {
        Midair::command().debug_assert();
    }

    #[test]
    fn cargo_names_the_command_once_more() {
        let plain = Options { afterwards: Afterwards::Remove, editor: Editor::Script };
        assert_eq!(demo(Invocation::Direct, &["midair", "demo"]), plain);
        assert_eq!(demo(Invocation::Cargo, &["cargo-midair", "midair", "demo"]), plain);
        assert_eq!(demo(Invocation::Cargo, &["cargo-midair", "demo"]), plain);
    }

    #[test]
    fn switches_become_choices() {
        let options = demo(Invocation::Direct, &["midair", "demo", "--keep", "--interactive"]);
        assert_eq!(options, Options { afterwards: Afterwards::Keep, editor: Editor::Person });
    }

    #[test]
    fn help_is_a_success_and_nonsense_is_not() {
        let usage = |words: &[&str]| {
            parse(Invocation::Direct, words.iter().map(OsString::from))
                .expect_err("these are not commands")
                .0
        };
        assert!(!usage(&["midair", "--help"]).use_stderr());
        assert!(usage(&["midair", "fly"]).use_stderr());
        assert!(usage(&["midair"]).use_stderr());
    }
}
