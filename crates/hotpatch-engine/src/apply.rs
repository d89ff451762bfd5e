//! Applying a patch.

use pyo3::exceptions::PySystemError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::change::{Addition, Change, Edit, Source};
use crate::class_cell;
use crate::error::{Error, describe};
use crate::graft;
use crate::guard;
use crate::hook::{Hook, How, body_now};
use crate::kind::Kind;
use crate::lock;
use crate::names;
use crate::options::Options;
use crate::patch::{Listed, Patch, plain};
use crate::raw::body;
use crate::raw::builtin::StoredCallable;
use crate::raw::frame::{self, Caller};
use crate::raw::function::Function;
use crate::raw::{audit, layout};
use crate::scope::{Reach, Scope};
use crate::signature::Signature;
use crate::site::{AnySite, Site};
use crate::source::{self, Place};
use crate::target::{FunctionTarget, Target};
use crate::trampoline::{self, Calls};
use crate::transaction::{Groups, Item, Made, Transaction};
use crate::wrapper::Wrapper;

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
            check_replacement(named, target.as_any())?;
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
/// property with one inside, or a name such as `"package.module:Class.method"`. `replacement` is any
/// callable of the same kind, or source text, or a unified diff. See the [crate] for what a patch is.
///
/// # Errors
///
/// As a Python exception: `TypeError` for a target or a replacement that can never work, `ValueError`
/// for a text that is no name, [`PatchError`](crate::PatchError) if the interpreter or the state of the target does not allow
/// it, and whatever an audit hook raises. Nothing has changed then.
///
/// # Examples
///
/// ```
/// use hotpatch_engine::{Options, Patch, apply};
/// use pyo3::prelude::*;
///
/// Python::attach(|py| -> PyResult<()> {
///     let target = py.eval(c"lambda: 'old'", None, None)?;
///     let replacement = py.eval(c"lambda: 'new'", None, None)?;
///     let patch = apply(&replacement, &target, Options::new())?;
///     assert_eq!(target.call0()?.extract::<String>()?, "new");
///     Patch::undo(&patch)?;
///     assert_eq!(target.call0()?.extract::<String>()?, "old");
///     Ok(())
/// })
/// # .unwrap();
/// ```
#[expect(clippy::needless_pass_by_value, reason = "the options are written down in the call")]
pub fn apply<'py>(
    replacement: &Bound<'py, PyAny>,
    target: &Bound<'py, PyAny>,
    options: Options<'py>,
) -> Result<Bound<'py, Patch>, Error> {
    lock::check(target)?;
    layout::check(target.py())?;
    if let Ok(name) = target.cast::<PyString>() {
        return names::apply(replacement, name, &options);
    }
    check_expected(target, &options)?;
    place(replacement, target, &options, Goal::Apply(target))
}

/// Fails unless the target is what the patch was made for.
pub(crate) fn check_expected<'py>(
    target: &Bound<'py, PyAny>,
    options: &Options<'py>,
) -> Result<(), Error> {
    let Some(expect) = &options.expect else {
        return Ok(());
    };
    let Target::Function(target) = Target::resolve(target)? else {
        let why = "it is no Python function, and has no source text to expect";
        return Err(Error::refused(target, why, "leave out expect="));
    };
    guard::check(&target.function, expect)
}

/// What is to become of a patch.
pub(crate) enum Goal<'a, 'py> {
    /// It is applied now, or at the end of the block that runs. This is the target as it was named.
    Apply(&'a Bound<'py, PyAny>),
    /// This patch was announced in a block which ends now.
    AtTheEnd { patch: &'a Bound<'py, Patch>, groups: &'a mut Groups<'py> },
}

