//! The state of a program through its patches: what becomes of each persistent static.
//!
//! | the static in the patch | what its code works on |
//! |---|---|
//! | of the type that runs | what runs: the loader writes the address into the private copy |
//! | of another type, migrated from the one that runs | a new instance, made while no scope is open |
//! | of another type, and not migrated | nothing: the patch is refused |
//! | new | its own storage, with the value that is written |
//!
//! Every image keeps for ever what its code works on. So a static that a patch lacks is found again
//! when a later one has it, and going back to an older generation needs no store: its code still
//! works on what it knows.

mod compare;
mod migrate;

use std::collections::BTreeMap;

use midair_trampolines::persist::Static;

use crate::Require;
use crate::deep::Known;
use crate::manifest::Manifest;
use crate::registry::{LiveStatic, Registry};
use crate::report::{Depth, FunctionReport, Mismatch, Outcome};
pub(crate) use compare::{Edition, Way, way};
pub(crate) use migrate::Migrated;
use migrate::Migration;

/// What becomes of the persistent statics of a patch.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The offset of each record, and what its code works on from the start.
    shared: Vec<(usize, *const ())>,
    /// What is made anew while no scope is open.
    migrations: Vec<Migration>,
}

// SAFETY: addresses of storage that lives for ever, which nobody reads through here.
unsafe impl Send for State {}

impl State {
    /// Decides about each static of the artifact `manifest`, whose types are `types`, as a new
    /// edition of `unit`; and the verdicts on those that cannot be handed over.
    pub(crate) fn plan(
        manifest: &Manifest,
        registry: &Registry,
        unit: usize,
        types: &Known,
        require: Require,
    ) -> (Self, Vec<FunctionReport>) {
        let mut state = Self::default();
        let mut refused = Vec::new();
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for persistent in &manifest.statics {
            *names.entry(&persistent.item.name).or_default() += 1;
        }
        for persistent in &manifest.statics {
            let name = persistent.item.name.as_str();
            let verdict = match names[name] {
                1 => state.decide(manifest, registry, unit, types, require, persistent),
                _ => Err(Mismatch::Ambiguous),
            };
            if let Err(mismatch) = verdict {
                refused.push(FunctionReport {
                    name: name.to_owned(),
                    outcome: Outcome::Refused(mismatch),
                    checked: Depth::Shallow,
                    body_changed: false,
                });
            }
        }
        (state, refused)
    }

    fn decide(
        &mut self,
        manifest: &Manifest,
        registry: &Registry,
        unit: usize,
        types: &Known,
        require: Require,
        new: &Static,
    ) -> Result<(), Mismatch> {
        let lives = registry.statics_of(unit, &new.item.name);
        let Some(source) = source(registry, unit, &lives) else { return Ok(()) };
        let instance = source.head.instance();
        // Everybody who works on it, or ever did.
        let sharing = lives.iter().filter(|live| live.head.instance() == instance);
        let sharing: Vec<_> = sharing.map(|live| live_edition(registry, live)).collect();
        let running = live_edition(registry, source);
        let types = Some(types);
        let new = Edition { record: new, types, spot: manifest.spot_of(&new.item) };
        match way(&sharing, running, new, require)? {
            Way::Shared => self.shared.push((new.record.item.offset, instance)),
            Way::Migrated => {
                let (name, source) = (new.record.item.name.clone(), source.head);
                self.migrations.push(Migration { name, source });
            }
        }
        Ok(())
    }

    /// What the loader writes into the private copy, by where in the file it belongs.
    pub(crate) fn instances(&self, manifest: &Manifest) -> Vec<(usize, *const ())> {
        let place = |offset: usize| {
            let of = manifest.statics.iter().find(|one| one.item.offset == offset);
            manifest.instance_offset(of.expect("it was planned for a static of this manifest"))
        };
        self.shared.iter().map(|(offset, instance)| (place(*offset), *instance)).collect()
    }
}

/// A static of the program, and what is known of its type.
fn live_edition<'a>(registry: &'a Registry, live: &'a LiveStatic) -> Edition<'a> {
    let image = &registry.images()[live.image];
    let (types, spot) = (image.types.as_deref(), image.spot_of(&live.record.item));
    Edition { record: &live.record, types, spot }
}

/// The place of a static that `unit` works on: in the edition that it runs, or the nearest before
/// that has the static; else in the newest that ever had it.
fn source<'a>(
    registry: &Registry,
    unit: usize,
    lives: &[&'a LiveStatic],
) -> Option<&'a LiveStatic> {
    let mut image = Some(registry.editions().of(unit));
    while let Some(number) = image {
        if let Some(live) = lives.iter().find(|live| live.image == number) {
            return Some(live);
        }
        image = registry.images()[number].parent;
    }
    lives.iter().copied().max_by_key(|live| live.image)
}
