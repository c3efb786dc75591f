//! Editions: which image's code each unit runs, and so which code each slot leads to.

use std::collections::BTreeMap;

use midair_trampolines::routes::Edition;

use crate::registry::{Live, Registry};

/// For each unit the image whose code it runs; a unit that is not named runs its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Editions(BTreeMap<usize, usize>);

impl Editions {
    /// The image whose code `unit` runs.
    pub(crate) fn of(&self, unit: usize) -> usize {
        self.0.get(&unit).copied().unwrap_or(unit)
    }

    /// These, but `units` run the code of `image`.
    pub(crate) fn with(&self, units: impl IntoIterator<Item = usize>, image: usize) -> Self {
        let mut next = self.clone();
        next.0.extend(units.into_iter().map(|unit| (unit, image)));
        next
    }

    /// The place of the code that callers of a function in `unit` reach: in the edition that the
    /// unit runs, or else in the nearest one before it that has the function. `lives` are all of
    /// its places.
    pub(crate) fn source<'a>(
        &self,
        registry: &Registry,
        unit: usize,
        lives: &'a [Live],
    ) -> Option<&'a Live> {
        let mut image = Some(self.of(unit));
        while let Some(number) = image {
            if let Some(live) = lives.iter().find(|live| live.image == number) {
                return Some(live);
            }
            image = registry.images()[number].parent;
        }
        lives.iter().find(|live| live.image == unit)
    }

    /// The edition whose code the callers of `live` run.
    pub(crate) fn edition(&self, registry: &Registry, live: &Live, lives: &[Live]) -> Edition {
        let image = &registry.images()[live.image];
        // What only a patch brought is called by that patch alone, whose slot stays.
        let source = self.source(registry, image.unit, lives).unwrap_or(live);
        source.head.edition(image.shared_std.is_none())
    }
}
