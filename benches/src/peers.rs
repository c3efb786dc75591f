//! The same figures for libhotpatch, hot-lib-reloader, subsecond and dymod.
//!
//! They are no dependencies of this package but of a project that is built when they are asked
//! for: they bring other versions of what the workspace uses, one of them needs a profile of its
//! own, and the build script of another refuses target folders that are not called `target`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::args::Effort;
use crate::calls::row;
use crate::error::{Error, at};
use crate::fixture::{Fixtures, build, cargo, library_name, write};
use crate::host;
use crate::reload::{folder, percentile};
use crate::rounds::{Figure, median};
use crate::table::{Row, Table};

/// The rows of `calls`.
const CALLS: [&str; 6] = [
    "libhotpatch",
    "libhotpatch, after a patch",
    "hot-lib-reloader",
    "dymod",
    "subsecond",
    "subsecond, after a patch",
];

/// The editions of each library: two are enough to see a change.
const EDITIONS: [&str; 2] = ["0", "1"];

/// The project of the peers, built.
struct Peers {
    target: PathBuf,
    built: PathBuf,
}

/// Adds the cost of a call through each peer; a peer that cannot be measured becomes a note.
pub(crate) fn calls(fixtures: &Fixtures, table: &mut Table, effort: Effort) -> Result<(), Error> {
    let Some(peers) = Peers::new(fixtures, table)? else { return Ok(()) };
    let folder = folder()?;
    let plain = folder.path().join(library_name("bench_plain"));
    fs::copy(&peers.editions("plain")[0], &plain).map_err(at(&plain))?;
    eprintln!("measuring calls through the peers");
    let mut command = peers.host("calls", "lhp", effort.of(400), 0, folder.path());
    let said = match host::run("peers", command.env("BENCH_PLAIN", folder.path()), folder.path()) {
        Ok(said) => said,
        Err(error) => {
            table.note(format!("the peers' calls were not measured: {error}"));
            return Ok(());
        }
    };
    for name in CALLS {
        let key = name.replace(' ', "_");
        let value = |what: &str| said.one(&format!("{what}.{key}"));
        match (value("nanos"), value("ratio")) {
            (Ok(nanos), Ok(ratio)) => {
                table.push(row(&Figure { name: name.to_owned(), nanos, ratio }));
            }
            _ => table.note(format!("{name} was not measured")),
        }
    }
    Ok(())
}

/// Adds the time from a complete file to the first new call, for the peers that follow files.
pub(crate) fn reload(fixtures: &Fixtures, table: &mut Table, effort: Effort) -> Result<(), Error> {
    let Some(peers) = Peers::new(fixtures, table)? else { return Ok(()) };
    for (peer, library, samples) in [("libhotpatch", "lhp", 100), ("hot-lib-reloader", "plain", 30)]
    {
        let folder = folder()?;
        eprintln!("measuring {peer}: {} samples", effort.of(samples));
        let mut command = peers.host(peer, library, effort.of(samples), 2, folder.path());
        let said = match host::run(peer, command.env("BENCH_PLAIN", folder.path()), folder.path()) {
            Ok(said) => said,
            Err(error) => {
                table.note(format!("{peer} was not measured: {error}"));
                continue;
            }
        };
        let all = said.all("latency.renamed");
        let name = |what: &str| format!("{peer}: file complete to first new call, {what}");
        table.push(Row::new(name("median"), median(&all), "ms"));
        table.push(Row::new(name("p99"), percentile(&all, 0.99), "ms"));
        let lost = said.all("lost").len() as f64;
        table.push(Row::new(format!("{peer}: files never seen"), lost, ""));
    }
    Ok(())
}

