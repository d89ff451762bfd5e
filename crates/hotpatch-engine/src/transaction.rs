//! Several patches and undos that become visible together, or not at all.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::apply::{Goal, place};
use crate::change::{Addition, Change, Edit, Source};
use crate::error::Error;
use crate::hook::Hook;
use crate::imports;
use crate::names::{self, Part};
use crate::patch::{Patch, Rank};
use crate::raw::builtin::Builtin;
use crate::raw::function::Function;
use crate::raw::method::Method;
use crate::scope::Reach;
use crate::site::{Body, Site, with_site};
use crate::wrapper::Wrapper;

/// How many blocks are open. While there is none, nobody need look for one.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// What is to be done at the end of a block.
pub(crate) enum Pending {
    Apply {
        patch: Py<Patch>,
        target: Py<PyAny>,
        replacement: Py<PyAny>,
        reach: Option<Reach>,
    },
    Undo(Py<Patch>),
    /// Nothing: this patch was waiting, and does not any more.
    Withdraw(Py<Patch>),
}

/// What has been asked for in a block.
#[pyclass(frozen, module = "hotpatch._native")]
#[derive(Default)]
pub(crate) struct Transaction {
    pending: Mutex<Vec<Pending>>,
    /// The block is over. Tasks that were begun in it go on with its context.
    is_over: AtomicBool,
    /// That of the block in which this one is, if any: tasks in that can have blocks too.
    parent: Option<Py<Self>>,
}

impl Transaction {
    /// The one of the innermost block that runs now, in this context.
    pub(crate) fn current(py: Python<'_>) -> PyResult<Option<Bound<'_, Self>>> {
        if OPEN.load(Ordering::Relaxed) == 0 {
            return Ok(None);
        }
        let found = variable(py)?.call_method1(intern!(py, "get"), (py.None(),))?;
        let found: Option<Bound<'_, Self>> = found.cast_into().ok();
        Ok(found.and_then(|it| Self::innermost(&it)))
    }

    /// This one and those of the blocks around it.
    fn chain<'py>(this: &Bound<'py, Self>) -> impl Iterator<Item = Bound<'py, Self>> {
        let py = this.py();
        std::iter::successors(Some(this.clone()), move |it| {
            it.get().parent.as_ref().map(|parent| parent.bind(py).clone())
        })
    }

    /// The first of these whose block is not over.
    fn innermost<'py>(this: &Bound<'py, Self>) -> Option<Bound<'py, Self>> {
        Self::chain(this).find(|it| !it.get().is_over.load(Ordering::Relaxed))
    }

    // Nothing runs Python code while it holds the lock.
    fn pending(&self) -> MutexGuard<'_, Vec<Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, is_it: impl FnMut(&Pending) -> bool) -> bool {
        self.pending().iter().any(is_it)
    }

    pub(crate) fn apply(
        &self,
        patch: &Bound<'_, Patch>,
        target: &Bound<'_, PyAny>,
        replacement: &Bound<'_, PyAny>,
        reach: Option<Reach>,
    ) {
        patch.get().set_pending(true);
        self.pending().push(Pending::Apply {
            patch: patch.clone().unbind(),
            target: target.clone().unbind(),
            replacement: replacement.clone().unbind(),
            reach,
        });
    }

    pub(crate) fn undo(&self, patch: &Bound<'_, Patch>) {
        self.pending().push(Pending::Undo(patch.clone().unbind()));
    }

    /// Whether a patch is going to be undone.
    pub(crate) fn undoes<'py>(this: &Bound<'py, Self>, patch: &Bound<'py, Patch>) -> bool {
        let is_it = |it: &Pending| matches!(it, Pending::Undo(other) if other.is(patch));
        Self::chain(this).any(|transaction| transaction.get().has(is_it))
    }

    /// Takes over what was asked for in a block in this one.
    fn join(this: &Bound<'_, Self>, mut pending: Vec<Pending>) {
        pending.retain(|it| match it {
            // A block of another task may have asked for the same.
            Pending::Undo(patch) => !Self::undoes(this, patch.bind(this.py())),
            _ => true,
        });
        this.get().pending().extend(pending);
    }

    /// A block in this one has failed: the patches of this one that it took back wait again.
    fn let_wait_again(this: &Bound<'_, Self>, pending: &[Pending]) {
        for pending in pending {
            if let Pending::Withdraw(patch) = pending {
                let is_it = |it: &_| matches!(it, Pending::Apply { patch: it, .. } if it.is(patch));
                if Self::chain(this).any(|transaction| transaction.get().has(is_it)) {
                    patch.get().set_pending(true);
                }
            }
        }
    }
}

