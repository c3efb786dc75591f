//! Files that lie: a typed answer, in time, whatever they say.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::{CANARY, FOREIGN, edition};

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// Runs the command, and sees that it ends by itself, soon, with a code of its own.
fn survives(folder: &Path, words: &[&Path], round: usize) {
    let canary = folder.join("canary");
    let mut command = Command::new(env!("CARGO_BIN_EXE_midair"));
    command.args(words).env(CANARY, &canary).env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
            panic!("round {round}: {words:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(matches!(status.code(), Some(0 | 1 | 4 | 5)), "round {round}: {status} {said}");
    assert!(!said.contains("panicked"), "round {round}: {said}");
    assert!(!canary.exists(), "round {round}: code of the file ran");
}

/// `rounds` times 200 random bytes of `original` become others; half of them where headers are.
fn flip(original: &Path, rounds: usize, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(original).unwrap();
    let mut numbers = Numbers(seed);
    let path = folder.path().join("flipped.so");
    for round in 0..rounds {
        let mut bytes = whole.clone();
        // From one change, which many checks let pass, to 200, which few do.
        for change in 0..[1, 4, 200][round % 3] {
            let len = bytes.len();
            let at = match change % 4 {
                0 => len - 1 - numbers.next(len.min(1 << 14)),
                1 => numbers.next(len.min(1 << 10)),
                _ => numbers.next(len),
            };
            bytes[at] = numbers.next(256) as u8;
        }
        std::fs::write(&path, &bytes).unwrap();
        let flipped = path.as_path();
        let (inspect, check, diff) = (Path::new("inspect"), Path::new("check"), Path::new("diff"));
        survives(folder.path(), &[inspect, flipped], round);
        survives(folder.path(), &[check, original, flipped], round);
        survives(folder.path(), &[diff, flipped, original, Path::new("update")], round);
    }
}

#[test]
fn flipped_bytes_are_survived() {
    flip(&edition("base"), 200, 1);
}

#[test]
fn flipped_bytes_among_debug_info_are_survived() {
    flip(&edition("types"), 200, 2);
}

#[test]
fn flipped_bytes_of_other_systems_are_survived() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, foreign) in (3..).zip(FOREIGN) {
        flip(&foreign.library(folder.path()), 30, seed);
    }
}

#[test]
fn cut_files_are_survived() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(edition("base")).unwrap();
    let path: PathBuf = folder.path().join("cut.so");
    for round in 0..40 {
        std::fs::write(&path, &bytes[..bytes.len() * round / 40]).unwrap();
        survives(folder.path(), &[Path::new("inspect"), &path], round);
        survives(folder.path(), &[Path::new("check"), &edition("base"), &path], round);
    }
}
