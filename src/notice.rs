//! What midair says while it works: through the `log` facade, or on standard error where this
//! image has no logger.
//!
//! A cdylib has its own copy of `log`, which nobody initialises; a refusal must still be seen by
//! the person at the keyboard. `MIDAIR_LOG` = `off`, `error`, `warn`, `info` (the default),
//! `debug` or `trace` says how much of it.

use std::fmt::Arguments;

use log::{Level, LevelFilter};
use midair_trampolines::os;

use crate::environment::environment;

const TARGET: &str = "midair";

pub(crate) fn warn(text: Arguments<'_>) {
    say(Level::Warn, text);
}

pub(crate) fn info(text: Arguments<'_>) {
    say(Level::Info, text);
}

pub(crate) fn debug(text: Arguments<'_>) {
    say(Level::Debug, text);
}

#[cfg_attr(not(feature = "watch"), expect(dead_code, reason = "only who follows files asks"))]
pub(crate) fn trace(text: Arguments<'_>) {
    say(Level::Trace, text);
}

fn say(level: Level, text: Arguments<'_>) {
    if log::max_level() != LevelFilter::Off {
        log::log!(target: TARGET, level, "{text}");
        return;
    }
    if level <= environment().log {
        let tag = match (level <= Level::Warn, environment().colour) {
            (true, true) => "\x1b[33mwarning:\x1b[0m ",
            (true, false) => "warning: ",
            (false, _) => "",
        };
        // One write, so that lines of several threads do not mix.
        os::say(format!("midair: {tag}{text}\n").as_bytes());
    }
}
