//! A patch: applying one, its handle, and undoing it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyWeakrefMethods, PyWeakrefReference};

use crate::class_cell;
use crate::error::{Error, describe};
use crate::kind::Kind;
use crate::raw::frame::{Place, current_module};
use crate::raw::function::{Body, Function};
use crate::raw::{audit, layout};
use crate::registry;
use crate::stack::{Layer, Stack, changed_by_others};
use crate::target::Target;
use crate::trampoline;

static NEXT_SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// One change of one function, and the handle to take it back.
///
/// Made by `hotpatch`. As a context manager it is undone on exit, exception or not. Dropping the
/// handle leaves the patch applied. The handle keeps neither the target nor the replacement alive.
#[pyclass(frozen, weakref, module = "hotpatch")]
pub struct Patch {
    /// Patches are numbered in the order in which they are made. Set when the patch is in place:
    /// while it is being made, Python code can run and make others.
    sequence: AtomicU64,
    target: Py<PyWeakrefReference>,
    by: Py<PyString>,
    place: Option<Place>,
    active: AtomicBool,
    /// Once it is undone, a weak reference to the replacement.
    undone: Mutex<Option<Py<PyWeakrefReference>>>,
}

/// What can be said about a patch besides its target and its replacement.
#[derive(Default)]
#[non_exhaustive]
pub struct Options<'py> {
    /// Who patches. By default the `__name__` of the calling module.
    pub by: Option<Bound<'py, PyString>>,
}

impl<'py> Options<'py> {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says who patches.
    #[must_use]
    pub fn by(mut self, by: Bound<'py, PyString>) -> Self {
        self.by = Some(by);
        self
    }
}

/// What the target is going to do, in the form of a function that does it.
struct Replacement<'py> {
    function: Function<'py>,
    /// The codes of target and replacement for which the kinds were found to be the same.
    checked: (Bound<'py, PyAny>, Bound<'py, PyAny>),
}

impl<'py> Replacement<'py> {
    fn resolve(named: &Bound<'py, PyAny>, target: &Function<'py>) -> Result<Self, Error> {
        let target_code = code(target)?;
        let target_kind = Kind::of_function(target)?;
        if let Some(function) = Function::new(named) {
            layout::check_entry(&function)?;
            target_kind.check(target.as_any(), Kind::of_function(&function)?, named)?;
            let own_code = code(&function)?;
            // A function that is only marked as a coroutine function has not the code of one.
            if Kind::of_code(&own_code)? == target_kind {
                return Ok(Self { function, checked: (target_code, own_code) });
            }
        } else if !named.is_callable() {
            return Err(Error::argument(format!(
                "cannot replace {} by {}: it is not callable; pass a function or another callable",
                describe(target.as_any()),
                describe(named)
            )));
        } else {
            target_kind.check(target.as_any(), Kind::of_callable(named)?, named)?;
        }
        let function = trampoline::forwarder(named, target_kind, target)?;
        let checked = (target_code, code(&function)?);
        Ok(Self { function, checked })
    }

    /// Checks the kinds again if other code was assigned to either of the two since.
    fn check_kind(&self, target: &Function<'py>) -> Result<(), Error> {
        let (target_code, own_code) = (code(target)?, code(&self.function)?);
        if target_code.is(&self.checked.0) && own_code.is(&self.checked.1) {
            return Ok(());
        }
        let kind = Kind::of_function(&self.function)?;
        Kind::of_function(target)?.check(target.as_any(), kind, self.function.as_any())
    }
}

fn code<'py>(function: &Function<'py>) -> PyResult<Bound<'py, PyAny>> {
    function.code().ok_or_else(|| PySystemError::new_err("a function without code"))
}

