//! The patches of one function: what it did unpatched, and the bodies laid over that.
//!
//! A stack belongs to its function: it hangs on the closure (`raw::closure`), where the garbage
//! collector finds it and Python code does not. Nothing else owns it.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use pyo3::exceptions::PySystemError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use smallvec::SmallVec;

use crate::error::{Error, describe};
use crate::patch::Patch;
use crate::raw::closure::Closure;
use crate::raw::function::{Body, Function, Install, Replaced, StoredBody};
use crate::registry::Ticket;

/// The patches of one function.
#[pyclass(frozen, module = "hotpatch._native")]
pub(crate) struct Stack {
    /// The function. A copy of it (`types.FunctionType`) can have its closure, but not its patches.
    target: Py<PyWeakrefReference>,
    // Locked for a few moves of pointers, never while Python code can run.
    state: Mutex<State>,
}

struct State {
    /// What the function did before the first patch.
    base: StoredBody,
    /// The patches, oldest first. The body of the last is the one that is installed.
    layers: SmallVec<[Layer; 1]>,
    /// Counts the changes of `base` and `layers`, originals included.
    epoch: u64,
}

/// One patch in the stack of its target.
pub(crate) struct Layer {
    pub(crate) patch: Py<Patch>,
    pub(crate) replacement: Py<PyAny>,
    pub(crate) body: StoredBody,
    /// The function that does what lies below, once somebody has asked for it.
    pub(crate) original: Option<Py<PyAny>>,
    pub(crate) _ticket: Ticket,
}

impl Drop for Layer {
    /// The target is gone, or the patch was undone.
    fn drop(&mut self) {
        self.patch.get().set_inactive();
    }
}

impl State {
    fn position(&self, sequence: u64) -> Option<usize> {
        self.layers.binary_search_by_key(&sequence, |layer| layer.patch.get().sequence()).ok()
    }

    /// What the function would do without the layer at `index` and those above it.
    fn below(&self, index: usize) -> &StoredBody {
        match index {
            0 => &self.base,
            _ => &self.layers[index - 1].body,
        }
    }
}

#[pymethods]
impl Stack {
    // There is no `__clear__`: every cycle through a stack passes through its function, which the
    // collector clears. Were the stack cleared first, the dicts that frames borrow could go early.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            // Visiting nothing makes the collector keep everything until the next time.
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        state.base.references().try_for_each(|object| visit.call(object))?;
        for layer in &state.layers {
            visit.call(&layer.patch)?;
            visit.call(&layer.replacement)?;
            visit.call(&layer.original)?;
            layer.body.references().try_for_each(|object| visit.call(object))?;
        }
        Ok(())
    }
}

impl Stack {
    pub(crate) fn new(target: Bound<'_, PyWeakrefReference>, base: Body<'_>) -> Self {
        let state = State { base: base.unbind(), layers: SmallVec::new(), epoch: 0 };
        Self { target: target.unbind(), state: Mutex::new(state) }
    }

