//! What crosses: the questions, reports, errors and settings of the runtime, as bytes.

use midair_trampolines::section::Section;

use super::Wire;
use crate::desk::Move;
use crate::error::{Error, ErrorKind};
use crate::history::{PatchOutcome, PatchRecord};
use crate::questions::{Advance, History, Open, Reload, RollBack, UnderWay, Wait, Wishes};
use crate::report::{Depth, FunctionReport, Mismatch, Outcome, Report, Timings};
use crate::table::Join;
use crate::transition::{Progress, Straggler};
use crate::{Level, Missing, Require, Watch};

/// A struct, field by field.
macro_rules! fields {
    ($($kind:ident { $($field:ident),* $(,)? })*) => {$(
        impl Wire for $kind {
            fn put(&self, bytes: &mut Vec<u8>) {
                $(self.$field.put(bytes);)*
            }

            fn take(bytes: &mut &[u8]) -> Option<Self> {
                $(let $field = Wire::take(bytes)?;)*
                Some(Self { $($field),* })
            }
        }
    )*};
}

fields! {
    FunctionReport { name, outcome, checked, body_changed }
    Join { section, manifest_dir, profile_dir, artifact, watch }
    PatchRecord { generation, path, digest, time, changed, outcome, reason }
    Progress { from, to, slots, since, stragglers }
    Report { generation, path, functions, timings, repeated, drained }
    Straggler { thread, name, waited, generation }
    Timings { read, check, load, commit }
    Wishes { missing, require, level, hook_deadline, copies }
}

/// A struct of unnamed fields.
macro_rules! places {
    ($($kind:ident ( $($field:ident),* ))*) => {$(
        impl Wire for $kind {
            fn put(&self, _bytes: &mut Vec<u8>) {
                let Self($($field),*) = self;
                $($field.put(_bytes);)*
            }

            fn take(_bytes: &mut &[u8]) -> Option<Self> {
                $(let $field = Wire::take(_bytes)?;)*
                Some(Self($($field),*))
            }
        }
    )*};
}

places! {
    Advance(number, step)
    Open(path)
    Reload(path)
    RollBack(target)
    Wait(timeout)
}

/// A struct without fields.
macro_rules! nothings {
    ($($kind:ident)*) => {$(
        impl Wire for $kind {
            fn put(&self, _bytes: &mut Vec<u8>) {}

            fn take(_bytes: &mut &[u8]) -> Option<Self> {
                Some(Self)
            }
        }
    )*};
}

nothings! { History UnderWay }

/// An enum, each variant by a number of its own and its fields.
macro_rules! variants {
    ($($kind:ident { $($number:literal => $name:ident
        $({ $($field:ident),* })? $(( $place:ident ))? ),* $(,)? })*) => {$(
        impl Wire for $kind {
            fn put(&self, bytes: &mut Vec<u8>) {
                match self {
                    $(Self::$name $({ $($field),* })? $(( $place ))? => {
                        u64::put(&$number, bytes);
                        $($($field.put(bytes);)*)?
                        $($place.put(bytes);)?
                    })*
                }
            }

            fn take(bytes: &mut &[u8]) -> Option<Self> {
                match u64::take(bytes)? {
                    $($number => {
                        $($(let $field = Wire::take(bytes)?;)*)?
                        $(let $place = Wire::take(bytes)?;)?
                        Some(Self::$name $({ $($field),* })? $(( $place ))?)
                    })*
                    _ => None,
                }
            }
        }
    )*};
}

variants! {
    Level { 0 => Immediate, 1 => Scoped, 2 => Quiescent { deadline } }
    Mismatch {
        0 => Signature { old, new },
        1 => Layout { place, ty, old, new },
        2 => Type { ty, details, way },
        3 => Shallow { reason },
        4 => State { details },
        5 => Missing,
        6 => Ambiguous,
    }
    Move {
        0 => Check,
        1 => Trust,
        2 => Load,
        3 => Prepare,
        4 => Commit(level),
        5 => Accept,
        6 => RollBack(reason),
        7 => Drop,
    }
    Outcome { 0 => Retargeted, 1 => New, 2 => Missing, 3 => Refused(mismatch) }
}