/// Makes `target` do what `replacement` does, under every reference to it.
///
/// `target` is a Python function, or a bound method, classmethod, staticmethod or property with one
/// inside. `replacement` is any callable of the same kind. See the [crate] for what a patch is.
///
/// # Errors
///
/// As a Python exception: `TypeError` for a target or a replacement that can never work,
/// [`PatchError`](crate::PatchError) if the interpreter or the state of the target does not allow
/// it, and whatever an audit hook raises. Nothing has changed then.
///
/// # Examples
///
/// ```
/// use hotpatch_engine::{Options, apply};
/// use pyo3::prelude::*;
///
/// Python::attach(|py| -> PyResult<()> {
///     let target = py.eval(c"lambda: 'old'", None, None)?;
///     let replacement = py.eval(c"lambda: 'new'", None, None)?;
///     let patch = apply(&replacement, &target, Options::new())?;
///     assert_eq!(target.call0()?.extract::<String>()?, "new");
///     patch.get().undo(py)?;
///     assert_eq!(target.call0()?.extract::<String>()?, "old");
///     Ok(())
/// })
/// # .unwrap();
/// ```
pub fn apply<'py>(
    replacement: &Bound<'py, PyAny>,
    target: &Bound<'py, PyAny>,
    options: Options<'py>,
) -> Result<Bound<'py, Patch>, Error> {
    let py = target.py();
    layout::check(py)?;
    let target = Target::resolve(target)?;
    let function = &target.function;
    let source = Replacement::resolve(replacement, function)?;
    let by = author(py, options.by)?;
    audit::raise(c"hotpatch.apply", function.as_any(), replacement, &by)?;
    let target_reference = PyWeakrefReference::new(function.as_any())?;
    let patch = Bound::new(
        py,
        Patch {
            sequence: AtomicU64::new(0),
            target: target_reference.clone().unbind(),
            by: by.unbind(),
            place: Place::current(py),
            active: AtomicBool::new(false),
            undone: Mutex::new(None),
        },
    )?;
    loop {
        let seen = function.seen();
        let known =
            Stack::with(function, |stack| stack.is_installed(function).then(|| stack.base(py)));
        let is_patched = known.is_some();
        let base = match known {
            Some(base) => base.ok_or_else(|| changed_by_others(function))?,
            None => function.body()?,
        };
        source.check_kind(function)?;
        let body = body_for(&source.function, &base, &target)?;
        let install = function.prepare(seen, body.clone(), true, base.closure())?;
        install.announce()?;
        // From here on no Python code runs until everything is in place.
        if !install.is_current() {
            continue;
        }
        let known = if is_patched { install.take_stack() } else { None };
        let mut stack = known.unwrap_or_else(|| Stack::new(target_reference.clone(), base));
        let sequence = NEXT_SEQUENCE.fetch_add(1, Ordering::Relaxed);
        patch.get().sequence.store(sequence, Ordering::Relaxed);
        stack.push(Layer {
            patch: patch.clone().unbind(),
            replacement: replacement.clone().unbind(),
            body: body.unbind(),
            original: None,
            ticket: registry::enter(patch.clone().unbind()),
        });
        let replaced = install.commit(Some(stack));
        patch.get().active.store(true, Ordering::Relaxed);
        drop(replaced);
        return Ok(patch);
    }
}

/// Who patches: whom the caller names, or the calling module.
fn author<'py>(
    py: Python<'py>,
    by: Option<Bound<'py, PyString>>,
) -> PyResult<Bound<'py, PyString>> {
    match by.or_else(|| current_module(py)?.cast_into().ok()) {
        Some(by) => plain(&by),
        None => Ok(pyo3::intern!(py, "").clone()),
    }
}

/// The text as an instance of `str` itself: one of a subclass could keep anything alive.
fn plain<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
    if text.is_exact_instance_of::<PyString>() {
        return Ok(text.clone());
    }
    let class = text.py().get_type::<PyString>();
    Ok(class.call_method1("__str__", (text,))?.cast_into()?)
}

/// What the replacement does now, in the form that the target can have it.
fn body_for<'py>(
    source: &Function<'py>,
    base: &Body<'py>,
    target: &Target<'py>,
) -> PyResult<Body<'py>> {
    let mut body = source.body()?;
    body.detach()?;
    class_cell::bind(&mut body, base, target)?;
    Ok(body)
}

/// The active patches in the order in which they were made: all, those of one target, or those made
/// by one author.
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
        None => registry::active(py),
        Some(target) => {
            let function = Target::resolve(target)?.function;
            Stack::with(&function, |stack| stack.patches(py)).unwrap_or_default()
        }
    };
    if let Some(by) = by {
        let by = plain(by)?;
        let mut kept = Vec::new();
        for patch in found {
            if patch.get().by.bind(py).as_any().eq(&by)? {
                kept.push(patch);
            }
        }
        found = kept;
    }
    Ok(found)
}

