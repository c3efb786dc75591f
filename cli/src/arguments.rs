//! The command line: raw arguments in, one [`Config`] out.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use midair::{Missing, Require};

use crate::config::{Command, Config, Output};
use crate::exit::Exit;
use crate::{check, demo, diff, inspect};

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
    /// Show what a library says of itself, without loading it.
    ///
    /// By which rules it was built, its hot functions with their types and hashes, how
    /// deep these types are known, how large it is, and what about it may surprise
    /// whoever patches with it. ELF, PE and Mach-O files of any machine are read, and
    /// nothing in them is run.
    ///
    /// Exit codes: 0 shown; 1 the file cannot be read or is no library of midair's.
    #[command(verbatim_doc_comment)]
    Inspect(InspectArguments),
    /// Tell whether a program that runs OLD would take NEW.
    ///
    /// Function by function: same, body changed, signature changed, layout changed,
    /// new, gone; and the rules of the build: compiler, target, features, panic
    /// strategy, std, allocator. The running program's own check is the same one.
    /// Nothing is loaded or run. With debug info on both sides (ELF), types are
    /// compared field by field.
    ///
    /// Exit codes: 0 it would be taken; 4 it would be taken and changes nothing; 5 it
    /// would be refused; 1 a file cannot be read, or OLD is no library of midair's.
    #[command(verbatim_doc_comment)]
    Check(CheckArguments),
    /// Show the machine code of a hot function in two editions, side by side.
    ///
    /// Changed instructions are marked: `|` differs, `<` is gone, `>` is new. What an
    /// instruction refers to is shown by name, or as section and offset, constants by
    /// their value, jumps inside the function as <local N>; so code that merely moved
    /// reads as equal. Only the body is shown, not what it calls. x86_64 in ELF files
    /// with a symbol table.
    ///
    /// Exit codes: 0 the code differs; 4 it is the same; 1 it cannot be shown.
    #[command(verbatim_doc_comment)]
    Diff(DiffArguments),
}

#[derive(Debug, Args)]
struct InspectArguments {
    /// The library
    file: PathBuf,
    #[command(flatten)]
    format: FormatArguments,
}

#[derive(Debug, Args)]
struct CheckArguments {
    /// The library that the program runs
    old: PathBuf,
    /// The library that it might get
    new: PathBuf,
    /// What to make of a function that NEW lacks
    #[arg(long, value_enum, default_value = "refuse")]
    missing: Gone,
    /// Refuse functions whose types cannot be compared field by field
    #[arg(long)]
    require_deep: bool,
    #[command(flatten)]
    format: FormatArguments,
}

#[derive(Debug, Args)]
struct DiffArguments {
    /// The library with the old code
    old: PathBuf,
    /// The library with the new code
    new: PathBuf,
    /// The function, in full (`game::World::update`) or by its last segments
    function: String,
    #[command(flatten)]
    format: FormatArguments,
}

#[derive(Debug, Args)]
struct FormatArguments {
    /// For whom to write: a person, or a script
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For a person; in colour on a terminal, unless NO_COLOR is set
    Text,
    /// One JSON object in one line
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Gone {
    /// Refuse NEW
    Refuse,
    /// Let its old code go on
    Keep,
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
        let command = match self.verb {
            Verb::Demo(arguments) => Command::Demo(arguments.options()),
            Verb::Inspect(InspectArguments { file, format }) => {
                Command::Inspect(inspect::Options { file, output: format.output() })
            }
            Verb::Check(CheckArguments { old, new, missing, require_deep, format }) => {
                let missing = match missing {
                    Gone::Refuse => Missing::Refuse,
                    Gone::Keep => Missing::Keep,
                };
                let require = if require_deep { Require::Deep } else { Require::Any };
                let output = format.output();
                Command::Check(check::Options { old, new, missing, require, output })
            }
            Verb::Diff(DiffArguments { old, new, function, format }) => {
                Command::Diff(diff::Options { old, new, function, output: format.output() })
            }
        };
        Config { command }
    }
}

impl DemoArguments {
    fn options(self) -> demo::Options {
        let Self { keep, interactive } = self;
        let afterwards = if keep { demo::Afterwards::Keep } else { demo::Afterwards::Remove };
        let editor = if interactive { demo::Editor::Person } else { demo::Editor::Script };
        demo::Options { afterwards, editor }
    }
}

impl FormatArguments {
    fn output(self) -> Output {
        match self.format {
            Format::Text => Output::Text,
            Format::Json => Output::Json,
        }
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
        match parse(invocation, words).expect("these are understood").command {
            Command::Demo(options) => options,
            other => panic!("{other:?}"),
        }
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
