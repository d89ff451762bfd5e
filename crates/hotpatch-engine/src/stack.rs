//! The patches of one function: what it did unpatched, and the bodies laid over that.
//!
//! A stack belongs to its function: it hangs on the closure (`raw::closure`), where the garbage
//! collector finds it and Python code does not. Nothing else owns it.

use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use smallvec::SmallVec;

use crate::error::{Error, describe};
use crate::patch::Patch;
use crate::raw::closure::Closure;
use crate::raw::function::{Body, Function, Install, Replaced, StoredBody};
use crate::registry::Ticket;

/// The patches of one function.
pub(crate) struct Stack {
    /// The function. A copy of it (`types.FunctionType`) can have its closure, but not its patches.
    target: Py<PyWeakrefReference>,
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
    pub(crate) ticket: Ticket,
}

/// What is left of a layer.
#[must_use = "dropping this can run Python code: say where"]
struct Retired<'py> {
    _references: (Bound<'py, Patch>, Option<Bound<'py, Patch>>, Bound<'py, PyAny>, Body<'py>),
    _original: Option<Bound<'py, PyAny>>,
}

impl Layer {
    /// The target is gone, or the patch was undone.
    fn retire(self, py: Python<'_>) -> Retired<'_> {
        let Self { patch, replacement, body, original, ticket } = self;
        patch.get().set_inactive();
        let listed = ticket.give_back(py);
        Retired {
            _references: (
                patch.into_bound(py),
                listed,
                replacement.into_bound(py),
                body.into_bound(py),
            ),
            _original: original.map(|original| original.into_bound(py)),
        }
    }
}

impl Stack {
    pub(crate) fn new(target: Bound<'_, PyWeakrefReference>, base: Body<'_>) -> Box<Self> {
        let (target, base) = (target.unbind(), base.unbind());
        Box::new(Self { target, base, layers: SmallVec::new(), epoch: 0 })
    }

    /// Looks at the stack of a function, or returns `None` if the function is not patched.
    ///
    /// If `action` were to run Python code, that would find no stack.
    pub(crate) fn with<T>(
        function: &Function<'_>,
        action: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        let closure = Closure::of(&function.closure()?)?;
        let mut stack = closure.take_stack()?;
        let target = stack.target.bind(function.as_any().py()).upgrade();
        let is_its_own = target.is_some_and(|target| target.is(function.as_any()));
        let outcome = is_its_own.then(|| action(&mut stack));
        closure.hang(stack);
        outcome
    }

    /// Everything that the garbage collector has to know of.
    // It has no way to clear a stack: every cycle through one passes through its function, which it
    // does clear. Were the stack cleared first, the dicts that frames borrow could go early.
    pub(crate) fn references(&self, mut visit: impl FnMut(&Py<PyAny>)) {
        self.base.references().for_each(&mut visit);
        for layer in &self.layers {
            visit(layer.patch.as_any());
            visit(&layer.replacement);
            layer.original.iter().for_each(&mut visit);
            layer.body.references().for_each(&mut visit);
        }
    }

    /// The function is gone, or its last patch was undone. This can run Python code.
    pub(crate) fn release(self, py: Python<'_>) {
        let Self { target, base, layers, epoch: _ } = self;
        let retired: SmallVec<[_; 1]> = layers.into_iter().map(|layer| layer.retire(py)).collect();
        drop((retired, base.into_bound(py), target.into_bound(py)));
    }

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