    /// The stack of a function that is patched.
    pub(crate) fn of<'py>(function: &Function<'py>) -> Option<Bound<'py, Self>> {
        let stack: Bound<'py, Self> =
            Closure::of(&function.closure()?)?.stack()?.cast_into().ok()?;
        let target = stack.get().target.bind(stack.py()).upgrade()?;
        target.is(function.as_any()).then_some(stack)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the function did before the first patch.
    pub(crate) fn base<'py>(&self, py: Python<'py>) -> Body<'py> {
        self.state().base.bind(py)
    }

    /// The patches, oldest first.
    pub(crate) fn patches<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, Patch>> {
        self.state().layers.iter().map(|layer| layer.patch.clone_ref(py).into_bound(py)).collect()
    }

    /// What a patch of this stack was made with.
    pub(crate) fn replacement<'py>(
        &self,
        py: Python<'py>,
        sequence: u64,
    ) -> Option<Bound<'py, PyAny>> {
        let state = self.state();
        let layer = &state.layers[state.position(sequence)?];
        Some(layer.replacement.clone_ref(py).into_bound(py))
    }

    /// Fails if `function` does not do what the newest patch says: somebody else has changed it.
    pub(crate) fn check_untouched(&self, function: &Function<'_>) -> Result<(), Error> {
        if self.state().layers.last().is_none_or(|layer| function.has_body(&layer.body)) {
            return Ok(());
        }
        Err(changed_by_others(function))
    }

    /// Puts a patch on top. No Python code runs in here.
    pub(crate) fn push(&self, layer: Layer) {
        let mut state = self.state();
        state.epoch += 1;
        state.layers.push(layer);
    }

    /// The function that does what lies below the patch numbered `sequence`.
    ///
    /// For a patch that was undone it is what would lie below if it still had its place.
    /// `None` means that nothing lies above that place, so that the target itself is it.
    pub(crate) fn original<'py>(
        &self,
        function: &Function<'py>,
        sequence: u64,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = function.as_any().py();
        loop {
            let (index, epoch, below) = {
                let state = self.state();
                let index =
                    state.layers.partition_point(|layer| layer.patch.get().sequence() < sequence);
                let Some(layer) = state.layers.get(index) else {
                    return Ok(None);
                };
                if let Some(original) = &layer.original {
                    return Ok(Some(original.clone_ref(py).into_bound(py)));
                }
                (index, state.epoch, state.below(index).bind(py))
            };
            let twin = function.twin(below)?.into_any();
            let mut state = self.state();
            if state.epoch == epoch && state.layers[index].original.is_none() {
                state.epoch += 1;
                state.layers[index].original = Some(twin.clone().unbind());
                return Ok(Some(twin));
            }
        }
    }

    /// Gets everything ready for taking the patch numbered `sequence` out of the stack.
    ///
    /// `None` means that it is not in the stack any more.
    pub(crate) fn prepare_removal<'py>(
        this: &Bound<'py, Self>,
        function: &Function<'py>,
        sequence: u64,
    ) -> Result<Option<Removal<'py>>, Error> {
        let py = this.py();
        let seen = function.seen();
        this.get().check_untouched(function)?;
        let (below, base, above, is_only, epoch) = {
            let state = this.get().state();
            let Some(index) = state.position(sequence) else {
                return Ok(None);
            };
            (
                state.below(index).bind(py),
                state.base.bind(py),
                state.layers.get(index + 1).map(|above| {
                    above.original.as_ref().map(|original| original.clone_ref(py).into_bound(py))
                }),
                state.layers.len() == 1,
                state.epoch,
            )
        };
        let mut removal =
            Removal { stack: this.clone(), sequence, epoch, install: None, rebased: Vec::new() };
        match above {
            None => {
                let stack = (!is_only).then(|| this.clone().into_any());
                removal.install = Some(function.prepare(seen, below, stack, base.closure())?);
            }
            Some(None) => {}
            Some(Some(original)) => {
                // Whoever has patched that function has put a stack of its own on it.
                let mut original = Function::new(&original);
                while let Some(function) = original.take() {
                    let Some(stack) = Self::of(&function) else {
                        let seen = function.seen();
                        removal.install = Some(function.prepare(seen, below, None, None)?);
                        break;
                    };
                    let (next, epoch) = {
                        let state = stack.get().state();
                        let next = state.layers.first().and_then(|layer| layer.original.as_ref());
                        (next.map(|next| next.bind(py).clone()), state.epoch)
                    };
                    original = next.as_ref().and_then(Function::new);
                    removal.rebased.push((stack, epoch, below.clone().unbind()));
                }
            }
        }
        Ok(Some(removal))
    }
}

fn changed_by_others(function: &Function<'_>) -> Error {
    Error::patch(format!(
        "{} was changed by somebody else since hotpatch patched it (its __code__, __defaults__ or \
         __kwdefaults__ is not what the newest patch installed); take that change back first",
        describe(function.as_any())
    ))
}

/// For a patch that says it is active while its target knows nothing of it.
pub(crate) fn lost(function: &Function<'_>) -> Error {
    changed_by_others(function)
}

/// A removal that is ready to be carried out.
pub(crate) struct Removal<'py> {
    stack: Bound<'py, Stack>,
    sequence: u64,
    epoch: u64,
    /// Of the target, or of the original of the patch above.
    install: Option<Install<'py>>,
    /// The stacks that get a new base instead, because that original is patched itself, and their
    /// epochs when this was prepared.
    rebased: Vec<(Bound<'py, Stack>, u64, StoredBody)>,
}

/// What a removal took away: to be dropped last, since that can run Python code.
#[must_use = "dropping this can run Python code: say where"]
pub(crate) struct Removed<'py> {
    _layer: Layer,
    _replaced: Option<Replaced<'py>>,
    _rebased: Vec<(Bound<'py, Stack>, u64, StoredBody)>,
    _stack: Bound<'py, Stack>,
}

impl<'py> Removal<'py> {
    /// Carries it out, or returns `None` if somebody has changed something since it was prepared.
    pub(crate) fn commit(mut self) -> PyResult<Option<Removed<'py>>> {
        if let Some(install) = &self.install {
            install.announce()?;
        }
        // From here on no Python code runs.
        if self.rebased.iter().any(|(stack, epoch, _)| stack.get().state().epoch != *epoch) {
            return Ok(None);
        }
        let layer = {
            let mut state = self.stack.get().state();
            if state.epoch != self.epoch
                || self.install.as_ref().is_some_and(|install| !install.is_current())
            {
                return Ok(None);
            }
            let Some(index) = state.position(self.sequence) else {
                return Err(PySystemError::new_err("a stack of patches has lost one"));
            };
            state.epoch += 1;
            state.layers.remove(index)
        };
        layer.patch.get().set_inactive();
        for (stack, _, base) in &mut self.rebased {
            let mut state = stack.get().state();
            state.epoch += 1;
            std::mem::swap(&mut state.base, base);
        }
        Ok(Some(Removed {
            _layer: layer,
            _replaced: self.install.map(Install::commit),
            _rebased: self.rebased,
            _stack: self.stack,
        }))
    }
}