/// Makes a patch ready in the way of its target's kind.
pub(crate) fn place<'py>(
    replacement: &Bound<'py, PyAny>,
    target: &Bound<'py, PyAny>,
    options: &Options<'py>,
    goal: Goal<'_, 'py>,
) -> Result<Bound<'py, Patch>, Error> {
    let resolved = Target::resolve(target)?;
    let made = defined(replacement, &resolved, options.how)?;
    let replacement = &made;
    match resolved {
        Target::Function(target) => {
            if source::is_patch(replacement) {
                return put(&target.function, replacement, replacement, options, goal);
            }
            if options.how != How::Replace {
                return hook(&target.function, replacement, options, goal);
            }
            let source = Replacement::resolve(replacement, &target.function)?;
            let make_body = |base: &body::Body<'py>| {
                source.check_kind(&target.function)?;
                Ok(body_for(&source.function, base, &target)?)
            };
            if options.scope != Scope::Process {
                let base = target.function.with_stack(|stack| stack.base(replacement.py()));
                let base = base.map_or_else(|| target.function.body(), Ok)?;
                let function = source.function.twin(make_body(&base)?)?;
                return put(&target.function, replacement, function.as_any(), options, goal);
            }
            install(&target.function, replacement, Source::Replacement(&make_body), options, goal)
        }
        Target::Builtin(builtin) => lead_to(&builtin, replacement, options, goal),
        Target::Method(method) => {
            if let Some(kind) = Kind::of_compiled(method.as_any())?
                && options.how == How::Replace
            {
                check_replacement(replacement, method.as_any())?;
                kind.check(method.as_any(), replacement)?;
            }
            lead_to(&method, replacement, options, goal)
        }
        Target::Wrapper(wrapper) => {
            if source::is_patch(replacement) {
                return put(&wrapper, replacement, replacement, options, goal);
            }
            if options.how != How::Replace {
                return hook(&wrapper, replacement, options, goal);
            }
            check_replacement(replacement, wrapper.as_any())?;
            let kind = Kind::of_target(wrapper.as_any())?;
            kind.check(wrapper.as_any(), replacement)?;
            if options.scope != Scope::Process {
                let function = as_function(&unless_itself(replacement, &wrapper)?, kind)?;
                return put(&wrapper, replacement, function.as_any(), options, goal);
            }
            let make_body = |_: &_| {
                let replacement = &unless_itself(replacement, &wrapper)?;
                let function = as_function(replacement, kind)?;
                Ok(wrapper.led_to(&function, replacement)?)
            };
            install(&wrapper, replacement, Source::Replacement(&make_body), options, goal)
        }
    }
}

/// What a replacement is that is given as source text. A diff stays what it is.
fn defined<'py>(
    replacement: &Bound<'py, PyAny>,
    target: &Target<'py>,
    how: How,
) -> Result<Bound<'py, PyAny>, Error> {
    let Ok(text) = replacement.cast::<PyString>() else {
        return Ok(replacement.clone());
    };
    let is_hook = how != How::Replace;
    let (function, base) = match target {
        Target::Function(target) => {
            let base = target.function.with_stack(|stack| stack.base(text.py()));
            (target.function.clone(), base.map_or_else(|| target.function.body(), Ok)?)
        }
        Target::Wrapper(wrapper) => {
            let base = wrapper.with_stack(|stack| stack.base(text.py()));
            let base = base.map_or_else(|| wrapper.body(), Ok)?;
            wrapper.python(&base)?.ok_or_else(|| source::not_python(wrapper.as_any()))?
        }
        Target::Builtin(builtin) => return Err(source::not_python(builtin.as_any())),
        Target::Method(method) => return Err(source::not_python(method.as_any())),
    };
    if !source::is_patch(replacement) {
        return Place::of(function, base)?.define(text, is_hook);
    }
    if is_hook {
        return Err(Error::argument(format!(
            "a diff of {} cannot be a hook; leave out how=, or pass a function",
            describe(function.as_any())
        )));
    }
    Ok(replacement.clone())
}

/// Leads the calls of something written in C to what `replacement` does now.
fn lead_to<'py>(
    site: &impl Site<'py, Stored = StoredCallable>,
    replacement: &Bound<'py, PyAny>,
    options: &Options<'py>,
    goal: Goal<'_, 'py>,
) -> Result<Bound<'py, Patch>, Error> {
    if options.how != How::Replace {
        return hook(site, replacement, options, goal);
    }
    check_replacement(replacement, site.as_any())?;
    if options.scope != Scope::Process {
        return put(site, replacement, &frozen(replacement)?, options, goal);
    }
    let make_body = |_: &_| Ok(Some(frozen(replacement)?));
    install(site, replacement, Source::Replacement(&make_body), options, goal)
}