/// Lets a patch wait no more that is not in place: for good, unless the block that runs fails.
pub(crate) fn withdraw(patch: &Bound<'_, Patch>) -> PyResult<()> {
    if patch.get().is_pending() {
        if let Some(transaction) = Transaction::current(patch.py())? {
            transaction.get().pending().push(Pending::Withdraw(patch.clone().unbind()));
        }
        patch.get().set_pending(false);
    }
    Ok(())
}

/// Does everything that is asked for, or nothing. The body of the module `ran` has just run.
pub(crate) fn carry_out(
    py: Python<'_>,
    pending: &[Pending],
    ran: Option<&str>,
) -> Result<(), Error> {
    let has_names = pending.iter().any(|it| match it {
        Pending::Apply { patch, .. } => patch.get().name().is_some(),
        Pending::Undo(_) | Pending::Withdraw(_) => false,
    });
    let watch = has_names.then(|| imports::Watch::new(py)).transpose()?;
    let outcome = loop {
        let mut groups = Groups::default();
        match groups.carry_out(py, pending, ran) {
            Ok(false) => {}
            Ok(true) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    drop(watch);
    outcome?;
    for pending in pending {
        if let Pending::Apply { patch, .. } = pending {
            names::catch_up(patch.bind(py))?;
        }
    }
    Ok(())
}

fn variable(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let variable = VARIABLE.get_or_try_init(py, || {
        let class = py.import("contextvars")?.getattr("ContextVar")?;
        PyResult::Ok(class.call1(("hotpatch.atomic",))?.unbind())
    })?;
    Ok(variable.bind(py))
}

/// A block: see `atomic` in the Python package.
#[pyclass(frozen, module = "hotpatch")]
#[derive(Default)]
pub struct Atomic(Mutex<Option<Entered>>);

/// A block that runs.
struct Entered {
    transaction: Py<Transaction>,
    token: Py<PyAny>,
}

#[pymethods]
impl Atomic {
    fn __enter__(&self, py: Python<'_>) -> Result<(), Error> {
        let parent = Transaction::current(py)?.map(Bound::unbind);
        let transaction = Bound::new(py, Transaction { parent, ..Transaction::default() })?;
        let token = variable(py)?.call_method1(intern!(py, "set"), (&transaction,))?;
        OPEN.fetch_add(1, Ordering::Relaxed);
        let entered = Entered { transaction: transaction.unbind(), token: token.unbind() };
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_some() {
            drop(place);
            entered.leave(py);
            return Err(Error::patch("this atomic() block runs already; make another".into()));
        }
        *place = Some(entered);
        Ok(())
    }

    #[pyo3(signature = (exception_type, exception, traceback, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exception_type: &Bound<'_, PyAny>,
        exception: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> Result<(), Error> {
        let _ = (exception, traceback); // they go on unchanged
        let entered = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(entered) = entered else {
            return Ok(());
        };
        entered.leave(py);
        let transaction = entered.transaction.get();
        let outer = transaction.parent.as_ref().and_then(|it| Transaction::innermost(it.bind(py)));
        let pending = std::mem::take(&mut *transaction.pending());
        let has_failed = !exception_type.is_none();
        let outcome = match outer {
            Some(outer) if !has_failed => {
                Transaction::join(&outer, pending);
                return Ok(());
            }
            Some(outer) => {
                Transaction::let_wait_again(&outer, &pending);
                Ok(())
            }
            None if has_failed => Ok(()),
            None => carry_out(py, &pending, None),
        };
        forget(py, &pending);
        outcome
    }
}

impl Entered {
    /// The block is over, whatever becomes of what it asked for.
    fn leave(&self, py: Python<'_>) {
        self.transaction.get().is_over.store(true, Ordering::Relaxed);
        OPEN.fetch_sub(1, Ordering::Relaxed);
        // Fails in another context, where the variable was not set.
        let _ = variable(py).and_then(|it| it.call_method1(intern!(py, "reset"), (&self.token,)));
    }
}

/// Patches that are not in place are not waited for any more.
fn forget(py: Python<'_>, pending: &[Pending]) {
    for pending in pending {
        if let Pending::Apply { patch, reach, .. } = pending {
            match patch.get().name() {
                Some(_) => names::forget(patch.bind(py)),
                None => patch.get().set_pending(false),
            }
            if let Some(reach) = reach.as_ref().filter(|_| !patch.get().is_active(py)) {
                reach.leave(py);
            }
        }
    }
}

/// What is to be done to one target.
pub(crate) struct Group<'py, S: Site<'py>> {
    site: S,
    items: Vec<Item<'py, S>>,
}

/// A patch that comes or goes.
pub(crate) enum Item<'py, S: Site<'py>> {
    Add { patch: Bound<'py, Patch>, replacement: Bound<'py, PyAny>, made: Made<'py, S> },
    Remove(Rank),
}

/// What a patch that comes does.
pub(crate) enum Made<'py, S: Site<'py>> {
    Body(Body<'py, S>),
    Hook(Hook),
}

/// What is to be done to all targets of a block.
#[derive(Default)]
pub(crate) struct Groups<'py> {
    pub(crate) functions: Vec<Group<'py, Function<'py>>>,
    pub(crate) builtins: Vec<Group<'py, Builtin<'py>>>,
    pub(crate) methods: Vec<Group<'py, Method<'py>>>,
    pub(crate) wrappers: Vec<Group<'py, Wrapper<'py>>>,
}

impl<'py> Groups<'py> {
    pub(crate) fn add<S: Site<'py>>(&mut self, site: &S, item: Item<'py, S>) {
        let groups = S::groups(self);
        match groups.iter_mut().find(|group| group.site.is_same(site)) {
            Some(group) => group.items.push(item),
            None => groups.push(Group { site: site.clone(), items: vec![item] }),
        }
    }

    /// Returns whether it is done; otherwise somebody has changed something meanwhile.
    fn carry_out(
        &mut self,
        py: Python<'py>,
        pending: &[Pending],
        ran: Option<&str>,
    ) -> Result<bool, Error> {
        let (mut undone, mut named, mut coming) = (Vec::new(), Vec::new(), Vec::new());
        for pending in pending {
            match pending {
                Pending::Apply { patch, replacement, .. } if patch.get().name().is_some() => {
                    let (patch, replacement) = (patch.bind(py), replacement.bind(py));
                    if !names::is_in_force(patch) {
                        continue;
                    }
                    let part = self.add_part(patch, replacement, ran);
                    let part = part.map_err(|error| names::blame(patch, error))?;
                    coming.extend(part.clone());
                    coming.push(patch.clone());
                    named.push((patch, part));
                }
                Pending::Apply { patch, target, replacement, reach } => {
                    let patch = patch.bind(py);
                    if patch.get().is_pending() {
                        let mut options = patch.get().options();
                        options.reach = reach.as_ref().map(|reach| reach.clone_ref(py));
                        let goal = Goal::AtTheEnd { patch, groups: self };
                        coming.push(place(replacement.bind(py), target.bind(py), &options, goal)?);
                    }
                }
                Pending::Undo(patch) => {
                    for part in Patch::parts(patch.bind(py)) {
                        let patch = part.get();
                        if let Some(site) = patch.site(py)?.filter(|_| patch.is_active(py)) {
                            let weak = patch.weak_replacement(py)?;
                            with_site!(site, site => self.add(&site, Item::Remove(patch.rank())));
                            undone.push((part, weak));
                        }
                    }
                }
                Pending::Withdraw(_) => {}
            }
        }
        let mut changes: Vec<Box<dyn Prepared<'py> + 'py>> = Vec::new();
        prepare(&self.functions, &mut changes)?;
        prepare(&self.builtins, &mut changes)?;
        prepare(&self.methods, &mut changes)?;
        prepare(&self.wrappers, &mut changes)?;
        let mut touched = HashSet::new();
        if !changes.iter().flat_map(|change| change.touched()).all(|it| touched.insert(it)) {
            return Err(Error::patch(
                "a function and the original of one of its patches cannot be changed in the same \
                 atomic() block; use a block for each"
                    .into(),
            ));
        }
        changes.iter().try_for_each(|change| change.announce())?;
        // From here on no Python code runs until everything is in place.
        if !changes.iter().all(|change| change.is_current())
            || !named.iter().all(|(patch, _)| names::is_in_force(patch))
        {
            return Ok(false);
        }
        // They are numbered as they were asked for, whatever their targets are.
        for patch in &coming {
            patch.get().number();
        }
        for change in &mut changes {
            change.commit();
        }
        let forgotten: Vec<_> = undone
            .iter_mut()
            .map(|(patch, replacement)| patch.get().remember(replacement.take()))
            .collect();
        let gone: Vec<_> =
            named.into_iter().map(|(patch, part)| names::register(patch, part)).collect();
        for change in &changes {
            change.settle();
        }
        for pending in pending {
            if let Pending::Undo(patch) = pending {
                names::give_up(patch.bind(py));
            }
        }
        drop((changes, forgotten, gone));
        Ok(true)
    }

    /// Adds a patch of what has the name that `patch` asks for, if it is there and has none.
    fn add_part(
        &mut self,
        patch: &Bound<'py, Patch>,
        replacement: &Bound<'py, PyAny>,
        ran: Option<&str>,
    ) -> Result<Option<Bound<'py, Patch>>, Error> {
        let Some(Part { patch, target, options }) = names::part(patch, ran)? else {
            return Ok(None);
        };
        let goal = Goal::AtTheEnd { patch: &patch, groups: self };
        Ok(Some(place(replacement, &target, &options, goal)?))
    }
}

/// A [`Change`] of a target of any kind.
trait Prepared<'py> {
    fn touched(&self) -> Vec<usize>;
    fn announce(&self) -> PyResult<()>;
    fn is_current(&self) -> bool;
    fn commit(&mut self);
    fn settle(&self);
}