/// An error crosses with its kind, its words and its advice; a refusal with every verdict.
impl Wire for Error {
    fn put(&self, bytes: &mut Vec<u8>) {
        u64::from(self.kind() as u32).put(bytes);
        if let Self::Refused { path, functions } = self {
            path.put(bytes);
            functions.put(bytes);
        } else {
            self.chain().put(bytes);
            self.hint().put(bytes);
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let kind = ErrorKind::from_number(u32::try_from(u64::take(bytes)?).ok()?);
        if kind == ErrorKind::Refused {
            let (path, functions) = (Wire::take(bytes)?, Wire::take(bytes)?);
            return Some(Self::Refused { path, functions });
        }
        let (message, hint) = (Wire::take(bytes)?, Wire::take(bytes)?);
        Some(Self::crossed(kind, message, hint))
    }
}

impl Wire for Section {
    fn put(&self, bytes: &mut Vec<u8>) {
        (self.start() as u64).put(bytes);
        (self.len() as u64).put(bytes);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let start = std::ptr::with_exposed_provenance::<u8>(u64::take(bytes)? as usize);
        let len = u64::take(bytes)? as usize;
        // SAFETY: the place and length of a section that another image of this process put here.
        Some(unsafe { Self::between(start, start.wrapping_add(len)) })
    }
}

/// An enum without fields, by the place of each variant.
macro_rules! names {
    ($($kind:ident { $($name:ident),* $(,)? })*) => {$(
        impl Wire for $kind {
            fn put(&self, bytes: &mut Vec<u8>) {
                let names = [$(Self::$name),*];
                let place = names.iter().position(|name| name == self);
                (place.expect("every variant is named") as u64).put(bytes);
            }

            fn take(bytes: &mut &[u8]) -> Option<Self> {
                let names = [$(Self::$name),*];
                names.get(usize::try_from(u64::take(bytes)?).ok()?).copied()
            }
        }
    )*};
}

names! {
    Depth { Shallow, Derive, DebugInfo }
    Missing { Refuse, Keep }
    PatchOutcome { Active, Provisional, Superseded, RolledBack, Refused }
    Require { Any, Deep }
    Watch { On, Off }
}

#[cfg(test)]
mod tests {
    use crate::error::{Error, ErrorKind};
    use crate::report::{Depth, FunctionReport, Mismatch, Outcome, Report, Timings};
    use crate::wire::{read, written};
    use std::time::Duration;

    fn crossed(outcome: &Result<Report, Error>) -> Result<Report, Error> {
        read(&written(outcome)).expect("it is read back")
    }

    fn functions() -> Vec<FunctionReport> {
        let signature = Mismatch::Signature { old: "fn()".into(), new: "fn(u8)".into() };
        let layout =
            Mismatch::Layout { place: 2, ty: "World".into(), old: "a".into(), new: "b".into() };
        let ty = Mismatch::Type { ty: "World".into(), details: "a".into(), way: "b".into() };
        [
            Outcome::Retargeted,
            Outcome::New,
            Outcome::Missing,
            Outcome::Refused(signature),
            Outcome::Refused(layout),
            Outcome::Refused(ty),
            Outcome::Refused(Mismatch::Shallow { reason: "it has no debug info".into() }),
            Outcome::Refused(Mismatch::State { details: "it grew".into() }),
            Outcome::Refused(Mismatch::Missing),
            Outcome::Refused(Mismatch::Ambiguous),
        ]
        .into_iter()
        .enumerate()
        .map(|(at, outcome)| FunctionReport {
            name: format!("game::f{at}"),
            outcome,
            checked: [Depth::DebugInfo, Depth::Derive, Depth::Shallow][at % 3],
            body_changed: at % 2 == 0,
        })
        .collect()
    }

    #[test]
    fn a_report_crosses_whole() {
        let timings = Timings { load: Duration::from_micros(7), ..Timings::default() };
        let path = "/tmp/libgame.so".into();
        let functions = functions();
        let report =
            Report { generation: 9, path, functions, timings, repeated: false, drained: true };
        assert_eq!(crossed(&Ok(report.clone())).unwrap(), report);
    }

    #[test]
    fn a_refusal_crosses_with_every_verdict() {
        let refused = Error::Refused { path: "/lib.so".into(), functions: functions() };
        let Err(Error::Refused { path, functions: crossed }) = crossed(&Err(refused)) else {
            panic!("another variant came out");
        };
        assert_eq!(path, std::path::Path::new("/lib.so"));
        assert_eq!(crossed, functions());
    }

    #[test]
    fn any_other_error_keeps_its_kind_and_its_words() {
        let error = Error::NotAFile { path: "/dev".into() };
        let text = error.to_string();
        let crossed = crossed(&Err(error)).unwrap_err();
        assert_eq!(crossed.kind(), ErrorKind::NotAFile);
        assert_eq!(crossed.to_string(), text);
    }
}