    /// What the function did before the first patch.
    pub(crate) fn base<'py>(&self, py: Python<'py>) -> Body<'py> {
        self.base.bind(py)
    }

    /// The patches, oldest first.
    pub(crate) fn patches<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, Patch>> {
        self.layers.iter().map(|layer| layer.patch.bind(py).clone()).collect()
    }

    /// What a patch of this stack was made with.
    pub(crate) fn replacement<'py>(
        &self,
        py: Python<'py>,
        sequence: u64,
    ) -> Option<Bound<'py, PyAny>> {
        Some(self.layers[self.position(sequence)?].replacement.bind(py).clone())
    }

    /// Whether `function` does what the newest patch says: nobody else has changed it.
    pub(crate) fn is_installed(&self, function: &Function<'_>) -> bool {
        self.layers.last().is_none_or(|layer| function.has_body(&layer.body))
    }

    /// Puts a patch on top.
    pub(crate) fn push(&mut self, layer: Layer) {
        self.epoch += 1;
        self.layers.push(layer);
    }

    /// The function that does what lies below the patch of `function` numbered `sequence`.
    ///
    /// For a patch that was undone it is what would lie below if it still had its place.
    /// `None` means that nothing lies above that place, so that the target itself is it.
    pub(crate) fn original<'py>(
        function: &Function<'py>,
        sequence: u64,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = function.as_any().py();
        loop {
            let found = Self::with(function, |stack| {
                let sequence_of = |layer: &Layer| layer.patch.get().sequence();
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
            let twin = function.twin(below)?.into_any();
            let is_kept = Self::with(function, |stack| {
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

    /// Gets everything ready for taking the patch numbered `sequence` off `function`.
    ///
    /// # Errors
    ///
    /// `PatchError` if the function does not know of that patch any more.
    pub(crate) fn prepare_removal(
        function: Function<'_>,
        sequence: u64,
    ) -> Result<Removal<'_>, Error> {
        let py = function.as_any().py();
        let seen = function.seen();
        let found = Self::with(&function, |stack| {
            let index = stack.position(sequence).filter(|_| stack.is_installed(&function))?;
            let above = stack
                .layers
                .get(index + 1)
                .map(|above| above.original.as_ref().map(|original| original.bind(py).clone()));
            Some((
                stack.layers[index].replacement.bind(py).clone(),
                stack.below(index).bind(py),
                stack.base.closure(py),
                above,
                stack.layers.len() == 1,
                stack.epoch,
            ))
        });
        let Some((replacement, below, base, above, is_only, epoch)) = found.flatten() else {
            return Err(changed_by_others(&function));
        };
        let is_newest = above.is_none();
        let mut rebased = Vec::new();
        let install = match above {
            None => Some(function.prepare(seen, below, !is_only, base.as_ref())?),
            Some(None) => None,
            Some(Some(original)) => install_in_original(&original, below, &mut rebased)?,
        };
        Ok(Removal { function, replacement, sequence, epoch, is_newest, install, rebased })
    }
}

/// Gets everything ready for `original` to do what `body` says.
///
/// Whoever has patched that function has put a stack of its own on it. That stack then gets a new base,
/// and the body goes into the original of its first patch.
fn install_in_original<'py>(
    original: &Bound<'py, PyAny>,
    body: Body<'py>,
    rebased: &mut Vec<Rebased<'py>>,
) -> PyResult<Option<Install<'py>>> {
    let py = original.py();
    let mut next = Function::new(original);
    while let Some(function) = next.take() {
        let seen = function.seen();
        let Some((original, epoch)) = Stack::with(&function, |stack| {
            let original = stack.layers.first().and_then(|layer| layer.original.as_ref());
            (original.map(|original| original.bind(py).clone()), stack.epoch)
        }) else {
            return Ok(Some(function.prepare(seen, body, false, None)?));
        };
        next = original.as_ref().and_then(Function::new);
        rebased.push(Rebased { function, epoch, base: body.clone().unbind() });
    }
    Ok(None)
}

/// For a function of which somebody else has changed the body, or taken the patches away.
pub(crate) fn changed_by_others(function: &Function<'_>) -> Error {
    Error::patch(format!(
        "{} was changed by somebody else since hotpatch patched it (its __code__, __defaults__ or \
         __kwdefaults__ is not what the newest patch installed); take that change back first",
        describe(function.as_any())
    ))
}

/// A patched function whose stack gets another base.
struct Rebased<'py> {
    function: Function<'py>,
    /// That of its stack when this was prepared.
    epoch: u64,
    base: StoredBody,
}

/// A removal that is ready to be carried out.
pub(crate) struct Removal<'py> {
    function: Function<'py>,
    pub(crate) replacement: Bound<'py, PyAny>,
    sequence: u64,
    epoch: u64,
    is_newest: bool,
    /// Of the target, or of the original of the patch above.
    install: Option<Install<'py>>,
    rebased: Vec<Rebased<'py>>,
}

/// What a removal took away.
#[must_use = "releasing this can run Python code: say where"]
pub(crate) struct Removed<'py> {
    _layer: Retired<'py>,
    _replaced: Option<Replaced<'py>>,
    _rebased: Vec<Rebased<'py>>,
    stack: Option<Box<Stack>>,
    function: Function<'py>,
}

impl<'py> Removal<'py> {
    /// Carries it out, or returns `None` if somebody has changed something since it was prepared.
    pub(crate) fn commit(self) -> PyResult<Option<Removed<'py>>> {
        let Self { function, sequence, epoch, is_newest, install, mut rebased, .. } = self;
        let py = function.as_any().py();
        if let Some(install) = &install {
            install.announce()?;
        }
        // From here on no Python code runs.
        let is_current = |other: &Rebased<'_>| {
            Stack::with(&other.function, |stack| stack.epoch) == Some(other.epoch)
        };
        if !rebased.iter().all(is_current) || !install.as_ref().is_none_or(Install::is_current) {
            return Ok(None);
        }
        let layer = Stack::with(&function, |stack| {
            let is_current = stack.epoch == epoch && stack.is_installed(&function);
            let index = stack.position(sequence).filter(|_| is_current)?;
            stack.epoch += 1;
            Some(stack.layers.remove(index))
        });
        let Some(layer) = layer.flatten() else {
            return Ok(None);
        };
        let layer = layer.retire(py);
        for Rebased { function, base, .. } in &mut rebased {
            Stack::with(function, |stack| {
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
            function,
        }))
    }
}

impl Removed<'_> {
    pub(crate) fn release(mut self) {
        if let Some(stack) = self.stack.take() {
            (*stack).release(self.function.as_any().py());
        }
    }
}
