//! Migrations: new instances of statics whose type changed, made out of the old ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use midair_trampolines::persist::StaticHead;
use midair_trampolines::text::RawText;

use super::State;
use crate::domain::Domain;
use crate::hook::{reason_of, sink_into, within};
use crate::notice;
use crate::registry::Registry;

/// One static that is migrated.
#[derive(Clone, Debug)]
pub(super) struct Migration {
    /// Its name.
    pub(super) name: String,
    /// The record that the program works through.
    pub(super) source: &'static StaticHead,
}

/// Instances that were made, and belong to a generation that nobody sees yet. Dropping it ends
/// their lives.
#[derive(Debug, Default)]
pub(crate) struct Migrated {
    made: Vec<(&'static StaticHead, *mut ())>,
    /// Set once code of the patch may reach them: whether some of it was left running.
    shown: Option<Arc<AtomicBool>>,
}

// SAFETY: the instances are of types that are `Send` and `Sync`, as the macro demands.
unsafe impl Send for Migrated {}

impl State {
    /// Whether any static is migrated.
    pub(crate) fn migrates(&self) -> Option<&str> {
        self.migrations.first().map(|migration| migration.name.as_str())
    }

    /// Makes the new instances of the patch whose image is `fresh`; nobody reaches them yet.
    ///
    /// # Errors
    /// The first static that could not be migrated, and why; nothing is left of the others.
    pub(crate) fn migrate(
        &self,
        domain: &'static Domain,
        registry: &Registry,
        fresh: usize,
        deadline: Duration,
    ) -> Result<Migrated, (String, String)> {
        let mut migrated = Migrated::default();
        for Migration { name, source } in &self.migrations {
            let live =
                registry.static_in(fresh, name).expect("the patch was loaded as it was read");
            let (old, new) = (*source, live.head);
            let made = within(domain, deadline, move || made(old, new).map(Instance))
                .map_err(|reason| (name.clone(), reason))?;
            migrated.made.push((new, made.0));
            notice::debug(format_args!("{name} was migrated"));
        }
        Ok(migrated)
    }
}

impl Migrated {
    /// Lets the code of the patch reach the new instances; `abandoned` will say whether some of it
    /// was left running.
    pub(crate) fn show(&mut self, abandoned: Arc<AtomicBool>) {
        for (head, instance) in &self.made {
            head.lead_to(*instance);
        }
        self.shown = Some(abandoned);
    }

    /// They are the program's from now on.
    pub(crate) fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for Migrated {
    fn drop(&mut self) {
        let abandoned =
            self.shown.as_ref().is_some_and(|abandoned| abandoned.load(Ordering::Acquire));
        for (head, instance) in self.made.drain(..) {
            head.lead_to(std::ptr::null());
            // A hook that did not end may be looking at it for ever.
            if let Some(discard) = head.discard().filter(|_| !abandoned) {
                // SAFETY: this record's own functions made it, and nobody reaches it: no scope is
                // open, and no hook runs.
                unsafe { discard(instance) };
            }
        }
    }
}

/// An instance on its way from the thread that made it.
struct Instance(*mut ());

// SAFETY: of a type that is `Send`, as the macro demands.
unsafe impl Send for Instance {}

/// Makes an instance for `new` out of that of `old`, in the image of `new`; each side does in its
/// own image what only its own code can do.
fn made(old: &'static StaticHead, new: &'static StaticHead) -> Result<*mut (), String> {
    let instance = old.instance();
    let mut made = std::ptr::null_mut();
    if let Some(migrate) = new.migrate() {
        // SAFETY: the instance is of the type that the function takes: the check compared them.
        let reason = reason_of(|failed| unsafe { migrate(instance, &mut made, failed) });
        return reason.map_or(Ok(made), Err);
    }
    let (Some(export), Some(import)) = (old.export(), new.import()) else {
        return Err("one side can neither export nor import it".to_owned());
    };
    let mut form = String::new();
    // SAFETY: the function of the instance's own image.
    if !unsafe { export(instance, sink_into(&mut form)) } {
        return Err(format!("its export failed: {form}"));
    }
    let reason = reason_of(|failed| {
        // SAFETY: the form is lent for the time of the call.
        unsafe { import(RawText::new(&form), &mut made, failed) }
    });
    reason.map_or(Ok(made), |reason| Err(format!("its import failed: {reason}")))
}
