//! The handle of a patch, and undoing it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyString, PyWeakrefMethods, PyWeakrefReference};

use crate::change::{Change, Edit, next_sequence};
use crate::error::{Error, describe};
use crate::hook::How;
use crate::names::{self, Name};
use crate::options::Options;
use crate::raw::audit;
use crate::raw::frame::Place;
use crate::scope::Scope;
use crate::site::{AnySite, Site, with_site};
use crate::stack::{Stack, changed_by_others};
use crate::transaction::{self, Transaction};

/// How a patch refers to its target.
pub(crate) enum Reference {
    Weak(Py<PyWeakrefReference>),
    Strong(Py<PyAny>),
    /// What has this name now, and each time that its module is imported.
    Name(Box<Name>),
}

impl Reference {
    fn upgrade<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self {
            Self::Weak(reference) => reference.bind(py).upgrade(),
            Self::Strong(object) => Some(object.bind(py).clone()),
            Self::Name(name) => name.latest(py)?.get().target(py),
        }
    }
}

/// As what a patch is listed.
pub(crate) enum Listed {
    Itself,
    /// As the one that this refers to, which has a name for its target.
    As(Py<PyWeakrefReference>),
    /// It is one of hotpatch's own.
    Not,
}

/// Where a patch lies among those of its target: by its order, and then by its age.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    order: i64,
    sequence: u64,
}

impl Rank {
    /// That of no patch.
    pub(crate) const LOWEST: Self = Self { order: i64::MIN, sequence: 0 };
}

/// One change of one function, and the handle to take it back.
///
/// Made by `hotpatch`. As a context manager it is undone on exit, exception or not. Dropping the
/// handle leaves the patch applied. The handle keeps neither the target nor the replacement alive;
/// only of a method of a C type, or of a function of Cython, it keeps the target.
#[pyclass(frozen, generic, weakref, module = "hotpatch")]
pub struct Patch {
    /// Patches are numbered in the order in which they are made. Set when the patch is in place:
    /// while it is being made, Python code can run and make others.
    sequence: AtomicU64,
    order: i64,
    how: How,
    scope: Scope,
    target: Reference,
    by: Py<PyString>,
    place: Option<Place>,
    listed: Listed,
    active: AtomicBool,
    /// Whether it waits to be applied.
    pending: AtomicBool,
    /// Once it is undone, a weak reference to the replacement.
    undone: Mutex<Option<Py<PyWeakrefReference>>>,
}

/// The text as an instance of `str` itself: one of a subclass could keep anything alive.
pub(crate) fn plain<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
    if text.is_exact_instance_of::<PyString>() {
        return Ok(text.clone());
    }
    let class = text.py().get_type::<PyString>();
    Ok(class.call_method1("__str__", (text,))?.cast_into()?)
}

/// A weak reference, if the object can have one.
pub(crate) fn weakly(object: &Bound<'_, PyAny>) -> Option<Py<PyWeakrefReference>> {
    PyWeakrefReference::new(object).ok().map(Bound::unbind)
}