impl Patch {
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Relaxed)
    }

    pub(crate) fn set_inactive(&self) {
        self.active.store(false, Ordering::Relaxed);
    }

    /// Whether it is applied. The stack of a target can outlive it: somebody may hold `__closure__`.
    pub(crate) fn is_active(&self, py: Python<'_>) -> bool {
        self.active.load(Ordering::Relaxed) && self.target(py).is_some()
    }

    fn function<'py>(&self, py: Python<'py>) -> Option<Function<'py>> {
        self.target.bind(py).upgrade().and_then(|target| Function::new(&target))
    }

    fn remembered<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let undone = self.undone.lock().unwrap_or_else(PoisonError::into_inner);
        let reference = undone.as_ref().map(|reference| reference.clone_ref(py));
        drop(undone);
        reference?.bind(py).upgrade()
    }
}

#[pymethods]
impl Patch {
    /// The function that changed, or None if it is gone.
    #[getter]
    fn target<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.target.bind(py).upgrade()
    }

    /// What the patch was made with, or None if it is gone.
    ///
    /// An undone patch does not keep it alive.
    #[getter]
    fn replacement<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.function(py)
            .and_then(|function| {
                Stack::with(&function, |stack| stack.replacement(py, self.sequence()))?
            })
            .or_else(|| self.remembered(py))
    }

    /// Whether the patch is applied: not undone, and its target not gone.
    #[getter]
    fn active(&self, py: Python<'_>) -> bool {
        self.is_active(py)
    }

    /// Who made the patch; by default the name of the module that did.
    #[getter]
    fn by<'py>(&self, py: Python<'py>) -> &Bound<'py, PyString> {
        self.by.bind(py)
    }

    /// The call that made the patch, as `/path/to/file.py:12`.
    #[getter(r#where)]
    fn place(&self, py: Python<'_>) -> PyResult<String> {
        self.place.as_ref().map_or(Ok("<native>".into()), |place| place.describe(py))
    }

    /// A function with the target's identity that does what the target did below this patch.
    ///
    /// It stays right as patches below come and go. Once this patch is undone, it is what lies below
    /// the patches that were made after it: the target itself if there are none.
    ///
    /// # Errors
    ///
    /// `PatchError` if the target is gone.
    #[getter]
    pub fn original<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>, Error> {
        let Some(function) = self.function(py) else {
            return Err(Error::patch(
                "the target of this patch is gone, and its original with it".into(),
            ));
        };
        if self.is_active(py) && Stack::with(&function, |_| ()).is_none() {
            return Err(changed_by_others(&function));
        }
        let original = Stack::original(&function, self.sequence())?;
        Ok(original.unwrap_or_else(|| function.into_any()))
    }

    /// Take the patch back, in any order with other patches of the target.
    ///
    /// Does nothing if it is undone already, or if the target is gone.
    ///
    /// # Errors
    ///
    /// `PatchError` if somebody else has changed the target since, and whatever an audit hook
    /// raises. Nothing has changed then.
    pub fn undo(&self, py: Python<'_>) -> Result<(), Error> {
        let mut is_announced = false;
        while self.active.load(Ordering::Relaxed)
            && let Some(function) = self.function(py)
        {
            let removal = Stack::prepare_removal(function.clone(), self.sequence())?;
            let replacement = removal.replacement.clone();
            if !is_announced {
                let by = self.by.bind(py);
                audit::raise(c"hotpatch.undo", function.as_any(), &replacement, by)?;
                is_announced = true;
            }
            let weak = PyWeakrefReference::new(&replacement).ok(); // not every object can have one
            let Some(removed) = removal.commit()? else {
                continue;
            };
            let forgotten = {
                let mut undone = self.undone.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::replace(&mut *undone, weak.map(Bound::unbind))
            };
            removed.release();
            drop(forgotten);
            return Ok(());
        }
        Ok(())
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    #[pyo3(signature = (exception_type, exception, traceback, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exception_type: &Bound<'_, PyAny>,
        exception: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> Result<(), Error> {
        let _ = (exception_type, exception, traceback); // they go on unchanged
        self.undo(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let target = match self.target(py) {
            Some(target) => {
                let name = target.getattr("__qualname__")?;
                format!("{}.{name}", target.getattr("__module__")?)
            }
            None => "a function that is gone".into(),
        };
        let state = if self.is_active(py) { "active" } else { "undone" };
        Ok(format!("<Patch of {target} by {} at {}, {state}>", self.by.bind(py), self.place(py)?))
    }
}