/// Puts a hook in its place.
fn hook<'py, S: Site<'py>>(
    site: &S,
    named: &Bound<'py, PyAny>,
    options: &Options<'py>,
    goal: Goal<'_, 'py>,
) -> Result<Bound<'py, Patch>, Error> {
    check_replacement(named, site.as_any())?;
    put(site, named, &frozen(named)?, options, goal)
}

/// Puts a patch in its place that calls what lies below it, at times at least.
fn put<'py, S: Site<'py>>(
    site: &S,
    named: &Bound<'py, PyAny>,
    callable: &Bound<'py, PyAny>,
    options: &Options<'py>,
    goal: Goal<'_, 'py>,
) -> Result<Bound<'py, Patch>, Error> {
    let reach = match &options.reach {
        Some(reach) => Some(reach.clone_ref(named.py())),
        None => Reach::here(named.py(), options.scope)?,
    };
    let hook = Hook::new(options.how, reach, callable);
    if let Goal::AtTheEnd { patch, groups } = goal {
        let (patch, replacement) = (patch.clone(), named.clone());
        groups.add(site, Item::Add { patch: patch.clone(), replacement, made: Made::Hook(hook) });
        return Ok(patch);
    }
    let outcome = install(site, named, Source::Hook(&hook), options, goal);
    let is_kept = |patch: &Patch| patch.is_active(named.py()) || patch.is_pending();
    if !matches!(&outcome, Ok(patch) if is_kept(patch.get())) {
        hook.leave(named.py());
    }
    outcome
}

/// What a call of `replacement` does now, in a form that does not change when that is patched.
pub(crate) fn frozen<'py>(replacement: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>, Error> {
    if let Some(function) = Function::new(replacement) {
        layout::check_entry(&function)?;
        let mut body = body_now(&function)?;
        freeze_original(&mut body)?;
        body.detach()?;
        return Ok(function.twin(body)?.as_any().clone());
    }
    Ok(match AnySite::new(replacement)? {
        Some(AnySite::Builtin(builtin)) => match body_now(&builtin)? {
            Some(callable) => callable,
            None => builtin.unpatched()?.as_any().clone(),
        },
        Some(AnySite::Method(method)) => match body_now(&method)? {
            Some(callable) => callable,
            None => method.frozen()?,
        },
        Some(AnySite::Wrapper(wrapper)) => wrapper.frozen(body_now(&wrapper)?)?,
        _ => replacement.clone(),
    })
}

/// Makes the body of a hook call what its original does now: that of an original which lies further out
/// has the body of a hook too.
fn freeze_original(body: &mut body::Body<'_>) -> Result<(), Error> {
    if let Some(graft) = graft::take_off(body)? {
        freeze_original(body)?;
        if let Some(replacement) = graft.replacement
            && let Some(parameters) = Signature::of_body(body)?.map(|it| it.parameters)
            && let Some(frozen) = Function::new(&frozen(replacement.as_any())?)
        {
            graft::add(body, &parameters, &graft.place, &frozen)?;
        }
        return Ok(());
    }
    if let (Calls::Original(index, original), Some(cells)) =
        (trampoline::calls(body)?, body.closure())
    {
        let py = original.py();
        let cell = py.import("types")?.getattr("CellType")?.call1((frozen(&original)?,))?;
        let mut cells: Vec<_> = cells.iter().collect();
        cells[index] = cell;
        body.set_closure(PyTuple::new(py, cells)?);
    }
    Ok(())
}

/// A Python function that does what a call of `replacement` does now. Being a function, it can go while it
/// runs: `functools` only borrows what it calls (`partial_vectorcall`, Modules/_functoolsmodule.c, 3.10).
pub(crate) fn as_function<'py>(
    replacement: &Bound<'py, PyAny>,
    kind: Kind,
) -> Result<Function<'py>, Error> {
    let callable = frozen(replacement)?;
    if let Some(function) = Function::new(&callable) {
        // What another patch has installed is not ours alone.
        let is_new = Function::new(replacement).is_some();
        return Ok(if is_new { function } else { function.twin(function.body()?)? });
    }
    let globals = callable.py().import("functools")?.dict();
    Ok(trampoline::forwarder(&callable, replacement, kind, globals.as_any())?)
}

