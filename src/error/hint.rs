//! What to do next, for each error.

use super::{Error, Rule};
use crate::report::{FunctionReport, Mismatch, Outcome};

impl Error {
    /// What to do next, in one sentence.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "build the library again, or name its path with \
                 `midair::Runtime::builder().artifact(..)`"
                .to_owned(),
            Self::NotAFile { .. } => "name the library that cargo built".to_owned(),
            Self::Changing { .. } => "wait until whoever writes it is done".to_owned(),
            Self::TooLarge { .. } => {
                "build with less debug info: `[profile.dev] debug = \"line-tables-only\"`"
                    .to_owned()
            }
            Self::Artifact { source, .. } => source.hint().to_owned(),
            Self::Records { .. } => {
                "build the program and the library with the same version of midair, and restart \
                 the program"
                    .to_owned()
            }
            Self::NoFunctions { .. } => "mark at least one function with `#[hotpatch]`, and see \
                 that the feature or profile that switches it on is the program's"
                .to_owned(),
            Self::Identity { what, .. } => what.hint().to_owned(),
            Self::Foreign { running, .. } if running.is_empty() => {
                "mark functions with `#[hotpatch]` in a library that the program loads".to_owned()
            }
            Self::Foreign { .. } => {
                "name the library that this program loaded, built anew".to_owned()
            }
            Self::Refused { functions, .. } => refusal_hint(functions),
            Self::Copy { .. } => "free some space or make the folder writable; another folder is \
                 taken from MIDAIR_COPIES or `midair::Runtime::builder().copies(..)`"
                .to_owned(),
            Self::Load { .. } => "see that every library it depends on is installed; on \
                 \"failed to map segment\" the folder of the copies forbids execution: name \
                 another in MIDAIR_COPIES"
                .to_owned(),
            Self::Bound { .. } => {
                "build the library as a `cdylib`, which exports nothing but what it must".to_owned()
            }
            Self::Busy => "let the patch that is under way finish first, and let go of the stages \
                 of a transaction that you hold"
                .to_owned(),
            Self::Draining { .. } => "let the scope end, or call `midair::checkpoint()` in a loop \
                 that is in a scope all its life"
                .to_owned(),
            Self::NotQuiescent { .. } => "keep scopes short, give the deadline more time, or call \
                 `midair::checkpoint()` in a loop that is in a scope all its life"
                .to_owned(),
            Self::Base { .. } => "go back to the generation that it builds on, which \
                 `midair::history()` names, or build the whole library"
                .to_owned(),
            Self::NoGeneration { .. } => {
                "see `midair::history()` for those that there are".to_owned()
            }
            Self::Unhealthy { .. } => "mend the code and build it again".to_owned(),
            Self::Hook { .. } => {
                "mend the hook and build it again; one that only needs longer gets \
                 more time with `midair::Runtime::builder().hook_deadline(..)`"
                    .to_owned()
            }
            Self::Migration { .. } => {
                "mend the migration and build it again; the old value is as it was".to_owned()
            }
            Self::NeedsQuiescence { .. } => "ask for it with `midair::Runtime::builder()\
                 .level(midair::Level::Quiescent { deadline })`, or commit at that level"
                .to_owned(),
            Self::Undo { .. } => "see whether what these hooks bring back is there; restart the \
                 program if it is not"
                .to_owned(),
            Self::Injected { .. } => "unset MIDAIR_FAILPOINT".to_owned(),
            Self::OtherMidair => "build all libraries of one process with the same version of \
                 midair and the same compiler"
                .to_owned(),
            Self::TimedOut { .. } => {
                "see whether the build failed, and whether midair follows the right file: set \
                 MIDAIR_LOG=debug"
                    .to_owned()
            }
            Self::Unsupported(_) => "see the table of platforms in midair's README".to_owned(),
            Self::Thread { .. } => "raise the limit of threads of this user".to_owned(),
            Self::Watch { .. } => {
                "raise fs.inotify.max_user_watches, or call `midair::reload(path)` yourself"
                    .to_owned()
            }
            Self::Domain { hint, .. } => hint.clone(),
        }
    }
}

impl Rule {
    const fn hint(self) -> &'static str {
        match self {
            Self::Compiler => {
                "rebuild the library with the program's compiler, or restart the program"
            }
            Self::Target => "build with the same `--target` as the program",
            Self::Features => "build with the same `-C target-feature` and `-C target-cpu`",
            Self::Panic => "build in the same profile: the `panic` settings differ",
            Self::Std => "build with the same `-C prefer-dynamic` as the program",
            Self::Allocator => {
                "remove `#[global_allocator]` from the library: memory that one copy of an \
                 allocator hands out may not be given back to another"
            }
        }
    }
}

fn refusal_hint(functions: &[FunctionReport]) -> String {
    let mismatch = functions.iter().find_map(|function| match &function.outcome {
        Outcome::Refused(mismatch) => Some(mismatch),
        _ => None,
    });
    match mismatch {
        Some(Mismatch::Missing) => {
            "bring the function back, restart the program, or let old code \
             go on with `midair::Runtime::builder().missing(midair::Missing::Keep)`"
        }
        Some(Mismatch::Shallow { .. }) => {
            "build both with debug info (`debug = 2` in the profile), \
             or allow less with `midair::Runtime::builder().require(midair::Require::Any)`"
        }
        Some(Mismatch::Ambiguous) => {
            "mark the whole `impl` block with `#[hotpatch]`, or give the functions different names"
        }
        Some(Mismatch::State { .. }) => {
            "undo that change, or give the static another name, which starts anew; a static that is \
             reached inside scopes alone can be migrated: see `#[midair::persist(migrate)]`"
        }
        _ => "undo that change, or restart the program to take it",
    }
    .to_owned()
}