impl Peers {
    /// Builds the project; `None`, and a note, where that does not work.
    fn new(fixtures: &Fixtures, table: &mut Table) -> Result<Option<Self>, Error> {
        let root = fixtures.peers();
        let project = root.join("project");
        for (name, text) in files() {
            write(&project.join(name), text)?;
        }
        let lock = project.join("Cargo.lock");
        if !lock.exists() {
            write(&lock, include_str!("../fixtures/peers/Cargo.lock"))?;
        }
        let peers = Self { target: root.join("target"), built: root.join("built") };
        match peers.build(&project) {
            Ok(()) => Ok(Some(peers)),
            Err(Error::Build { what, output }) => {
                table.note(format!("the peers' {what} does not build here:\n{output}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn build(&self, project: &Path) -> Result<(), Error> {
        self.package(project, "bench-peers", EDITIONS[0])?;
        for name in ["lhp", "plain"] {
            for (edition, kept) in EDITIONS.iter().zip(self.editions(name)) {
                let crate_name = format!("bench-{name}");
                self.package(project, &crate_name, edition)?;
                let made = self.release().join(library_name(&crate_name.replace('-', "_")));
                let folder = kept.with_file_name("");
                fs::create_dir_all(&folder).map_err(at(&folder))?;
                fs::copy(&made, &kept).map_err(at(&made))?;
            }
        }
        Ok(())
    }

    /// Builds one package, from what is here already where that suffices.
    fn package(&self, project: &Path, package: &str, edition: &str) -> Result<(), Error> {
        let command = |offline: &[&str]| {
            let mut command = cargo(project, &self.target);
            command.args(["--release", "-p", package]).args(offline);
            command.env("BENCH_EDITION", edition).env("BENCH_PADDING", "0");
            command
        };
        let what = format!("{package}, edition {edition}");
        build(&what, &mut command(&["--offline"])).or_else(|_| build(&what, &mut command(&[])))
    }

    fn release(&self) -> PathBuf {
        self.target.join("release")
    }

    fn editions(&self, name: &str) -> [PathBuf; 2] {
        EDITIONS.map(|edition| self.built.join(format!("{name}.{edition}.so")))
    }

    /// The host for `part`, which follows the library called `library`.
    fn host(
        &self,
        part: &str,
        library: &str,
        samples: usize,
        warm_up: usize,
        folder: &Path,
    ) -> Command {
        let file = library_name(&format!("bench_{library}"));
        // libhotpatch follows what lies in the target folder, and nothing else.
        let (followed, loaded) = match (part, library) {
            ("calls", _) => (self.release().join(file), folder.join(library_name("bench_plain"))),
            (_, "lhp") => (self.release().join(&file), folder.join(&file)),
            _ => (folder.join(&file), folder.join("loaded")),
        };
        let mut command = Command::new(self.release().join("bench-peers"));
        command.arg(part).arg(followed);
        command.args([samples.to_string(), warm_up.to_string()]).arg(loaded);
        command.args(self.editions(library));
        command
    }
}

/// The files of the project, by name.
fn files() -> [(&'static str, &'static str); 16] {
    [
        ("Cargo.toml", include_str!("../fixtures/peers/workspace.toml")),
        ("lhp/Cargo.toml", include_str!("../fixtures/peers/lhp/package.toml")),
        ("lhp/src/lib.rs", include_str!("../fixtures/peers/lhp/lib.rs")),
        ("lhp/src/edition.rs", include_str!("../fixtures/edition.rs")),
        ("lhp/src/tight.rs", include_str!("tight.rs")),
        ("plain/Cargo.toml", include_str!("../fixtures/peers/plain/package.toml")),
        ("plain/src/lib.rs", include_str!("../fixtures/peers/plain/lib.rs")),
        ("plain/src/edition.rs", include_str!("../fixtures/edition.rs")),
        ("host/Cargo.toml", include_str!("../fixtures/peers/host/package.toml")),
        ("host/src/main.rs", include_str!("../fixtures/peers/host/main.rs")),
        ("host/src/calls.rs", include_str!("../fixtures/peers/host/calls.rs")),
        ("host/src/latency.rs", include_str!("../fixtures/host/latency.rs")),
        ("host/src/observe.rs", include_str!("../fixtures/host/observe.rs")),
        ("host/src/present.rs", include_str!("../fixtures/host/present.rs")),
        ("host/src/rounds.rs", include_str!("rounds.rs")),
        ("host/src/tight.rs", include_str!("tight.rs")),
    ]
}
