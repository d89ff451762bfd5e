//! Targets that are given by name, whose module need not be imported yet.
//!
//! Such a patch waits until the body of its module has run, and changes what has the name then. Each
//! time that the module is imported again, or reloaded, there is another function of that name, and it
//! changes that too. So it has *parts*: a patch for each of these functions.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyString, PyWeakrefReference};

use crate::apply::{author, check_expected, check_replacement};
use crate::error::{Error, PatchError, describe};
use crate::imports;
use crate::options::Options;
use crate::patch::{Listed, Patch, Reference, weakly};
use crate::raw::audit;
use crate::raw::frame::Place;
use crate::scope::Reach;
use crate::site::{Site, with_site};
use crate::target::Target;
use crate::transaction::{Pending, Transaction, carry_out, withdraw};

/// The patches that are in force for a name, in the order in which they were made.
static NAMED: Mutex<Vec<Py<Patch>>> = Mutex::new(Vec::new());

// Nothing runs Python code while it holds the lock.
fn named() -> MutexGuard<'static, Vec<Py<Patch>>> {
    NAMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of a target, and what is to be done to all that have it.
pub(crate) struct Name {
    text: String,
    module: String,
    path: String,
    /// Until it is undone.
    wanted: Mutex<Option<Wanted>>,
    parts: Mutex<Vec<Py<Patch>>>,
}

/// What each part is made with.
struct Wanted {
    replacement: Py<PyAny>,
    expect: Option<Py<PyString>>,
    reach: Option<Reach>,
}

impl Name {
    fn new(name: &Bound<'_, PyString>) -> PyResult<Self> {
        let text = name.to_string();
        let is_path = |path: &str| -> PyResult<bool> {
            for part in path.split('.') {
                if !PyString::new(name.py(), part).call_method0("isidentifier")?.is_truthy()? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let (module, path) = text.split_once(':').unwrap_or_default();
        if !is_path(module)? || !is_path(path)? {
            let example = match text.rsplit_once('.') {
                Some((module, name)) if !text.contains(':') => format!("{module}:{name}"),
                _ => "package.module:Class.method".to_owned(),
            };
            return Err(PyValueError::new_err(format!(
                "{} names no target; write the module, a colon, and the name in it, such as '{example}'",
                describe(name)
            )));
        }
        Ok(Self {
            module: module.to_owned(),
            path: path.to_owned(),
            text,
            wanted: Mutex::new(None),
            parts: Mutex::new(Vec::new()),
        })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    // Nothing runs Python code while it holds the lock.
    fn wanted(&self) -> MutexGuard<'_, Option<Wanted>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the patch was made with, until it is undone.
    pub(crate) fn replacement<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.wanted().as_ref().map(|wanted| wanted.replacement.bind(py).clone())
    }

    /// The patches of the functions that had the name, from the oldest to the newest.
    pub(crate) fn parts<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, Patch>> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().map(|part| part.bind(py).clone()).collect()
    }

    /// The patch of the function that has the name now.
    pub(crate) fn latest<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Patch>> {
        self.parts(py).pop()
    }

    /// What has the name, if its module is imported. The body of the module `ran` has just run.
    fn object<'py>(
        &self,
        py: Python<'py>,
        ran: Option<&str>,
    ) -> Result<Option<Bound<'py, PyAny>>, Error> {
        let Some(module) = imports::find(py, &self.module, ran == Some(&self.module))? else {
            return Ok(None);
        };
        let (mut object, mut walked) = (module, self.module.clone());
        for (index, attribute) in self.path.split('.').enumerate() {
            // Other ways to look it up might import something.
            let found = match object.cast::<PyModule>() {
                Ok(module) => module.dict().get_item(attribute)?,
                Err(_) => object.getattr_opt(attribute)?,
            };
            object = found.ok_or_else(|| {
                Error::patch(format!(
                    "'{}' names nothing: {walked} has no '{attribute}' once its body has run; name what \
                     is defined in the module itself",
                    self.text
                ))
            })?;
            walked.push(if index == 0 { ':' } else { '.' });
            walked.push_str(attribute);
            if imports::is_lazy_import(&object)? {
                return Err(Error::patch(format!(
                    "'{}' cannot be patched: {walked} is a lazy import; name what is in the module \
                     that it comes from",
                    self.text
                )));
            }
        }
        Ok(Some(object))
    }
}

/// What has a name now, if its module is imported.
pub(crate) fn object<'py>(name: &Bound<'py, PyString>) -> Result<Option<Bound<'py, PyAny>>, Error> {
    Name::new(name)?.object(name.py(), None)
}

