//! `midair demo`, run as a person runs it.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

#[test]
fn the_demo_shows_new_code_kept_state_and_a_refusal() {
    let mut demo = Demo::start(&[]);
    demo.until("A small project");
    demo.until("calls the library once a millisecond");
    assert!(demo.line().ends_with(": Hello from the old code."));
    demo.until("A function of the library changes (patch/src/lib.rs):");
    assert_eq!(demo.line(), "  -     c\"Hello from the old code.\"");
    assert_eq!(demo.line(), "  +     c\"Hello from the new code, without a restart.\"");
    assert!(demo.line().starts_with("  cargo build: "));

    let headline = demo.until("The same process runs the new code, ");
    assert!(headline.contains(" ms after the library was complete:"), "{headline}");
    let (before, old) = call(&demo.line());
    let (after, new) = call(&demo.line());
    assert_eq!(old, "Hello from the old code.");
    assert_eq!(new, "Hello from the new code, without a restart.");
    assert!(before < after, "the count goes on: {before}, {after}");
    demo.until("midair: patch 1: demo_patch::greeting changed; 3 functions now run");

    demo.until("A change that cannot be taken");
    demo.until("  +     fn advance(&mut self, by: u64) {");
    demo.until("midair refuses it before any of it is loaded, and says why:");
    let reason = demo.paragraph();
    assert!(reason.contains("demo_patch::State::advance: its signature is now"), "{reason}");
    demo.until("The program goes on with the code it had:");
    let (later, new) = call(&demo.line());
    assert_eq!(new, "Hello from the new code, without a restart.");
    assert!(after < later, "the count goes on: {after}, {later}");

    demo.until("What you saw, in process ");
    demo.until("The program has ended, and the project is removed.");
    demo.until("--interactive");
    let status = demo.end();
    assert!(status.success(), "{status}");
    assert_eq!(demo.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_kept_project_builds() {
    let mut demo = Demo::start(&["--keep"]);
    let last = demo.until("The project stays in ");
    assert!(demo.end().success());
    let project = Path::new(last.strip_prefix("The project stays in ").unwrap());
    assert_eq!(demo.left(), [project]);
    let source = fs::read_to_string(project.join("patch/src/lib.rs")).unwrap();
    assert!(source.contains("without a restart") && source.contains("fn advance(&mut self) {"));
    // Of this platform's packages only: nobody else's were ever fetched on a bare machine.
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked"])
        .current_dir(project)
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let packages = String::from_utf8_lossy(&tree.stdout);
    assert!(packages.contains("midair v") && packages.contains("notify v"), "{packages}");
}

#[test]
fn a_person_edits_and_ends_the_demo_with_enter() {
    let mut demo = Demo::start(&["--interactive"]);
    demo.until("Edit this file and save it");
    let source = PathBuf::from(demo.line().trim());
    demo.until("Hello from the old code.");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text.replace("the old code", "my own code")).unwrap();
    demo.until("Hello from my own code.");
    fs::write(&source, text.replace("self.count += 1", "self.count += ")).unwrap();
    demo.until("error: expected expression");
    fs::write(&source, text.replace("the old code", "mended code")).unwrap();
    demo.until("Hello from mended code.");
    writeln!(demo.input).unwrap();
    assert!(demo.end().success());
    assert_eq!(demo.left(), Vec::<PathBuf>::new());
}

#[cfg(unix)]
#[test]
fn an_interrupted_demo_leaves_nothing() {
    let mut demo = Demo::start(&[]);
    demo.until("calls the library once a millisecond");
    let kill = Command::new("kill").args(["-INT", &demo.child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(demo.end().code(), Some(1));
    assert_eq!(demo.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_demo_that_nobody_watches_ends_and_leaves_nothing() {
    let mut demo = Demo::start(&[]);
    demo.until("A small project");
    drop(demo.output.take());
    assert_eq!(demo.end().code(), Some(1));
    assert_eq!(demo.left(), Vec::<PathBuf>::new());
}

/// A running demo, with a temporary folder to itself.
struct Demo {
    child: Child,
    input: ChildStdin,
    output: Option<BufReader<ChildStdout>>,
    heard: String,
    temporary: TempDir,
    /// The demos of this file share a target folder, one at a time.
    _turn: MutexGuard<'static, ()>,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let temporary = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_midair"))
            .arg("demo")
            .args(arguments)
            .env("TMPDIR", temporary.path())
            .env("TMP", temporary.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = child.stdout.take().map(BufReader::new);
        Self { child, input, output, heard: String::new(), temporary, _turn: turn }
    }

    /// The next line.
    fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.output.as_mut().unwrap().read_line(&mut line).unwrap();
        assert!(read > 0, "the demo ended after:\n{}", self.heard);
        assert!(!line.contains('\x1b'), "no colours in a pipe: {line:?}");
        self.heard.push_str(&line);
        line.trim_end().to_owned()
    }

    /// The next line that contains `text`.
    fn until(&mut self, text: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The lines up to the next empty one, joined.
    fn paragraph(&mut self) -> String {
        let mut words = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return words.join(" ");
            }
            words.push(line.trim().to_owned());
        }
    }

    fn end(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// What lies in its temporary folder.
    fn left(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.temporary.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Both fail only where it has ended already, as it should.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads `  call 7: Hello`.
fn call(line: &str) -> (u64, String) {
    let (count, text) = line.trim().strip_prefix("call ").unwrap().split_once(": ").unwrap();
    (count.parse().unwrap(), text.to_owned())
}
