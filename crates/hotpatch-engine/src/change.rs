//! Changing the patches of one target: everything is made ready first, and then written at once.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use smallvec::SmallVec;

use crate::error::Error;
use crate::hook::Hook;
use crate::names;
use crate::patch::{Patch, Rank};
use crate::registry;
use crate::site::{Body, Install, Site, Stored};
use crate::stack::{Layer, Retired, Stack, changed_by_others};

/// The number of the next patch.
pub(crate) fn next_sequence() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What is to be done to the stack of a target.
pub(crate) enum Edit<'a, 'py, S: Site<'py>> {
    /// A patch comes, above all others of its order.
    Add(Addition<'a, 'py, S>),
    /// A patch goes.
    Remove(Rank),
    /// What the target does below its patches becomes something else.
    Rebase(Body<'py, S>),
}

/// A patch that comes.
pub(crate) struct Addition<'a, 'py, S: Site<'py>> {
    pub(crate) patch: &'a Bound<'py, Patch>,
    pub(crate) replacement: &'a Bound<'py, PyAny>,
    pub(crate) source: Source<'a, 'py, S>,
}

/// Makes the body of a replacement of the unpatched one.
pub(crate) type MakeBody<'a, 'py, S> = dyn Fn(&Body<'py, S>) -> Result<Body<'py, S>, Error> + 'a;

/// Where the body of a patch comes from.
pub(crate) enum Source<'a, 'py, S: Site<'py>> {
    /// It is made of the body that the target has unpatched.
    Replacement(&'a MakeBody<'a, 'py, S>),
    /// It was made already.
    Body(&'a Body<'py, S>),
    /// It calls what lies below.
    Hook(&'a Hook),
}

impl<'py, S: Site<'py>> Edit<'_, 'py, S> {
    pub(crate) fn rank(&self) -> Rank {
        match self {
            Self::Add(addition) => addition.patch.get().rank(),
            Self::Remove(rank) => *rank,
            Self::Rebase(_) => Rank::LOWEST,
        }
    }

    fn is_removal(&self) -> bool {
        matches!(self, Self::Remove(_))
    }

    fn is_addition(&self) -> bool {
        matches!(self, Self::Add(_))
    }

    /// Whether it uses what lies below its place.
    fn looks_below(&self) -> bool {
        match self {
            Self::Add(addition) => matches!(addition.source, Source::Hook(_)),
            Self::Remove(_) => true,
            Self::Rebase(_) => false,
        }
    }
}

/// A patch that is there, at the place of an edit or above.
struct Known<'py, S: Site<'py>> {
    rank: Rank,
    original: Option<Bound<'py, PyAny>>,
    hook: Option<(Hook, Bound<'py, PyAny>)>,
    /// Where it is needed.
    body: Option<Body<'py, S>>,
}

/// What is to be known of a stack for some edits of it.
struct View<'py, S: Site<'py>> {
    /// How many patches there are.
    count: usize,
    base: Option<Body<'py, S>>,
    base_cells: Option<Bound<'py, PyTuple>>,
    /// What the patch was made with that goes, if no other does.
    replacement: Option<Bound<'py, PyAny>>,
    /// What lies below the lowest edit, where it is needed.
    below: Option<Body<'py, S>>,
    /// The patches from there up to the first that the edits cannot change, without those that go.
    layers: Vec<Known<'py, S>>,
    /// Whether all that are to go are there.
    has_all: bool,
    /// Whether the newest patch is among them, or there is none.
    reaches_top: bool,
}

impl<'py, S: Site<'py>> View<'py, S> {
    fn fill(
        &mut self,
        py: Python<'py>,
        stack: &Stack<S::Stored>,
        edits: &[Edit<'_, 'py, S>],
        last: Rank,
    ) {
        let Some(first) = edits.first() else {
            return;
        };
        let (is_single, rank) = (edits.len() == 1, first.rank());
        let start = stack.layers.partition_point(|layer| layer.rank() < rank);
        let mut has_hooks = false;
        self.has_all = edits.iter().all(|edit| match edit {
            Edit::Remove(rank) => stack.position(*rank).is_some(),
            _ => true,
        });
        for layer in &stack.layers[start..] {
            let is_to_go = |edit: &_| matches!(edit, Edit::Remove(rank) if *rank == layer.rank());
            if edits.iter().any(is_to_go) {
                self.replacement = Some(layer.replacement.bind(py).clone());
                continue;
            }
            let hook = layer.hook.as_ref();
            self.layers.push(Known {
                rank: layer.rank(),
                original: layer.original.as_ref().map(|original| original.bind(py).clone()),
                hook: hook.map(|it| (it.clone_ref(py), layer.replacement.bind(py).clone())),
                body: (!is_single || hook.is_some()).then(|| layer.body.bind(py)),
            });
            has_hooks |= hook.is_some();
            if layer.rank() > last && hook.is_none() {
                self.reaches_top = false;
                break;
            }
        }
        if has_hooks || edits.iter().any(Edit::is_addition) {
            self.base = Some(stack.base(py));
        }
        self.base_cells = stack.base.cells(py);
        if !is_single || first.looks_below() {
            self.below = Some(stack.below(start).bind(py));
        }
        self.count = stack.layers.len();
    }
}

/// Edits of one stack that are ready to be carried out; and then what they took away.
// Filled in place, since it is too large to be moved about.
pub(crate) struct Change<'py, S: Site<'py>> {
    site: S,
    /// That of the stack when this was prepared, if there was one.
    epoch: Option<u64>,
    /// Whether the target did then what the newest patch said.
    is_installed: bool,
    /// What the patch was made with that goes, if no other does.
    replacement: Option<Bound<'py, PyAny>>,
    /// Of a stack that is not there yet, or of one that gets another.
    base: Option<S::Stored>,
    removed: SmallVec<[Rank; 1]>,
    added: SmallVec<[Layer<S::Stored>; 1]>,
    /// The hooks that call something else from now on.
    rebuilt: Vec<(Rank, S::Stored)>,
    /// Of the target, if the newest patch is another or has another body.
    install: Option<S::Install>,
    /// Of the originals below which something changes.
    originals: Vec<S::Install>,
    /// The addresses of those.
    addresses: Vec<usize>,
    /// Of originals that are patched themselves.
    others: Vec<Self>,
    retired: SmallVec<[Retired<'py, S::Stored>; 1]>,
    /// A stack from which the last patch went.
    emptied: Option<Box<Stack<S::Stored>>>,
}

/// Originals that are patched themselves, and what they are going to do below those patches.
type Patched<'py, S> = Vec<(S, Body<'py, S>)>;

impl<'py, S: Site<'py>> Change<'py, S> {
    /// No change yet.
    pub(crate) fn new(site: S) -> Self {
        Self {
            site,
            epoch: None,
            is_installed: true,
            replacement: None,
            base: None,
            removed: SmallVec::new(),
            added: SmallVec::new(),
            rebuilt: Vec::new(),
            install: None,
            originals: Vec::new(),
            addresses: Vec::new(),
            others: Vec::new(),
            retired: SmallVec::new(),
            emptied: None,
        }
    }

    /// Gets everything ready for some edits, sorted by rank.
    ///
    /// # Errors
    ///
    /// `PatchError` if somebody else has changed the target, and whatever making a body raises.
    pub(crate) fn prepare(&mut self, edits: &[Edit<'_, 'py, S>]) -> Result<(), Error> {
        let mut patched = Vec::new();
        self.prepare_one(edits, &mut patched)?;
        while let Some((original, base)) = patched.pop() {
            let mut other = Self::new(original);
            other.prepare_one(&[Edit::Rebase(base)], &mut patched)?;
            self.others.push(other);
        }
        Ok(())
    }

    fn prepare_one(
        &mut self,
        edits: &[Edit<'_, 'py, S>],
        patched: &mut Patched<'py, S>,
    ) -> Result<(), Error> {
        let py = self.site.as_any().py();
        let seen = self.site.seen();
        let mut view = View {
            count: 0,
            base: None,
            base_cells: None,
            replacement: None,
            below: None,
            layers: Vec::new(),
            has_all: !edits.iter().any(Edit::is_removal),
            reaches_top: true,
        };
        let last = edits.last().map_or(Rank::LOWEST, Edit::rank);
        let found = self.site.with_stack(|stack| {
            view.fill(py, stack, edits, last);
            (stack.epoch, stack.is_installed(&self.site))
        });
        if let Some((epoch, is_installed)) = found {
            (self.epoch, self.is_installed) = (Some(epoch), is_installed);
            if !is_installed {
                // Whoever changes the original of another patch does not keep that from going.
                if !matches!(edits, [Edit::Rebase(_)]) {
                    return Err(changed_by_others(self.site.as_any()));
                }
                view.reaches_top = false;
            }
        } else {
            let base = self.site.body()?;
            view.base_cells = S::cells_of(&base).cloned();
            if edits.iter().any(Edit::looks_below) {
                view.below = Some(base.clone());
            }
            view.base = Some(base);
        }
        self.replacement = view.replacement.take();
        if !view.has_all {
            return Err(changed_by_others(self.site.as_any()));
        }
        self.walk(view, seen, edits, patched)
    }

    /// Goes up from the lowest edit, and makes ready what changes at each place.
    fn walk(
        &mut self,
        view: View<'py, S>,
        seen: S::Seen,
        edits: &[Edit<'_, 'py, S>],
        patched: &mut Patched<'py, S>,
    ) -> Result<(), Error> {
        let View { count, mut base, base_cells, mut below, layers, reaches_top, .. } = view;
        let mut layers = layers.into_iter().peekable();
        let mut edits = edits.iter().peekable();
        // Whether what lies below the place that is looked at is going to be something else.
        let mut is_other = false;
        loop {
            let place = layers.peek().map(|layer| layer.rank);
            if let Some(edit) = edits.next_if(|edit| place.is_none_or(|rank| edit.rank() <= rank)) {
                match edit {
                    Edit::Remove(rank) => self.removed.push(*rank),
                    Edit::Add(addition) => {
                        self.add(addition, base.as_ref(), &mut below)
                            .map_err(|error| names::blame(addition.patch, error))?;
                    }
                    Edit::Rebase(body) => {
                        self.base = Some(S::Stored::unbind(body.clone()));
                        base = Some(body.clone());
                        below = Some(body.clone());
                    }
                }
                is_other = true;
                continue;
            }
            let Some(layer) = layers.next() else {
                break;
            };
            let Some(current) = below.take().filter(|_| is_other) else {
                below = layer.body;
                continue;
            };
            if let Some(original) = &layer.original {
                self.set_original(original, current.clone(), patched)?;
            }
            if let (Some((hook, named)), Some(original), Some(base)) =
                (&layer.hook, &layer.original, &base)
            {
                let former = layer.body.as_ref();
                let body = hook.body(&self.site, named, original, &current, base, former)?;
                self.rebuilt.push((layer.rank, S::Stored::unbind(body.clone())));
                below = Some(body);
            } else {
                is_other = false;
                below = layer.body;
            }
        }
        if is_other
            && reaches_top
            && let Some(body) = below
        {
            let has_stack = count + self.added.len() > self.removed.len();
            self.install = Some(self.site.prepare(seen, body, has_stack, base_cells.as_ref())?);
        }
        if self.epoch.is_none() {
            self.base = base.map(S::Stored::unbind);
        }
        Ok(())
    }

    /// Makes the body of a patch that comes, in the place of what is going to lie below it.
    fn add(
        &mut self,
        addition: &Addition<'_, 'py, S>,
        base: Option<&Body<'py, S>>,
        below: &mut Option<Body<'py, S>>,
    ) -> Result<(), Error> {
        let Addition { patch, replacement, source } = addition;
        let base = base.ok_or_else(|| changed_by_others(self.site.as_any()))?;
        let (mut hook, mut original) = (None, None);
        match source {
            Source::Replacement(make_body) => *below = Some(make_body(base)?),
            Source::Body(body) => *below = Some((*body).clone()),
            Source::Hook(of) => {
                let lower = below.take().ok_or_else(|| changed_by_others(self.site.as_any()))?;
                let is_patched = self.epoch.is_some();
                of.check(&self.site, replacement, Some(base).filter(|_| is_patched))?;
                let twin = self.site.twin(lower.clone())?.as_any().clone();
                let body = of.body(&self.site, replacement, &twin, &lower, base, None);
                *below = Some(body.inspect_err(|_| S::Stored::discard(twin.clone()))?);
                (hook, original) = (Some(of.clone_ref(patch.py())), Some(twin.unbind()));
            }
        }
        if let Some(body) = below {
            self.added.push(Layer {
                patch: (*patch).clone().unbind(),
                replacement: (*replacement).clone().unbind(),
                body: S::Stored::unbind(body.clone()),
                original,
                hook,
                ticket: None,
            });
        }
        Ok(())
    }

    /// Gets everything ready for `original` to do what `body` says.
    ///
    /// Whoever has patched that function has put a stack of its own on it.
    fn set_original(
        &mut self,
        original: &Bound<'py, PyAny>,
        body: Body<'py, S>,
        patched: &mut Patched<'py, S>,
    ) -> PyResult<()> {
        if let Some(original) = S::new(original) {
            let seen = original.seen();
            if original.with_stack(|_| ()).is_some() {
                patched.push((original, body));
            } else {
                self.addresses.push(original.as_any().as_ptr().addr());
                self.originals.push(original.prepare(seen, body, false, None)?);
            }
        }
        Ok(())
    }

    /// What the patch was made with that goes, if no other does.
    pub(crate) fn replacement(&self) -> Option<&Bound<'py, PyAny>> {
        self.replacement.as_ref()
    }

    /// The addresses of all objects that are going to change.
    pub(crate) fn touched(&self) -> Vec<usize> {
        let mut found = vec![self.site.as_any().as_ptr().addr()];
        found.extend(&self.addresses);
        found.extend(self.others.iter().flat_map(Self::touched));
        found
    }

    /// Lets CPython drop what it knows of the bodies that are installed now.
    pub(crate) fn announce(&self) -> PyResult<()> {
        self.install.iter().chain(&self.originals).try_for_each(Install::announce)?;
        self.others.iter().try_for_each(Self::announce)
    }

    /// Whether nobody has changed anything since this was prepared.
    pub(crate) fn is_current(&self) -> bool {
        let is_same = self.site.with_stack(|stack| {
            let is_same = self.epoch == Some(stack.epoch);
            is_same && stack.is_installed(&self.site) == self.is_installed
        });
        is_same.unwrap_or(self.epoch.is_none())
            && self.install.iter().chain(&self.originals).all(Install::is_current)
            && self.others.iter().all(Self::is_current)
    }

    /// Carries it out. To be called when it is current, with no Python code in between.
    ///
    /// What was taken away goes with this, and then Python code can run.
    pub(crate) fn commit(&mut self) {
        let Self { site, base, removed, added, rebuilt, install, retired, .. } = self;
        let py = site.as_any().py();
        let mut stack = match (self.epoch, base.take()) {
            (None, Some(base)) => Some(Box::new(Stack::new(base))),
            (_, other) => {
                *base = other;
                install.as_ref().and_then(Install::take_stack)
            }
        };
        let edit = |stack: &mut Stack<S::Stored>| {
            stack.epoch += 1;
            if let Some(base) = base {
                std::mem::swap(&mut stack.base, base);
            }
            for rank in removed.drain(..) {
                if let Some(index) = stack.position(rank) {
                    retired.push(stack.layers.remove(index).retire(py));
                }
            }
            for (rank, body) in rebuilt {
                if let Some(index) = stack.position(*rank) {
                    std::mem::swap(&mut stack.layers[index].body, body);
                }
            }
            for mut layer in added.drain(..) {
                let patch = layer.patch.get();
                patch.number();
                patch.set_active(true);
                layer.ticket =
                    patch.is_listed().then(|| registry::enter(layer.patch.clone_ref(py)));
                stack.insert(layer);
            }
        };
        match &mut stack {
            Some(stack) => edit(stack),
            None => drop(site.with_stack(edit)),
        }
        if let Some(install) = install {
            self.emptied = stack.take_if(|stack| stack.layers.is_empty());
            install.commit(stack);
        }
        self.originals.iter_mut().for_each(|install| install.commit(None));
        self.others.iter_mut().for_each(Self::commit);
    }

    /// Does what is due after it was carried out. This can run Python code.
    pub(crate) fn settle(&self) {
        let py = self.site.as_any().py();
        self.retired.iter().filter_map(Retired::hook).for_each(|hook| hook.leave(py));
        self.site.settle();
        self.others.iter().for_each(Self::settle);
    }
}

impl<'py, S: Site<'py>> Drop for Change<'py, S> {
    /// Gives up the originals of patches that did not get their place.
    fn drop(&mut self) {
        let py = self.site.as_any().py();
        for layer in self.added.drain(..) {
            if let Some(original) = layer.original {
                S::Stored::discard(original.into_bound(py));
            }
        }
    }
}
