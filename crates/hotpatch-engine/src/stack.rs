//! The patches of one target: what it did unpatched, and the bodies laid over that.
//!
//! Where a stack is kept depends on what kind of object its target is: see [`Site`].

use pyo3::prelude::*;
use smallvec::SmallVec;

use crate::error::{Error, describe};
use crate::hook::Hook;
use crate::patch::{Patch, Rank};
use crate::registry::Ticket;
use crate::site::{Site, Stored};

/// The patches of one target, whose bodies are kept as `B`.
pub(crate) struct Stack<B> {
    /// What the target did before the first patch.
    pub(crate) base: B,
    /// The patches, from the lowest to the highest. The body of the last is the one that is installed.
    pub(crate) layers: SmallVec<[Layer<B>; 1]>,
    /// Counts the changes of `base` and `layers`, originals included.
    pub(crate) epoch: u64,
}

/// One patch in the stack of its target.
pub(crate) struct Layer<B> {
    pub(crate) patch: Py<Patch>,
    pub(crate) replacement: Py<PyAny>,
    pub(crate) body: B,
    /// The function that does what lies below, once somebody has asked for it.
    pub(crate) original: Option<Py<PyAny>>,
    /// Unless it is a replacement. Then there is an original.
    pub(crate) hook: Option<Hook>,
    /// Once it is in place.
    pub(crate) ticket: Option<Ticket>,
}

/// What is left of a layer.
#[must_use = "dropping this can run Python code: say where"]
pub(crate) struct Retired<'py, B: Stored> {
    _patch: (Bound<'py, Patch>, Option<Bound<'py, Patch>>),
    bodies: Option<(Bound<'py, PyAny>, B::Body<'py>, Option<Hook>)>,
    original: Option<Bound<'py, PyAny>>,
}

impl<B: Stored> Retired<'_, B> {
    pub(crate) fn hook(&self) -> Option<&Hook> {
        self.bodies.as_ref()?.2.as_ref()
    }
}

impl<B: Stored> Drop for Retired<'_, B> {
    fn drop(&mut self) {
        drop(self.bodies.take()); // the replacement may have the original
        if let Some(original) = self.original.take() {
            B::discard(original);
        }
    }
}

impl<B: Stored> Layer<B> {
    pub(crate) fn rank(&self) -> Rank {
        self.patch.get().rank()
    }

    /// The target is gone, or the patch was undone.
    pub(crate) fn retire(self, py: Python<'_>) -> Retired<'_, B> {
        let Self { patch, replacement, body, original, hook, ticket } = self;
        patch.get().set_active(false);
        let listed = ticket.and_then(|ticket| ticket.give_back(py));
        let original = original.map(|original| original.into_bound(py));
        Retired {
            _patch: (patch.into_bound(py), listed),
            bodies: Some((replacement.into_bound(py), body.into_bound(py), hook)),
            original,
        }
    }
}

impl<B: Stored> Stack<B> {
    pub(crate) fn new(base: B) -> Self {
        Self { base, layers: SmallVec::new(), epoch: 0 }
    }

    /// Whether the patches are patches of `object`.
    pub(crate) fn is_of(&self, object: &Bound<'_, PyAny>) -> bool {
        self.layers.first().is_some_and(|layer| layer.patch.get().is_of(object))
    }

    /// Everything that the garbage collector has to know of.
    // It has no way to clear a stack: every cycle through one passes through its function, which it
    // does clear. Were the stack cleared first, the dicts that frames borrow could go early.
    pub(crate) fn references(&self, mut visit: impl FnMut(&Py<PyAny>)) {
        self.base.references(&mut visit);
        for layer in &self.layers {
            visit(layer.patch.as_any());
            visit(&layer.replacement);
            layer.original.iter().for_each(&mut visit);
            layer.body.references(&mut visit);
            layer.hook.iter().for_each(|hook| hook.references(&mut visit));
        }
    }

    /// The function is gone, or its last patch was undone. This can run Python code.
    pub(crate) fn release(self, py: Python<'_>) {
        let Self { base, layers, epoch: _ } = self;
        let retired: SmallVec<[_; 1]> = layers.into_iter().map(|layer| layer.retire(py)).collect();
        drop((retired, base.into_bound(py)));
    }

    pub(crate) fn position(&self, rank: Rank) -> Option<usize> {
        self.layers.binary_search_by_key(&rank, Layer::rank).ok()
    }

    /// What the function would do without the layer at `index` and those above it.
    pub(crate) fn below(&self, index: usize) -> &B {
        match index {
            0 => &self.base,
            _ => &self.layers[index - 1].body,
        }
    }

    /// What the function did before the first patch.
    pub(crate) fn base<'py>(&self, py: Python<'py>) -> B::Body<'py> {
        self.base.bind(py)
    }

    /// The patches, from the lowest to the highest.
    pub(crate) fn patches<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, Patch>> {
        self.layers.iter().map(|layer| layer.patch.bind(py).clone()).collect()
    }

    /// The originals that somebody has asked for.
    pub(crate) fn originals<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyAny>> {
        let originals = self.layers.iter().filter_map(|layer| layer.original.as_ref());
        originals.map(|original| original.bind(py).clone()).collect()
    }

    /// What a patch of this stack was made with.
    pub(crate) fn replacement<'py>(
        &self,
        py: Python<'py>,
        rank: Rank,
    ) -> Option<Bound<'py, PyAny>> {
        Some(self.layers[self.position(rank)?].replacement.bind(py).clone())
    }

    /// Whether `site` does what the newest patch says: nobody else has changed it.
    pub(crate) fn is_installed<'py>(&self, site: &impl Site<'py, Stored = B>) -> bool {
        self.layers.last().is_none_or(|layer| site.has_body(&layer.body))
    }

    /// Puts a patch in its place.
    pub(crate) fn insert(&mut self, layer: Layer<B>) {
        let rank = layer.rank();
        let index = self.layers.partition_point(|other| other.rank() < rank);
        self.layers.insert(index, layer);
    }

    /// The object that does what lies below the patch of `site` that has or had this rank.
    ///
    /// For a patch that was undone it is what would lie below if it still had its place.
    /// `None` means that nothing lies above that place, so that the target itself is it.
    pub(crate) fn original<'py>(
        site: &impl Site<'py, Stored = B>,
        rank: Rank,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = site.as_any().py();
        loop {
            let found = site.with_stack(|stack| {
                let index = stack.layers.partition_point(|layer| layer.rank() < rank);
                let layer = stack.layers.get(index)?;
                Some(match &layer.original {
                    Some(original) => Ok(original.bind(py).clone()),
                    None => Err((index, stack.epoch, stack.below(index).bind(py))),
                })
            });
            let (index, epoch, below) = match found.flatten() {
                None => return Ok(None),
                Some(Ok(original)) => return Ok(Some(original)),
                Some(Err(missing)) => missing,
            };
            let twin = site.twin(below)?.as_any().clone();
            let is_kept = site.with_stack(|stack| {
                let is_current = stack.epoch == epoch;
                if is_current {
                    stack.epoch += 1;
                    stack.layers[index].original = Some(twin.clone().unbind());
                }
                is_current
            });
            if is_kept == Some(true) {
                return Ok(Some(twin));
            }
        }
    }
}

/// For a target of which somebody else has changed the body, or taken the patches away.
pub(crate) fn changed_by_others(target: &Bound<'_, PyAny>) -> Error {
    Error::patch(format!(
        "{} was changed by somebody else since hotpatch patched it (its __code__, __defaults__ or \
         __kwdefaults__ is not what the newest patch installed); take that change back first",
        describe(target)
    ))
}
