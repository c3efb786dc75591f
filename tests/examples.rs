//! The examples, built, run and changed as their READMEs say.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]
#![allow(clippy::print_stdout, reason = "a test says what it skips")]

mod lab;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use lab::PATIENCE;
use tempfile::TempDir;

#[test]
fn a_render_loop_goes_on_with_a_new_picture() {
    let example = Example::copy("frame_loop");
    example.build();
    assert_eq!(example.frames(&["--frames", "6", "--every", "2"]), [2, 4, 6]);
    let mut host = Command::new(example.built("frame-loop"));
    let host = example.run(host.args(["--every", "3"]));
    let before = frame(&host.until(|line| line.contains("|") && line.ends_with('o')));

    example.edit("game/src/lib.rs", "column$}o\"", "column$}@\"");
    example.build();
    let after = frame(&host.until(|line| line.ends_with('@')));
    assert!(before < after, "the world lives on: frame {before}, then {after}");

    let update = "pub extern \"C\" fn update(world: &mut World, dt: f32)";
    example.edit("game/src/lib.rs", update, &update.replace("dt: f32", "dt: f64"));
    example.edit("game/src/lib.rs", "world.frame += 1;", "world.frame += 1; let dt = dt as f32;");
    example.build();
    host.until(|line| line.contains("refused, the old code goes on: frame_loop_game::update: "));
    let last = frame(&host.until(|line| line.ends_with('@')));
    assert!(after < last, "the old code goes on: frame {after}, then {last}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_injected_library_is_changed_inside_a_foreign_program() {
    let Some(python) = python() else {
        println!("skipped: python3 is not installed");
        return;
    };
    let example = Example::copy("injected");
    example.build();
    let log = example.folder.path().join("log");
    let mut command = Command::new(python);
    command
        .args(["-c", "import time; time.sleep(300)"])
        .env("LD_PRELOAD", example.built(&lab::library("injected")))
        .env("INJECTED_LOG", &log);
    let program = example.run(&mut command);
    let pid = program.child.id();
    until_file(&log, "injected: old beat 2");

    example.edit("src/lib.rs", "old beat", "new beat");
    example.build();
    let text = until_file(&log, "injected: new beat");
    let lines = || text.lines().map(|line| line.strip_prefix("injected: ").unwrap_or(line));
    let entered: Vec<_> = lines().filter(|line| line.starts_with("entered")).collect();
    assert_eq!(entered, [format!("entered process {pid}")], "set up once\n{text}");
    let patches = lines().filter(|line| line.starts_with("patch loaded")).count();
    assert_eq!(patches, 1, "the patch's constructor returned early\n{text}");
    let beats: Vec<u64> =
        lines().filter_map(|line| line.split_once("beat ")?.1.parse().ok()).collect();
    let counted: Vec<u64> = (1..).take(beats.len()).collect();
    assert_eq!(beats, counted, "one thread counted on\n{text}");
}

/// A copy of an example, so that the test can edit it.
struct Example {
    folder: TempDir,
    name: String,
}

impl Example {
    fn copy(name: &str) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::Builder::new().prefix("midair-example-").tempdir().unwrap();
        let example = Self { folder, name: name.to_owned() };
        copy_folder(&repository.join("examples").join(name), example.folder.path());
        fs::copy(repository.join("Cargo.lock"), example.folder.path().join("Cargo.lock")).unwrap();
        for manifest in ["Cargo.toml", "game/Cargo.toml"] {
            let manifest = example.folder.path().join(manifest);
            let Ok(text) = fs::read_to_string(&manifest) else { continue };
            let ours = format!("midair = {{ path = {repository:?} }}");
            let lines = text.lines().map(|line| match line.starts_with("midair = ") {
                true => ours.as_str(),
                false => line,
            });
            fs::write(&manifest, lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
        }
        example
    }

    fn edit(&self, file: &str, old: &str, new: &str) {
        let path = self.folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(old).count(), 1, "{file} has {old:?} once");
        fs::write(&path, text.replace(old, new)).unwrap();
    }

    fn build(&self) {
        let output = lab::cargo(self.folder.path())
            .args(["build", "--offline", "--quiet"])
            .env("CARGO_TARGET_DIR", self.target())
            // As the fixtures are built, so that they share midair.
            .env("CARGO_PROFILE_DEV_DEBUG", "false")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.is_empty(),
            "{} does not build:\n{said}",
            self.name
        );
    }

    fn built(&self, name: &str) -> PathBuf {
        self.target().join("debug").join(name)
    }

    fn target(&self) -> PathBuf {
        lab::target_dir()
    }

    /// The numbers of the frames that a run of the render loop draws.
    fn frames(&self, arguments: &[&str]) -> Vec<u64> {
        let output = Command::new(self.built("frame-loop"))
            .args(arguments)
            .env("MIDAIR_COPIES", self.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter(|line| line.contains('|')).map(frame).collect()
    }

    fn run(&self, command: &mut Command) -> Running {
        command.env("MIDAIR_COPIES", self.folder.path()).env_remove("MIDAIR_ARTIFACT");
        Running::start(command)
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true if entry.file_name() == "target" => {}
            true => copy_folder(&entry.path(), &to),
            false => {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }
}

/// A running program, and every line that it writes.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let copy = sender.clone();
        thread::spawn(move || output.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        thread::spawn(move || errors.map_while(Result::ok).try_for_each(|line| copy.send(line)));
        Self { child, lines }
    }

    /// The next line that is `wanted`.
    fn until(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut heard = Vec::new();
        let started = Instant::now();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE.saturating_sub(started.elapsed())) {
            if wanted(&line) {
                return line;
            }
            heard.push(line);
        }
        panic!("the line did not come; what came:\n{}", heard.join("\n"));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads `frame     12 |  o`.
fn frame(line: &str) -> u64 {
    let number = line.strip_prefix("frame").unwrap().split('|').next().unwrap();
    number.trim().parse().unwrap()
}

/// Waits until the file at `path` contains `text`, and returns all of it up to the last newline.
fn until_file(path: &Path, text: &str) -> String {
    let started = Instant::now();
    loop {
        let all = fs::read_to_string(path).unwrap_or_default();
        if all.contains(text) && all.ends_with('\n') {
            return all;
        }
        assert!(started.elapsed() < PATIENCE, "no {text:?} in {}:\n{all}", path.display());
        thread::sleep(Duration::from_millis(10));
    }
}

/// The interpreter itself: what is called python3 may be a script that looks for it.
fn python() -> Option<PathBuf> {
    let ask = ["-c", "import sys; print(sys.executable)"];
    let output = Command::new("python3").args(ask).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(path.trim_end()))
}
