//! Applying a patch.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::exceptions::PySystemError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::class_cell;
use crate::error::{Error, describe};
use crate::kind::Kind;
use crate::patch::{Patch, plain};
use crate::raw::builtin::StoredCallable;
use crate::raw::frame::current_module;
use crate::raw::function::{self, Function};
use crate::raw::{audit, layout};
use crate::registry;
use crate::site::{AnySite, Body, Install, Site, Stored};
use crate::stack::{Layer, Stack, changed_by_others};
use crate::target::{FunctionTarget, Target};
use crate::trampoline;

static NEXT_SEQUENCE: AtomicU64 = AtomicU64::new(0);

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
            target_kind.check(target.as_any(), named)?;
            let own_code = code(&function)?;
            // A function that is only marked as a coroutine function has not the code of one.
            if Kind::of_code(&own_code)? == target_kind {
                return Ok(Self { function, checked: (target_code, own_code) });
            }
        } else {
            check_callable(named, target.as_any())?;
            target_kind.check(target.as_any(), named)?;
        }
        let globals = target.as_any().getattr(intern!(named.py(), "__globals__"))?;
        let callable = frozen(named)?;
        let function = trampoline::forwarder(&callable, named, target_kind, &globals)?;
        let checked = (target_code, code(&function)?);
        Ok(Self { function, checked })
    }

    /// Checks the kinds again if other code was assigned to either of the two since.
    fn check_kind(&self, target: &Function<'py>) -> Result<(), Error> {
        let (target_code, own_code) = (code(target)?, code(&self.function)?);
        if target_code.is(&self.checked.0) && own_code.is(&self.checked.1) {
            return Ok(());
        }
        Kind::of_function(target)?.check(target.as_any(), self.function.as_any())
    }
}

fn code<'py>(function: &Function<'py>) -> PyResult<Bound<'py, PyAny>> {
    function.code().ok_or_else(|| PySystemError::new_err("a function without code"))
}

/// Makes `target` do what `replacement` does, under every reference to it.
///
/// `target` is a function, written in Python or in C, or a bound method, classmethod, staticmethod or
/// property with one inside. `replacement` is any callable of the same kind. See the [crate] for what a patch is.
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
    layout::check(target.py())?;
    match Target::resolve(target)? {
        Target::Function(target) => {
            let source = Replacement::resolve(replacement, &target.function)?;
            install(&target.function, replacement, options, |base| {
                source.check_kind(&target.function)?;
                Ok(body_for(&source.function, base, &target)?)
            })
        }
        Target::Builtin(builtin) => lead_to(&builtin, replacement, options),
        Target::Method(method) => {
            check_callable(replacement, method.as_any())?;
            if let Some(kind) = Kind::of_compiled(method.as_any())? {
                kind.check(method.as_any(), replacement)?;
            }
            lead_to(&method, replacement, options)
        }
        Target::Wrapper(wrapper) => {
            check_callable(replacement, wrapper.as_any())?;
            let kind = match wrapper.function()? {
                Some(function) => Kind::of_callable(&function)?.unwrap_or(Kind::Plain),
                None => Kind::Plain,
            };
            kind.check(wrapper.as_any(), replacement)?;
            install(&wrapper, replacement, options, |_| {
                let replacement = &wrapper.unless_itself(replacement)?;
                let function = as_function(replacement, kind)?;
                Ok(wrapper.calling(&function, replacement)?)
            })
        }
    }
}

/// Leads the calls of something written in C to what `replacement` does now.
fn lead_to<'py>(
    site: &impl Site<'py, Stored = StoredCallable>,
    replacement: &Bound<'py, PyAny>,
    options: Options<'py>,
) -> Result<Bound<'py, Patch>, Error> {
    check_callable(replacement, site.as_any())?;
    install(site, replacement, options, |_| Ok(Some(frozen(replacement)?)))
}