impl<'py, S: Site<'py>> Prepared<'py> for Change<'py, S> {
    fn touched(&self) -> Vec<usize> {
        self.touched()
    }

    fn announce(&self) -> PyResult<()> {
        self.announce()
    }

    fn is_current(&self) -> bool {
        self.is_current()
    }

    fn commit(&mut self) {
        self.commit();
    }

    fn settle(&self) {
        self.settle();
    }
}

fn prepare<'py, S: Site<'py> + 'py>(
    groups: &[Group<'py, S>],
    changes: &mut Vec<Box<dyn Prepared<'py> + 'py>>,
) -> Result<(), Error> {
    for Group { site, items } in groups {
        let edits = items.iter().map(|item| match item {
            Item::Add { patch, replacement, made } => {
                let source = match made {
                    Made::Body(body) => Source::Body(body),
                    Made::Hook(hook) => Source::Hook(hook),
                };
                Edit::Add(Addition { patch, replacement, source })
            }
            Item::Remove(rank) => Edit::Remove(*rank),
        });
        let mut edits: Vec<_> = edits.collect();
        edits.sort_by_key(Edit::rank); // the sort is stable: of one rank, the later lies further out
        let mut change = Box::new(Change::new(site.clone()));
        change.prepare(&edits)?;
        changes.push(change);
    }
    Ok(())
}
