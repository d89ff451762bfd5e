//! Every active patch of the process, so that they can be listed.
//!
//! A [`Patch`] holds its target weakly and its replacement not at all, so this list keeps neither
//! alive. An entry goes with the patch's place in the target's stack, which has the [`Ticket`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::error::Error;
use crate::names;
use crate::patch::{Patch, plain};
use crate::site::{Site, with_site};
use crate::target::Target;

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

/// The patches that are in force, in the order in which they were made: all, those of one target, or
/// those made by one author. Those that wait for an import are among them.
///
/// # Errors
///
/// `TypeError` for a target that could not be patched.
pub fn patches<'py>(
    py: Python<'py>,
    target: Option<&Bound<'py, PyAny>>,
    by: Option<&Bound<'py, PyString>>,
) -> Result<Vec<Bound<'py, Patch>>, Error> {
    let mut found = match target {
        None => [active(py), names::registered(py)].concat(),
        Some(target) => {
            let name = target.cast::<PyString>().ok();
            let object = name.map_or_else(|| Ok(Some(target.clone())), names::object)?;
            let mut found = name.map_or_else(|| Ok(Vec::new()), names::in_force)?;
            for patch in object.as_ref().map_or_else(|| Ok(Vec::new()), of_target)? {
                if !found.iter().any(|other| other.is(&patch)) {
                    found.push(patch);
                }
            }
            found
        }
    };
    found.sort_by_key(|patch| patch.get().sequence());
    if let Some(by) = by {
        let by = plain(by)?;
        let mut kept = Vec::new();
        for patch in found {
            if patch.get().author(py).as_any().eq(&by)? {
                kept.push(patch);
            }
        }
        found = kept;
    }
    Ok(found)
}

/// The patches of one object, as they are listed.
fn of_target<'py>(target: &Bound<'py, PyAny>) -> Result<Vec<Bound<'py, Patch>>, Error> {
    let patches = with_site!(Target::resolve(target)?.into_site(), site => {
        site.with_stack(|stack| stack.patches(target.py()))
    });
    Ok(patches.unwrap_or_default().into_iter().filter_map(Patch::handle).collect())
}

/// The listed patches that are active.
fn active(py: Python<'_>) -> Vec<Bound<'_, Patch>> {
    let mut patches: Vec<_> = {
        let entries = entries();
        entries.places.iter().flatten().map(|patch| patch.clone_ref(py).into_bound(py)).collect()
    };
    patches.retain(|patch| patch.get().is_active(py));
    patches
}