/// What a call of `replacement` does now, in a form that does not change when that is patched.
fn frozen<'py>(replacement: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>, Error> {
    if let Some(function) = Function::new(replacement) {
        layout::check_entry(&function)?;
        let mut body = function.body()?;
        body.detach()?;
        return Ok(function.twin(body)?.as_any().clone());
    }
    Ok(match AnySite::new(replacement)? {
        Some(AnySite::Builtin(builtin)) => builtin.frozen()?,
        Some(AnySite::Method(method)) => method.frozen()?,
        Some(AnySite::Wrapper(wrapper)) => wrapper.frozen()?,
        _ => replacement.clone(),
    })
}

/// A Python function that does what a call of `replacement` does now. Being a function, it can go while it
/// runs: `functools` only borrows what it calls (`partial_vectorcall`, Modules/_functoolsmodule.c, 3.10).
fn as_function<'py>(replacement: &Bound<'py, PyAny>, kind: Kind) -> Result<Function<'py>, Error> {
    let callable = frozen(replacement)?;
    if let Some(function) = Function::new(&callable) {
        // What another patch has installed is not ours alone.
        let is_new = Function::new(replacement).is_some();
        return Ok(if is_new { function } else { function.twin(function.body()?)? });
    }
    let globals = callable.py().import("functools")?.dict();
    Ok(trampoline::forwarder(&callable, replacement, kind, globals.as_any())?)
}

fn check_callable(replacement: &Bound<'_, PyAny>, target: &Bound<'_, PyAny>) -> Result<(), Error> {
    if replacement.is_callable() {
        return Ok(());
    }
    Err(Error::argument(format!(
        "cannot replace {} by {}: it is not callable; pass a function or another callable",
        describe(target),
        describe(replacement)
    )))
}

/// Announces a patch of `site`, and installs what `make_body` makes of the unpatched body.
fn install<'py, S: Site<'py>>(
    site: &S,
    replacement: &Bound<'py, PyAny>,
    options: Options<'py>,
    make_body: impl Fn(&Body<'py, S>) -> Result<Body<'py, S>, Error>,
) -> Result<Bound<'py, Patch>, Error> {
    let object = site.as_any();
    let py = object.py();
    let by = author(py, options.by)?;
    audit::raise(c"hotpatch.apply", object, replacement, &by)?;
    let patch = Patch::new(site.reference()?, by)?;
    loop {
        let seen = site.seen();
        let known = site.with_stack(|stack| stack.is_installed(site).then(|| stack.base(py)));
        let is_patched = known.is_some();
        let base = match known {
            Some(base) => base.ok_or_else(|| changed_by_others(object))?,
            None => site.body()?,
        };
        let body = make_body(&base)?;
        let install = site.prepare(seen, body.clone(), true, S::cells_of(&base))?;
        install.announce()?;
        // From here on no Python code runs until everything is in place.
        if !install.is_current() {
            continue;
        }
        let known = if is_patched { install.take_stack() } else { None };
        let mut stack = known.unwrap_or_else(|| Box::new(Stack::new(base)));
        patch.get().set_sequence(NEXT_SEQUENCE.fetch_add(1, Ordering::Relaxed));
        stack.push(Layer {
            patch: patch.clone().unbind(),
            replacement: replacement.clone().unbind(),
            body: S::Stored::unbind(body),
            original: None,
            ticket: registry::enter(patch.clone().unbind()),
        });
        let replaced = install.commit(Some(stack));
        patch.get().set_active();
        drop(replaced);
        site.settle();
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
        None => Ok(intern!(py, "").clone()),
    }
}

/// What the replacement does now, in the form that the target can have it.
fn body_for<'py>(
    source: &Function<'py>,
    base: &function::Body<'py>,
    target: &FunctionTarget<'py>,
) -> PyResult<function::Body<'py>> {
    let mut body = source.body()?;
    body.detach()?;
    class_cell::bind(&mut body, base, target)?;
    Ok(body)
}