/// The patches that are in force for a name.
pub(crate) fn in_force<'py>(name: &Bound<'py, PyString>) -> PyResult<Vec<Bound<'py, Patch>>> {
    let (py, text) = (name.py(), name.to_str()?);
    let patches = registered(py).into_iter();
    Ok(patches.filter(|it| it.get().name().is_some_and(|name| name.text == text)).collect())
}

/// All patches that are in force for names.
pub(crate) fn registered(py: Python<'_>) -> Vec<Bound<'_, Patch>> {
    named().iter().map(|patch| patch.bind(py).clone()).collect()
}

fn is_registered(patch: &Bound<'_, Patch>) -> bool {
    named().iter().any(|other| other.is(patch))
}

/// Whether a patch is to be applied, unlike one that was undone or that a block dropped.
pub(crate) fn is_in_force(patch: &Bound<'_, Patch>) -> bool {
    patch.get().name().is_some_and(|name| name.wanted().is_some())
        && (patch.get().is_pending() || is_registered(patch))
}

/// Patches what has a name: now, if its module is imported, and each time that it is.
pub(crate) fn apply<'py>(
    replacement: &Bound<'py, PyAny>,
    target: &Bound<'py, PyString>,
    options: &Options<'py>,
) -> Result<Bound<'py, Patch>, Error> {
    let py = target.py();
    check_replacement(replacement, target)?;
    let name = Name::new(target)?;
    let is_there = name.object(py, None)?.is_some();
    let (by, place) = author(py, options)?;
    if !is_there {
        audit::raise(c"hotpatch.apply", target, replacement, &by)?;
    }
    *name.wanted() = Some(Wanted {
        replacement: replacement.clone().unbind(),
        expect: options.expect.clone().map(Bound::unbind),
        reach: Reach::here(py, options.scope)?,
    });
    let patch = Patch::new(Reference::Name(Box::new(name)), options, (by, place), Listed::Itself)?;
    if let Some(transaction) = Transaction::current(py)? {
        transaction.get().apply(&patch, target, replacement, None);
        return Ok(patch);
    }
    patch.get().set_pending(true);
    let pending = [to_apply(patch.clone(), target, replacement)];
    carry_out(py, &pending, None).inspect_err(|_| give_up(&patch))?;
    Ok(patch)
}

/// Where such a patch is in force was found out when it was made.
fn to_apply(
    patch: Bound<'_, Patch>,
    target: &Bound<'_, PyString>,
    replacement: &Bound<'_, PyAny>,
) -> Pending {
    Pending::Apply {
        patch: patch.unbind(),
        target: target.clone().into_any().unbind(),
        replacement: replacement.clone().unbind(),
        reach: None,
    }
}

/// The body of a module has run: patches what has the names that patches ask for.
pub(crate) fn ran(py: Python<'_>, module: &str) -> Result<(), Error> {
    let mut pending = Vec::new();
    for patch in registered(py) {
        let name = patch.get().name().filter(|name| name.module == module);
        if let Some(name) = name
            && let Some(replacement) = name.replacement(py)
        {
            let target = PyString::new(py, &name.text);
            pending.push(to_apply(patch.clone(), &target, &replacement));
        }
    }
    if pending.is_empty() { Ok(()) } else { carry_out(py, &pending, Some(module)) }
}

/// A patch of a function that has the name that `patch` asks for.
pub(crate) struct Part<'py> {
    pub(crate) patch: Bound<'py, Patch>,
    pub(crate) target: Bound<'py, PyAny>,
    pub(crate) options: Options<'py>,
}

/// Makes the part that `patch` lacks, if its module is imported. The body of the module `ran` has just run.
pub(crate) fn part<'py>(
    patch: &Bound<'py, Patch>,
    ran: Option<&str>,
) -> Result<Option<Part<'py>>, Error> {
    let py = patch.py();
    let Some(name) = patch.get().name() else {
        return Ok(None);
    };
    let Some(target) = name.object(py, ran)? else {
        return Ok(None);
    };
    let site = Target::resolve(&target)?.into_site();
    let object = with_site!(&site, site => site.as_any().clone());
    if name.parts(py).iter().any(|part| part.get().is_of(&object) && part.get().is_active(py)) {
        return Ok(None);
    }
    let mut options = patch.get().options();
    let replacement = {
        let wanted = name.wanted();
        let Some(wanted) = wanted.as_ref() else {
            return Ok(None);
        };
        options.expect = wanted.expect.as_ref().map(|expect| expect.bind(py).clone());
        options.reach = wanted.reach.as_ref().map(|reach| reach.borrowed(py));
        wanted.replacement.bind(py).clone()
    };
    check_expected(&target, &options)?;
    let by = patch.get().author(py);
    audit::raise(c"hotpatch.apply", &object, &replacement, by)?;
    let listed = Listed::As(PyWeakrefReference::new(patch)?.unbind());
    let reference = with_site!(&site, site => site.reference()?);
    let part = Patch::new(reference, &options, (by.clone(), Place::current(py)), listed)?;
    Ok(Some(Part { patch: part, target, options }))
}

