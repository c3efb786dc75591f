//! A render loop that gets its frames from a library. Nothing here knows of midair.
//!
//! `--frames N` ends after N frames; `--every N` draws every N-th (10, unless told otherwise).

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use frame_loop_world::{Frame, World};
use libloading::{Library, Symbol};

type Update = unsafe extern "C" fn(&mut World, f32);
type Draw = unsafe extern "C" fn(&World, &mut Frame);

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_arguments()?;
    let name = format!("{DLL_PREFIX}frame_loop_game{DLL_SUFFIX}");
    // SAFETY: the library runs nothing of its own when it is loaded.
    let library = unsafe { Library::new(std::env::current_exe()?.with_file_name(name)) }?;
    // SAFETY: this is its type in game/src/lib.rs.
    let update: Symbol<'_, Update> = unsafe { library.get(b"update") }?;
    // SAFETY: this is its type in game/src/lib.rs.
    let draw: Symbol<'_, Draw> = unsafe { library.get(b"draw") }?;

    let mut world = World::new();
    let mut next = Instant::now();
    while settings.frames.is_none_or(|frames| world.frame < frames) {
        // SAFETY: the world is ours alone during the call.
        unsafe { update(&mut world, FRAME.as_secs_f32()) };
        if world.frame.is_multiple_of(settings.every) {
            let mut frame = Frame::new();
            // SAFETY: world and frame are ours alone during the call.
            unsafe { draw(&world, &mut frame) };
            show(&frame.text())?;
        }
        next += FRAME;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    println!();
    Ok(())
}

/// In place on a terminal, line by line elsewhere.
fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    if out.is_terminal() {
        write!(out, "\r\x1b[2K{text}")?;
    } else {
        writeln!(out, "{text}")?;
    }
    out.flush()
}

struct Settings {
    frames: Option<u64>,
    every: u64,
}

impl Settings {
    fn from_arguments() -> Result<Self, Box<dyn Error>> {
        let mut settings = Self { frames: None, every: 10 };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let number = arguments.next().and_then(|number| number.parse().ok());
            let number = number.ok_or_else(|| format!("{argument} takes a number"))?;
            match argument.as_str() {
                "--frames" => settings.frames = Some(number),
                "--every" if number > 0 => settings.every = number,
                _ => return Err("usage: frame-loop [--frames N] [--every N]".into()),
            }
        }
        Ok(settings)
    }
}

const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 60);
