//! Every active patch of the process, so that they can be listed.
//!
//! A [`Patch`] holds its target weakly and its replacement not at all, so this list keeps neither
//! alive. An entry goes with the patch's place in the target's stack, which has the [`Ticket`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

use crate::patch::Patch;

static ENTRIES: Mutex<Entries> = Mutex::new(Entries { places: Vec::new(), free: Vec::new() });

struct Entries {
    places: Vec<Option<Py<Patch>>>,
    /// The empty places.
    free: Vec<usize>,
}

/// A place in the list.
#[must_use = "a patch is listed until its ticket is given back"]
pub(crate) struct Ticket {
    place: usize,
}

// Nothing in this file runs Python code while it holds the lock, so it is never waited for long,
// and never by the thread that has it.
fn entries() -> MutexGuard<'static, Entries> {
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lists a patch.
pub(crate) fn enter(patch: Py<Patch>) -> Ticket {
    let mut entries = entries();
    if let Some(place) = entries.free.pop() {
        entries.places[place] = Some(patch);
        return Ticket { place };
    }
    entries.places.push(Some(patch));
    Ticket { place: entries.places.len() - 1 }
}

impl Ticket {
    /// Takes the patch off the list.
    #[must_use = "dropping this can run Python code: say where"]
    pub(crate) fn give_back(self, py: Python<'_>) -> Option<Bound<'_, Patch>> {
        let mut entries = entries();
        entries.free.push(self.place);
        entries.places[self.place].take().map(|patch| patch.into_bound(py))
    }
}

/// The patches that are active, in the order in which they were made.
pub(crate) fn active(py: Python<'_>) -> Vec<Bound<'_, Patch>> {
    let mut patches: Vec<_> = {
        let entries = entries();
        entries.places.iter().flatten().map(|patch| patch.clone_ref(py).into_bound(py)).collect()
    };
    patches.retain(|patch| patch.get().is_active(py));
    patches.sort_by_key(|patch| patch.get().sequence());
    patches
}