/// Says which patch an error is about, if that was asked for long before.
pub(crate) fn blame(patch: &Bound<'_, Patch>, error: Error) -> Error {
    let py = patch.py();
    let patch = Patch::handle(patch.clone()).filter(is_registered);
    let Some(patch) = patch else {
        return error;
    };
    let error = PyErr::from(error);
    if !error.is_instance_of::<PyException>(py) {
        return error.into();
    }
    let described = match patch.repr() {
        Ok(text) => text.to_string(),
        Err(error) => return error.into(),
    };
    let message = format!("{described} cannot be applied: {}", error.value(py));
    let outcome = PatchError::new_err(message);
    outcome.set_cause(py, Some(error));
    outcome.into()
}

/// The patch is in force from now on, and has these parts besides those that it had. Runs no Python code.
///
/// What is returned is to be dropped where Python code may run.
pub(crate) fn register<'py>(
    patch: &Bound<'py, Patch>,
    part: Option<Bound<'py, Patch>>,
) -> Vec<Bound<'py, Patch>> {
    let (py, handle) = (patch.py(), patch.get());
    let mut gone = Vec::new();
    if let (Some(name), Some(part)) = (handle.name(), part) {
        let mut parts = name.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, dropped): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *parts).into_iter().partition(|part| part.get().is_active(py));
        *parts = kept;
        parts.push(part.unbind());
        gone.extend(dropped.into_iter().map(|part| part.into_bound(py)));
        handle.set_pending(false);
    }
    if !is_registered(patch) {
        named().push(patch.clone().unbind());
        handle.number();
    }
    handle.set_active(!handle.is_pending());
    gone
}

/// A patch of the module that has been imported since it was looked at.
pub(crate) fn catch_up(patch: &Bound<'_, Patch>) -> Result<(), Error> {
    let py = patch.py();
    match patch.get().name() {
        Some(name)
            if patch.get().is_pending() && imports::find(py, &name.module, false)?.is_some() =>
        {
            ran(py, &name.module).inspect_err(|_| give_up(patch))
        }
        _ => Ok(()),
    }
}

/// The block in which it was made is over.
pub(crate) fn forget(patch: &Bound<'_, Patch>) {
    if !is_registered(patch) {
        give_up(patch);
    }
}

/// The patch is not in force any more. This can run Python code.
pub(crate) fn give_up(patch: &Bound<'_, Patch>) {
    let (py, handle) = (patch.py(), patch.get());
    let Some(name) = handle.name() else {
        return;
    };
    handle.set_pending(false);
    handle.set_active(false);
    let removed = {
        let mut named = named();
        let place = named.iter().position(|other| other.is(patch));
        place.map(|place| named.remove(place))
    };
    let wanted = name.wanted().take();
    if let Some(wanted) = &wanted {
        wanted.reach.iter().for_each(|reach| reach.leave(py));
        drop(handle.remember(weakly(wanted.replacement.bind(py))));
    }
    let parts = std::mem::take(&mut *name.parts.lock().unwrap_or_else(PoisonError::into_inner));
    drop((removed, wanted, parts));
    imports::rest(py);
}

/// Whether a patch is in force for a name in that module.
pub(crate) fn is_waited_for(module: &str) -> bool {
    let is_in = |patch: &Py<Patch>| patch.get().name().is_some_and(|name| name.module == module);
    named().iter().any(is_in)
}

/// Whether no patch is in force for any name.
pub(crate) fn is_idle() -> bool {
    named().is_empty()
}

/// Takes a patch back that has a name for a target.
pub(crate) fn undo(patch: &Bound<'_, Patch>, name: &Name) -> Result<(), Error> {
    let py = patch.py();
    if !is_registered(patch) {
        return Ok(withdraw(patch)?); // in a block that still runs, or it is undone already
    }
    let transaction = Transaction::current(py)?;
    if transaction.as_ref().is_some_and(|it| Transaction::undoes(it, patch)) {
        return Ok(());
    }
    if let Some(replacement) = name.replacement(py) {
        for part in name.parts(py) {
            if let Some(target) = part.get().target(py).filter(|_| part.get().is_active(py)) {
                audit::raise(c"hotpatch.undo", &target, &replacement, patch.get().author(py))?;
            }
        }
    }
    match transaction {
        Some(transaction) => transaction.get().undo(patch),
        None => carry_out(py, &[Pending::Undo(patch.clone().unbind())], None)?,
    }
    Ok(())
}
