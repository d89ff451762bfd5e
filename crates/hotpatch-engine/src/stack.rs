//! The patches of one target: what it did unpatched, and the bodies laid over that.
//!
//! Where a stack is kept depends on what kind of object its target is: see [`Site`].

use pyo3::prelude::*;
use smallvec::SmallVec;

use crate::error::{Error, describe};
use crate::patch::Patch;
use crate::registry::Ticket;
use crate::site::{Body, Install, Site, Stored};

/// The patches of one target, whose bodies are kept as `B`.
pub(crate) struct Stack<B> {
    /// What the target did before the first patch.
    base: B,
    /// The patches, oldest first. The body of the last is the one that is installed.
    layers: SmallVec<[Layer<B>; 1]>,
    /// Counts the changes of `base` and `layers`, originals included.
    epoch: u64,
}

/// One patch in the stack of its target.
pub(crate) struct Layer<B> {
    pub(crate) patch: Py<Patch>,
    pub(crate) replacement: Py<PyAny>,
    pub(crate) body: B,
    /// The function that does what lies below, once somebody has asked for it.
    pub(crate) original: Option<Py<PyAny>>,
    pub(crate) ticket: Ticket,
}

/// What is left of a layer.
#[must_use = "dropping this can run Python code: say where"]
struct Retired<'py, B: Stored> {
    _patch: (Bound<'py, Patch>, Option<Bound<'py, Patch>>),
    bodies: Option<(Bound<'py, PyAny>, B::Body<'py>)>,
    original: Option<Bound<'py, PyAny>>,
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
    /// The target is gone, or the patch was undone.
    fn retire(self, py: Python<'_>) -> Retired<'_, B> {
        let Self { patch, replacement, body, original, ticket } = self;
        patch.get().set_inactive();
        let listed = ticket.give_back(py);
        let original = original.map(|original| original.into_bound(py));
        Retired {
            _patch: (patch.into_bound(py), listed),
            bodies: Some((replacement.into_bound(py), body.into_bound(py))),
            original,
        }
    }
}