impl Patch {
    /// Makes the handle of a patch that is not in place yet.
    pub(crate) fn new<'py>(
        target: Reference,
        options: &Options<'py>,
        (by, place): (Bound<'py, PyString>, Option<Place>),
        listed: Listed,
    ) -> PyResult<Bound<'py, Self>> {
        let py = by.py();
        let patch = Self {
            sequence: AtomicU64::new(u64::MAX),
            order: options.order,
            how: options.how,
            scope: options.scope,
            target,
            by: by.unbind(),
            place,
            listed,
            active: AtomicBool::new(false),
            pending: AtomicBool::new(false),
            undone: Mutex::new(None),
        };
        Bound::new(py, patch)
    }

    pub(crate) fn is_of(&self, object: &Bound<'_, PyAny>) -> bool {
        self.target(object.py()).is_some_and(|target| target.is(object))
    }

    /// The name of its target, if it was made with that.
    pub(crate) fn name(&self) -> Option<&Name> {
        match &self.target {
            Reference::Name(name) => Some(name),
            Reference::Weak(_) | Reference::Strong(_) => None,
        }
    }

    pub(crate) fn author<'py>(&self, py: Python<'py>) -> &Bound<'py, PyString> {
        self.by.bind(py)
    }

    /// Whether it has a place of its own in the list of all.
    pub(crate) fn is_listed(&self) -> bool {
        matches!(self.listed, Listed::Itself)
    }

    /// The one as which it is listed.
    pub(crate) fn handle(this: Bound<'_, Self>) -> Option<Bound<'_, Self>> {
        match &this.get().listed {
            Listed::Itself => Some(this),
            Listed::As(handle) => handle.bind(this.py()).upgrade()?.cast_into().ok(),
            Listed::Not => None,
        }
    }

    /// Those that change a function each: itself, or those that were made for its name.
    pub(crate) fn parts<'py>(this: &Bound<'py, Self>) -> Vec<Bound<'py, Self>> {
        match this.get().name() {
            Some(name) => name.parts(this.py()),
            None => vec![this.clone()],
        }
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Relaxed)
    }

    pub(crate) fn rank(&self) -> Rank {
        Rank { order: self.order, sequence: self.sequence() }
    }

    /// It is in place, or is waited for: gives it the next number, if it has none.
    pub(crate) fn number(&self) {
        if self.sequence() == u64::MAX {
            self.sequence.store(next_sequence(), Ordering::Relaxed);
        }
    }

    pub(crate) fn set_active(&self, active: bool) {
        self.active.store(active, Ordering::Relaxed);
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    pub(crate) fn set_pending(&self, pending: bool) {
        self.pending.store(pending, Ordering::Relaxed);
    }

    /// What it was made with, apart from its target and its replacement.
    pub(crate) fn options<'py>(&self) -> Options<'py> {
        Options::new().how(self.how).scope(self.scope).order(self.order)
    }

    /// Whether it is applied. The stack of a target can outlive it: somebody may hold `__closure__`.
    pub(crate) fn is_active(&self, py: Python<'_>) -> bool {
        let is_active = self.active.load(Ordering::Relaxed);
        is_active && (self.name().is_some() || self.target(py).is_some())
    }

    pub(crate) fn site<'py>(&self, py: Python<'py>) -> PyResult<Option<AnySite<'py>>> {
        self.target.upgrade(py).map_or(Ok(None), |target| AnySite::new(&target))
    }

    /// Has it undone at the end of a block.
    fn undo_later<'py>(
        &self,
        site: &impl Site<'py>,
        transaction: &Bound<'py, Transaction>,
        this: &Bound<'py, Self>,
    ) -> Result<(), Error> {
        if !self.active.load(Ordering::Relaxed) || Transaction::undoes(transaction, this) {
            return Ok(());
        }
        // What lies above can need it now, and not at the end of the block.
        let py = this.py();
        let found = site.with_stack(|stack| {
            stack.replacement(py, self.rank()).filter(|_| stack.is_installed(site))
        });
        let replacement = found.flatten().ok_or_else(|| changed_by_others(site.as_any()))?;
        audit::raise(c"hotpatch.undo", site.as_any(), &replacement, self.by.bind(py))?;
        transaction.get().undo(this);
        Ok(())
    }

    fn undo_at<'py>(&self, site: &impl Site<'py>) -> Result<(), Error> {
        let py = site.as_any().py();
        let mut is_announced = false;
        while self.active.load(Ordering::Relaxed) {
            let mut change = Change::new(site.clone());
            change.prepare(&[Edit::Remove(self.rank())])?;
            let Some(replacement) = change.replacement().cloned() else {
                return Err(changed_by_others(site.as_any()));
            };
            if !is_announced {
                let by = self.by.bind(py);
                audit::raise(c"hotpatch.undo", site.as_any(), &replacement, by)?;
                is_announced = true;
            }
            let weak = weakly(&replacement);
            change.announce()?;
            // From here on no Python code runs until everything is in place.
            if !change.is_current() {
                continue;
            }
            change.commit();
            let forgotten = self.remember(weak);
            change.settle();
            drop(forgotten);
            return Ok(());
        }
        Ok(())
    }

    /// A reference to the replacement of a patch that is going to be undone.
    pub(crate) fn weak_replacement(
        &self,
        py: Python<'_>,
    ) -> PyResult<Option<Py<PyWeakrefReference>>> {
        Ok(self.replacement(py)?.as_ref().and_then(weakly))
    }

    /// Keeps a reference to the replacement of a patch that was undone. Returns another to be dropped.
    pub(crate) fn remember(
        &self,
        weak: Option<Py<PyWeakrefReference>>,
    ) -> Option<Py<PyWeakrefReference>> {
        let mut undone = self.undone.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *undone, weak)
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
    /// The function that changed, or None if it is gone or not imported yet.
    #[getter]
    pub(crate) fn target<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.target.upgrade(py)
    }

    /// What the patch was made with, or None if it is gone.
    ///
    /// An undone patch does not keep it alive.
    #[getter]
    fn replacement<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Some(name) = self.name() {
            return Ok(name.replacement(py).or_else(|| self.remembered(py)));
        }
        let found = self.site(py)?.and_then(|site| {
            with_site!(site, site => site.with_stack(|stack| stack.replacement(py, self.rank())))
        });
        Ok(found.flatten().or_else(|| self.remembered(py)))
    }

    /// Whether the patch is applied: not undone, and its target not gone.
    #[getter]
    fn active(&self, py: Python<'_>) -> bool {
        self.is_active(py)
    }

    /// Whether the patch waits: for the end of a block, or for the import of what it names.
    #[getter]
    fn pending(&self) -> bool {
        self.is_pending()
    }

    /// Who made the patch; by default the name of the module that did.
    #[getter]
    fn by<'py>(&self, py: Python<'py>) -> &Bound<'py, PyString> {
        self.by.bind(py)
    }

    /// What the patch does with a call of its target.
    #[getter]
    fn how(&self) -> &'static str {
        self.how.name()
    }

    /// Which calls of its target the patch is for.
    #[getter]
    fn scope(&self) -> &'static str {
        self.scope.name()
    }

    /// Patches of a higher order lie further out, and of those of one order the later ones.
    #[getter]
    fn order(&self) -> i64 {
        self.order
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
        if let Some(name) = self.name() {
            let latest = name.latest(py).filter(|part| part.get().is_active(py));
            let latest = latest.ok_or_else(|| {
                let text = name.text();
                Error::patch(format!("'{text}' is not imported, or this patch of it is undone"))
            })?;
            return latest.get().original(py);
        }
        let Some(site) = self.site(py)? else {
            return Err(Error::patch(
                "the target of this patch is gone, and its original with it".into(),
            ));
        };
        with_site!(site, site => {
            if self.is_active(py) && site.with_stack(|_| ()).is_none() {
                return Err(changed_by_others(site.as_any()));
            }
            let original = Stack::original(&site, self.rank())?;
            Ok(original.unwrap_or_else(|| site.as_any().clone()))
        })
    }

    /// Take the patch back, in any order with other patches of the target.
    ///
    /// Does nothing if it is undone already, or if the target is gone.
    ///
    /// # Errors
    ///
    /// `PatchError` if somebody else has changed the target since, and whatever an audit hook
    /// raises. Nothing has changed then.
    pub fn undo(this: &Bound<'_, Self>) -> Result<(), Error> {
        let (py, patch) = (this.py(), this.get());
        if let Some(name) = patch.name() {
            return names::undo(this, name);
        }
        if patch.is_pending() {
            return Ok(transaction::withdraw(this)?);
        }
        let Some(site) = patch.site(py)? else {
            return Ok(());
        };
        let is_own = matches!(patch.listed, Listed::Not);
        match Transaction::current(py)?.filter(|_| !is_own) {
            Some(transaction) => {
                with_site!(site, site => patch.undo_later(&site, &transaction, this))
            }
            None => with_site!(site, site => patch.undo_at(&site)),
        }
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    #[pyo3(signature = (exception_type, exception, traceback, /))]
    fn __exit__(
        this: &Bound<'_, Self>,
        exception_type: &Bound<'_, PyAny>,
        exception: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> Result<(), Error> {
        let _ = (exception_type, exception, traceback); // they go on unchanged
        Self::undo(this)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let target = match (self.name(), self.target(py)) {
            (Some(name), _) => name.text().to_owned(),
            (None, Some(target)) => match (
                target.getattr_opt("__module__")?.filter(|module| !module.is_none()),
                target.getattr_opt("__qualname__")?,
            ) {
                (Some(module), Some(name)) => format!("{module}.{name}"),
                (None, Some(name)) => name.to_string(),
                (_, None) => describe(&target),
            },
            (None, None) => "a function that is gone".into(),
        };
        let state = match (self.is_active(py), self.is_pending()) {
            (true, _) => "active",
            (false, true) => "pending",
            (false, false) => "undone",
        };
        Ok(format!("<Patch of {target} by {} at {}, {state}>", self.by.bind(py), self.place(py)?))
    }
}