/// A replacement, or what does the same if it is the wrapper itself, which is going to change.
fn unless_itself<'py>(
    replacement: &Bound<'py, PyAny>,
    wrapper: &Wrapper<'py>,
) -> Result<Bound<'py, PyAny>, Error> {
    if replacement.is(wrapper.as_any()) {
        return Ok(wrapper.twin(body_now(wrapper)?)?.as_any().clone());
    }
    Ok(replacement.clone())
}

/// Fails if `replacement` can never do what a function does.
pub(crate) fn check_replacement(
    replacement: &Bound<'_, PyAny>,
    target: &Bound<'_, PyAny>,
) -> Result<(), Error> {
    if replacement.is_callable() {
        return Ok(());
    }
    if let Ok(text) = replacement.cast::<PyString>() {
        return source::check(text);
    }
    Err(Error::argument(format!(
        "cannot replace {} by {}: it is not callable; pass a function or another callable",
        describe(target),
        describe(replacement)
    )))
}

/// Announces a patch of `site`, and puts it in its place.
fn install<'py, S: Site<'py>>(
    site: &S,
    replacement: &Bound<'py, PyAny>,
    source: Source<'_, 'py, S>,
    options: &Options<'py>,
    goal: Goal<'_, 'py>,
) -> Result<Bound<'py, Patch>, Error> {
    let object = site.as_any();
    let py = object.py();
    let named = match goal {
        Goal::Apply(named) => named,
        Goal::AtTheEnd { patch, groups } => {
            if let Source::Replacement(make_body) = source {
                let base =
                    site.with_stack(|stack| stack.base(py)).map_or_else(|| site.body(), Ok)?;
                let (replacement, made) = (replacement.clone(), Made::Body(make_body(&base)?));
                groups.add(site, Item::Add { patch: patch.clone(), replacement, made });
            }
            return Ok(patch.clone());
        }
    };
    let (by, place) = author(py, options)?;
    audit::raise(c"hotpatch.apply", object, replacement, &by)?;
    let listed = if options.is_hidden { Listed::Not } else { Listed::Itself };
    let patch = Patch::new(site.reference()?, options, (by, place), listed)?;
    let edits = [Edit::Add(Addition { patch: &patch, replacement, source })];
    let transaction = Transaction::current(py)?.filter(|_| !options.is_hidden);
    // In a block, a diff may need another that is to be applied before.
    let is_for_later = transaction.is_some() && source::is_patch(replacement);
    loop {
        let mut change = Change::new(site.clone());
        if !is_for_later {
            change.prepare(&edits)?;
        }
        if let Some(transaction) = &transaction {
            let reach = match &edits {
                [Edit::Add(Addition { source: Source::Hook(hook), .. })] => hook.reach(),
                _ => None,
            };
            let reach = reach.map(|reach| reach.clone_ref(py));
            transaction.get().apply(&patch, named, replacement, reach);
            return Ok(patch);
        }
        change.announce()?;
        // From here on no Python code runs until everything is in place.
        if change.is_current() {
            change.commit();
            change.settle();
            return Ok(patch);
        }
    }
}

/// Who patches, whom the caller names or else the calling module, and where.
pub(crate) fn author<'py>(
    py: Python<'py>,
    options: &Options<'py>,
) -> PyResult<(Bound<'py, PyString>, Option<frame::Place>)> {
    let caller = Caller::find(py);
    let place = caller.as_ref().map(Caller::place);
    let module = || caller?.module?.cast_into().ok();
    let by = match options.by.clone().or_else(module) {
        Some(by) => plain(&by)?,
        None => intern!(py, "").clone(),
    };
    Ok((by, place))
}

/// What the replacement does now, in the form that the target can have it.
fn body_for<'py>(
    source: &Function<'py>,
    base: &body::Body<'py>,
    target: &FunctionTarget<'py>,
) -> PyResult<body::Body<'py>> {
    let mut body = body_now(source)?;
    freeze_original(&mut body)?;
    body.detach()?;
    class_cell::bind(&mut body, base, target)?;
    Ok(body)
}
