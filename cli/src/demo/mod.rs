//! `midair demo`: a small project, a running program, and changes that it takes or refuses.

mod cargo;
mod completed;
mod edit;
mod interactive;
mod process;
mod program;
mod project;
mod script;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Error;
use crate::screen::{Screen, Style};
use cargo::Cargo;
use program::Program;
use project::Project;

/// How the demo is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) afterwards: Afterwards,
    pub(crate) editor: Editor,
}

/// What becomes of the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// It goes.
    Remove,
    /// It stays where it is.
    Keep,
}

/// Who changes the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Editor {
    /// The demo itself.
    Script,
    /// The person at the keyboard.
    Person,
}

/// Everything that the demo has at hand. The program ends before its files go.
struct Stage {
    program: Program,
    cargo: Cargo,
    /// The file that cargo builds and the program has loaded.
    library: PathBuf,
    project: Project,
}

/// Runs the demo.
pub(crate) fn run(options: &Options, screen: &mut Screen) -> Result<(), Error> {
    screen.styled(Style::Title, "midair demo: a running program takes new code")?;
    let mut stage = set_up(options.afterwards, screen)?;
    let played = match options.editor {
        Editor::Script => script::play(&mut stage, screen),
        Editor::Person => interactive::play(&mut stage, screen),
    };
    let root = stage.project.root().to_owned();
    drop(stage);
    if options.afterwards == Afterwards::Keep {
        screen.line(format!("The project stays in {}", root.display()))?;
    } else if played.is_ok() {
        screen.line("The program has ended, and the project is removed.")?;
        screen.line("What was compiled stays in the target folder: the next run is quick.")?;
    }
    played?;
    if options.editor == Editor::Script {
        screen.line("To change it yourself, run the same with --interactive.")?;
    }
    Ok(())
}

fn set_up(afterwards: Afterwards, screen: &mut Screen) -> Result<Stage, Error> {
    let project = Project::create(afterwards)?;
    screen.title("A small project: a program, and a library of three functions.")?;
    screen.line(format!("  {}", project.root().display()))?;
    screen.patience("  cargo build, which takes about half a minute the first time")?;
    let cargo = Cargo::new(project.root(), project.target());
    let (built, took) = cargo.build_program(project::PROGRAM, screen)?;
    screen.line(format!("  cargo build: {}", seconds(took)))?;
    let library = built.with_file_name(project::library());
    let program = Program::start(built)?;
    Ok(Stage { program, cargo, library, project })
}

/// Shows an answer of the program.
fn show(answer: &program::Answer, screen: &mut Screen) -> io::Result<()> {
    screen.line(format!("  call {}: {}", answer.count, answer.text))
}

/// For a person to read.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// For a person to read.
fn milliseconds(time: Duration) -> String {
    format!("{:.0} ms", (time.as_secs_f64() * 1e3).max(1.0))
}