impl<B: Stored> Stack<B> {
    pub(crate) fn new(base: B::Body<'_>) -> Self {
        Self { base: B::unbind(base), layers: SmallVec::new(), epoch: 0 }
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
        }
    }

    /// The function is gone, or its last patch was undone. This can run Python code.
    pub(crate) fn release(self, py: Python<'_>) {
        let Self { base, layers, epoch: _ } = self;
        let retired: SmallVec<[_; 1]> = layers.into_iter().map(|layer| layer.retire(py)).collect();
        drop((retired, base.into_bound(py)));
    }

    fn position(&self, sequence: u64) -> Option<usize> {
        self.layers.binary_search_by_key(&sequence, |layer| layer.patch.get().sequence()).ok()
    }

    /// What the function would do without the layer at `index` and those above it.
    fn below(&self, index: usize) -> &B {
        match index {
            0 => &self.base,
            _ => &self.layers[index - 1].body,
        }
    }

    /// What the function did before the first patch.
    pub(crate) fn base<'py>(&self, py: Python<'py>) -> B::Body<'py> {
        self.base.bind(py)
    }

    /// The patches, oldest first.
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
        sequence: u64,
    ) -> Option<Bound<'py, PyAny>> {
        Some(self.layers[self.position(sequence)?].replacement.bind(py).clone())
    }

    /// Whether `site` does what the newest patch says: nobody else has changed it.
    pub(crate) fn is_installed<'py>(&self, site: &impl Site<'py, Stored = B>) -> bool {
        self.layers.last().is_none_or(|layer| site.has_body(&layer.body))
    }

    /// Puts a patch on top.
    pub(crate) fn push(&mut self, layer: Layer<B>) {
        self.epoch += 1;
        self.layers.push(layer);
    }

    /// The object that does what lies below the patch of `site` numbered `sequence`.
    ///
    /// For a patch that was undone it is what would lie below if it still had its place.
    /// `None` means that nothing lies above that place, so that the target itself is it.
    pub(crate) fn original<'py>(
        site: &impl Site<'py, Stored = B>,
        sequence: u64,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = site.as_any().py();
        loop {
            let found = site.with_stack(|stack| {
                let sequence_of = |layer: &Layer<B>| layer.patch.get().sequence();
                let index = stack.layers.partition_point(|layer| sequence_of(layer) < sequence);
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

    /// Gets everything ready for taking the patch numbered `sequence` off `site`.
    ///
    /// # Errors
    ///
    /// `PatchError` if the object does not know of that patch any more.
    pub(crate) fn prepare_removal<'py, S: Site<'py, Stored = B>>(
        site: S,
        sequence: u64,
    ) -> Result<Removal<'py, S>, Error> {
        let py = site.as_any().py();
        let seen = site.seen();
        let found = site.with_stack(|stack| {
            let index = stack.position(sequence).filter(|_| stack.is_installed(&site))?;
            let above = stack
                .layers
                .get(index + 1)
                .map(|above| above.original.as_ref().map(|original| original.bind(py).clone()));
            Some((
                stack.layers[index].replacement.bind(py).clone(),
                stack.below(index).bind(py),
                stack.base.cells(py),
                above,
                stack.layers.len() == 1,
                stack.epoch,
            ))
        });
        let Some((replacement, below, cells, above, is_only, epoch)) = found.flatten() else {
            return Err(changed_by_others(site.as_any()));
        };
        let is_newest = above.is_none();
        let mut rebased = Vec::new();
        let install = match above {
            None => Some(site.prepare(seen, below, !is_only, cells.as_ref())?),
            Some(None) => None,
            Some(Some(original)) => install_in_original(&original, below, &mut rebased)?,
        };
        Ok(Removal { site, replacement, sequence, epoch, is_newest, install, rebased })
    }
}

/// Gets everything ready for `original` to do what `body` says.
///
/// Whoever has patched that function has put a stack of its own on it. That stack then gets a new base,
/// and the body goes into the original of its first patch.
fn install_in_original<'py, S: Site<'py>>(
    original: &Bound<'py, PyAny>,
    body: Body<'py, S>,
    rebased: &mut Vec<Rebased<'py, S>>,
) -> PyResult<Option<S::Install>> {
    let py = original.py();
    let mut next = S::new(original);
    while let Some(site) = next.take() {
        let seen = site.seen();
        let Some((original, epoch)) = site.with_stack(|stack| {
            let original = stack.layers.first().and_then(|layer| layer.original.as_ref());
            (original.map(|original| original.bind(py).clone()), stack.epoch)
        }) else {
            return Ok(Some(site.prepare(seen, body, false, None)?));
        };
        next = original.as_ref().and_then(S::new);
        rebased.push(Rebased { site, epoch, base: S::Stored::unbind(body.clone()) });
    }
    Ok(None)
}

/// For a target of which somebody else has changed the body, or taken the patches away.
pub(crate) fn changed_by_others(target: &Bound<'_, PyAny>) -> Error {
    Error::patch(format!(
        "{} was changed by somebody else since hotpatch patched it (its __code__, __defaults__ or \
         __kwdefaults__ is not what the newest patch installed); take that change back first",
        describe(target)
    ))
}

/// A patched object whose stack gets another base.
struct Rebased<'py, S: Site<'py>> {
    site: S,
    /// That of its stack when this was prepared.
    epoch: u64,
    base: S::Stored,
}

/// A removal that is ready to be carried out.
pub(crate) struct Removal<'py, S: Site<'py>> {
    site: S,
    pub(crate) replacement: Bound<'py, PyAny>,
    sequence: u64,
    epoch: u64,
    is_newest: bool,
    /// Of the target, or of the original of the patch above.
    install: Option<S::Install>,
    rebased: Vec<Rebased<'py, S>>,
}

/// What a removal took away.
#[must_use = "releasing this can run Python code: say where"]
pub(crate) struct Removed<'py, S: Site<'py>> {
    _layer: Retired<'py, S::Stored>,
    _replaced: Option<<S::Install as Install<S::Stored>>::Replaced>,
    _rebased: Vec<Rebased<'py, S>>,
    stack: Option<Box<Stack<S::Stored>>>,
    site: S,
}

impl<'py, S: Site<'py>> Removal<'py, S> {
    /// Carries it out, or returns `None` if somebody has changed something since it was prepared.
    pub(crate) fn commit(self) -> PyResult<Option<Removed<'py, S>>> {
        let Self { site, sequence, epoch, is_newest, install, mut rebased, .. } = self;
        let py = site.as_any().py();
        if let Some(install) = &install {
            install.announce()?;
        }
        // From here on no Python code runs.
        let is_current = |other: &Rebased<'py, S>| {
            other.site.with_stack(|stack| stack.epoch) == Some(other.epoch)
        };
        if !rebased.iter().all(is_current) || !install.as_ref().is_none_or(Install::is_current) {
            return Ok(None);
        }
        let layer = site.with_stack(|stack| {
            let is_current = stack.epoch == epoch && stack.is_installed(&site);
            let index = stack.position(sequence).filter(|_| is_current)?;
            stack.epoch += 1;
            Some(stack.layers.remove(index))
        });
        let Some(layer) = layer.flatten() else {
            return Ok(None);
        };
        let layer = layer.retire(py);
        for Rebased { site, base, .. } in &mut rebased {
            site.with_stack(|stack| {
                stack.epoch += 1;
                std::mem::swap(&mut stack.base, base);
            });
        }
        let (mut replaced, mut empty) = (None, None);
        if let Some(install) = install {
            let mut stack = if is_newest { install.take_stack() } else { None };
            empty = stack.take_if(|stack| stack.layers.is_empty());
            replaced = Some(install.commit(stack));
        }
        Ok(Some(Removed {
            _layer: layer,
            _replaced: replaced,
            _rebased: rebased,
            stack: empty,
            site,
        }))
    }
}

impl<'py, S: Site<'py>> Removed<'py, S> {
    pub(crate) fn release(mut self) {
        if let Some(stack) = self.stack.take() {
            (*stack).release(self.site.as_any().py());
        }
    }
}
